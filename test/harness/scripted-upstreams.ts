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
 * body); `grpc14` (a head with this grpc-status); `limited` (429 with x-envoy-ratelimited). The last is repeated.
 */
export const SCRIPT_HEADER = 'x-script';

export class ScriptedUpstreams implements AsyncDisposable {
  readonly #servers: readonly (readonly [string, Server])[];
  readonly #received = new Map<string, Received[]>();

  private constructor(names: readonly string[]) {
    this.#servers = names.map((name) => {
      const server = createServer((incoming, outgoing) => this.#serve(name, incoming, outgoing));
      server.keepAliveTimeout = 120_000;
      return [name, server];
    });
  }

  static async start(names: readonly string[]): Promise<ScriptedUpstreams> {
    const upstreams = new ScriptedUpstreams(names);
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

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map(([, server]) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    }));
  }

  #serve(name: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const key = String(incoming.headers[KEY_HEADER] ?? '');
    const tries = this.#received.get(key) ?? [];
    this.#received.set(key, tries);
    const chunks: Buffer[] = [];
    incoming.on('error', () => undefined);
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = '', url = '' } = incoming;
      tries.push({ server: name, method, url, headers: fields(incoming), body: Buffer.concat(chunks).toString('hex') });
      const steps = String(incoming.headers[SCRIPT_HEADER] ?? '200').split(' ');
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
  const plain = ['content-type', 'text/plain', 'x-up', name, 'x-multi', 'a', 'x-multi', 'b', 'x-gone', 'g'];
  const extra = what === 'grpc14' ? ['grpc-status', '14'] : what === 'limited' ? ['x-envoy-ratelimited', 'true'] : [];
  const status = what === 'limited' ? 429 : Number(what) || 200;
  const text = `from ${name}`;
  const length = what === 'cut' ? ['content-length', '1000'] : ['content-length', String(text.length)];
  outgoing.writeHead(status, [...plain, ...extra, ...(status === 204 || status === 304 ? [] : length)]);
  if (what === 'cut') outgoing.write(text, () => incoming.socket.resetAndDestroy());
  else outgoing.end(text);
}

function fields(incoming: IncomingMessage): (readonly [string, string])[] {
  const lines: (readonly [string, string])[] = [];
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    lines.push([incoming.rawHeaders[i]!.toLowerCase(), incoming.rawHeaders[i + 1]!]);
  }
  return lines.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)));
}
