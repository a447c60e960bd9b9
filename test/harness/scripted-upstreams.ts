// Several upstreams (node:http) that keep what reached them by the request's key, and answer as the request's own
// script says: one step for each try.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One try as it arrived. Header lines are sorted by name; lines of one name keep their order. */
export interface Received {
  readonly server: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

export const KEY_HEADER = 'x-key';
/**
 * Steps with blanks between: a status, with `+ms` for a delay before it; `reset` (of the connection); `cut` (in the
 * body); `grpc14` (a head with this grpc-status); `limited` (429 with x-envoy-ratelimited); `after3` (429 with this
 * retry-after), `until3` (429 with x-reset, the Unix time in so many seconds). The last is repeated.
 */
export const SCRIPT_HEADER = 'x-script';

export class ScriptedUpstreams implements AsyncDisposable {
  readonly #servers: readonly (readonly [string, Server])[];
  readonly #received = new Map<string, Received[]>();
  readonly #copied = new Map<string, Received[]>();
  readonly #copies: readonly string[];

  private constructor(names: readonly string[], copies: readonly string[]) {
    this.#copies = copies;
    this.#servers = [...names, ...copies].map((name) => {
      const server = createServer((incoming, outgoing) => this.#serve(name, incoming, outgoing));
      server.keepAliveTimeout = 120_000;
      return [name, server];
    });
  }

  /** `copies` are servers for copies of requests, which are no tries: they answer 200. */
  static async start(names: readonly string[], copies: readonly string[] = []): Promise<ScriptedUpstreams> {
    const upstreams = new ScriptedUpstreams(names, copies);
    await Promise.all(upstreams.#servers.map(([, server]) => new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    })));
    return upstreams;
  }

  portOf(name: string): number {
    return (this.#servers.find(([own]) => own === name)![1].address() as AddressInfo).port;
  }

  /** The tries of the request with this key, in the order of arrival. */
  received(key: string): readonly Received[] {
    return this.#received.get(key) ?? [];
  }

  /** The copies of the request with this key, in no order. */
  copied(key: string): readonly Received[] {
    return this.#copied.get(key) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map(([, server]) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    }));
  }

  #serve(name: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const key = String(incoming.headers[KEY_HEADER] ?? '');
    const isCopy = this.#copies.includes(name);
    const kept = isCopy ? this.#copied : this.#received;
    const tries = kept.get(key) ?? [];
    kept.set(key, tries);
    const chunks: Buffer[] = [];
    incoming.on('error', () => undefined);
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = '', url = '' } = incoming;
      tries.push({ server: name, method, url, headers: fields(incoming), body: Buffer.concat(chunks).toString('hex') });
      const steps = String(isCopy ? '200' : incoming.headers[SCRIPT_HEADER] ?? '200').split(' ');
      perform(steps[Math.min(tries.length, steps.length) - 1]!, name, incoming, outgoing);
    });
  }
}

function perform(step: string, name: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const [what = '', delayMs] = step.split('+');
  if (delayMs !== undefined) setTimeout(() => answer(what, name, incoming, outgoing), Number(delayMs));
  else answer(what, name, incoming, outgoing);
}

function answer(what: string, name: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (what === 'reset') {
    incoming.socket.resetAndDestroy();
    return;
  }
  outgoing.on('error', () => undefined);
  const plain = ['content-type', 'text/plain', 'x-up', name, 'x-multi', 'a', 'x-multi', 'b', 'x-gone', 'g',
    'set-cookie', 's=1', 'set-cookie', 't=2'];
  const [status, ...extra] = special(what) ?? [Number(what) || 200];
  const text = `from ${name}`;
  const length = what === 'cut' ? ['content-length', '1000'] : ['content-length', String(text.length)];
  outgoing.writeHead(status, [...plain, ...extra, ...(status === 204 || status === 304 ? [] : length)]);
  if (what === 'cut') outgoing.write(text, () => incoming.socket.resetAndDestroy());
  else outgoing.end(text);
}

/** The status and header of a step that is no status; undefined: it is. */
function special(what: string): readonly [number, ...string[]] | undefined {
  const [, word, number = ''] = /^([a-z]+)(.*)$/.exec(what) ?? [];
  switch (word) {
    case 'grpc': return [200, 'grpc-status', number];
    case 'limited': return [429, 'x-envoy-ratelimited', 'true'];
    case 'after': return [429, 'retry-after', number];
    case 'until': return [429, 'x-reset', String(Math.floor(Date.now() / 1000) + Number(number))];
    default: return undefined;
  }
}

function fields(incoming: IncomingMessage): (readonly [string, string])[] {
  const lines: (readonly [string, string])[] = [];
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    lines.push([incoming.rawHeaders[i]!.toLowerCase(), incoming.rawHeaders[i + 1]!]);
  }
  return lines.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)));
}
