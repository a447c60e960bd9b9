// Asks Consul's HTTP API: one GET at a time for each question, blocking queries included, within limits.
import { Agent, request } from 'undici';
import { messageOf } from '../../proxy/base/error.ts';

export interface ConsulAddress {
  /** `http://127.0.0.1:8500` */
  readonly url: string;
  /** Looked up for each question: it may be rotated. */
  readonly token?: (() => string) | undefined;
  /** Roots in place of the system's, as PEM. */
  readonly roots?: string | undefined;
  readonly datacenter?: string | undefined;
  /** Of Consul Enterprise. */
  readonly consulNamespace?: string | undefined;
  /** Whether followers may answer, which spares the leader. Default true: a watch sees the change a moment later. */
  readonly stale?: boolean | undefined;
}

export interface ConsulAnswer {
  readonly body: unknown;
  /** X-Consul-Index, 1 where the answer has none that can be waited for. */
  readonly index: number;
}

/** Answers beyond it are refused. */
const ANSWER_BYTES_MAX = 16_777_216;
const HEAD_BYTES_MAX = 16_384;
/** Consul adds up to a sixteenth to the wait; and then there is the network. */
const SLACK_MS = 15_000;

export class ConsulClient {
  readonly #address: ConsulAddress;
  readonly #agent: Agent;

  constructor(address: ConsulAddress) {
    this.#address = address;
    this.#agent = new Agent({
      maxResponseSize: ANSWER_BYTES_MAX, maxHeaderSize: HEAD_BYTES_MAX, pipelining: 1,
      // The signal of each question bounds it as a whole.
      headersTimeout: 0, bodyTimeout: 0,
      connect: { timeout: 5000, ...(address.roots !== undefined && { ca: address.roots }) },
    });
  }

  /** Waits up to `waitMs` while nothing beyond `index` is known (0 asks at once). Rejects with one line for people. */
  async get(path: string, index: number, waitMs: number, closed: AbortSignal): Promise<ConsulAnswer> {
    const { token } = this.#address;
    const signal = AbortSignal.any([closed, AbortSignal.timeout(Math.ceil(waitMs * 17 / 16) + SLACK_MS)]);
    const secret = token?.() ?? '';
    const { statusCode, headers, body } = await request(this.#urlOf(path, index, waitMs), {
      dispatcher: this.#agent, signal,
      headers: { accept: 'application/json', ...(secret !== '' && { 'x-consul-token': secret }) },
    }).catch(failure);
    const text = await body.text().catch(failure);
    if (statusCode !== 200) throw new Error(refusal(statusCode, text));
    return { body: parsed(text), index: Math.max(1, indexOf(headers['x-consul-index'])) };
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  #urlOf(path: string, index: number, waitMs: number): URL {
    const { url, datacenter, consulNamespace, stale = true } = this.#address;
    const target = new URL(path, url);
    if (index > 0) {
      target.searchParams.set('index', String(index));
      target.searchParams.set('wait', `${Math.ceil(waitMs / 1000)}s`);
    }
    if (datacenter !== undefined) target.searchParams.set('dc', datacenter);
    if (consulNamespace !== undefined) target.searchParams.set('ns', consulNamespace);
    if (stale) target.searchParams.set('stale', '');
    return target;
  }
}

function indexOf(header: string | string[] | undefined): number {
  const text = String(header);
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('does not answer in JSON; is that Consul?');
  }
}

/** What Consul says of it is for people too, but it is somebody else's text: its first line, and short. */
function refusal(status: number, text: string): string {
  const said = text.split('\n', 1)[0]!.replace(/[^\x20-\x7e]/g, '').slice(0, 120);
  const quoted = said === '' ? '' : `: ${said}`;
  if (status === 403) return `refuses the token (403${quoted}); it needs service:read and node:read`;
  if (status === 429) return `takes no more connections from here (429${quoted}); see limits.http_max_conns_per_client`;
  return `answers ${status}${quoted}`;
}

function failure(cause: unknown): never {
  const name = cause instanceof Error ? cause.name : '';
  if (name === 'TimeoutError') throw new Error('does not answer in time', { cause });
  const code = (cause as { code?: unknown }).code;
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
    throw new Error(`answers with more than ${ANSWER_BYTES_MAX} bytes`, { cause });
  }
  throw new Error(`cannot be asked: ${messageOf(cause)}`, { cause });
}
