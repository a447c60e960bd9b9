// What a service is told of a request: its canonical head, as filters and the upstream see it, and its body.
import type { RequestHead } from '../http/message.ts';
import type { ExtAuthzSettings } from './ext-authz-settings.ts';

const PARTIAL_BODY = 'x-envoy-auth-partial-body';

/** Names that HTTP services are always told. */
const ALWAYS: ReadonlySet<string> = new Set([':method', ':path', ':authority', 'authorization']);

export interface CheckFacts {
  /** [name, value, …], pseudo headers among them; each name once unless they go as bytes. */
  readonly headers: readonly string[];
  readonly body: Buffer | undefined;
  readonly extensions: ReadonlyMap<string, string>;
}

export interface HeldBody {
  readonly bytes: Buffer;
  /** There is more of it. */
  readonly partial: boolean;
}

export function checkHeaders(
  request: RequestHead, settings: ExtAuthzSettings, body: HeldBody | undefined,
): readonly string[] {
  const out: string[] = [];
  const places = settings.rawHeaders ? undefined : new Map<string, number>();
  const add = (name: string, value: string): void => {
    if (!isTold(name, settings)) return;
    const at = places?.get(name);
    if (at === undefined) {
      places?.set(name, out.length);
      out.push(name, value);
    } else {
      out[at + 1] = `${out[at + 1]!},${value}`;
    }
  };
  add(':authority', request.authority);
  // A CONNECT has no path.
  if (request.path !== '') add(':path', request.path);
  add(':method', request.method);
  add(':scheme', request.scheme);
  const { fields } = request.headers;
  for (let i = 0; i < fields.length; i += 2) add(fields[i]!, fields[i + 1]!);
  if (request.contentLength > 0) add('content-length', String(request.contentLength));
  if (body !== undefined) out.push(PARTIAL_BODY, String(body.partial));
  return out;
}

function isTold(name: string, { allowed, disallowed, target }: ExtAuthzSettings): boolean {
  // A client's own would stand for ours.
  if (name === PARTIAL_BODY) return false;
  if (disallowed?.has(name) === true) return false;
  if (target.kind === 'http') return ALWAYS.has(name) || allowed?.has(name) === true;
  return allowed === undefined || allowed.has(name);
}
