// An upstream that says what reached it: method, target, headers as sent, body;
// and that misbehaves when asked by header.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What an echo answers with. */
export interface Echo {
  readonly server: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/**
 * Headers that change the answer: `x-status: 503` (that status), `x-fail-times: 2` with `x-request-key` (503 for the
 * first two requests of that key), `x-reset: 1` (the connection is reset without an answer), `x-delay-ms: 200`.
 */
export class EchoServer implements AsyncDisposable {
  readonly name: string;
  readonly #server: Server;
  readonly #seen = new Map<string, number>();
  requests = 0;

  private constructor(name: string) {
    this.name = name;
    this.#server = createServer((incoming, outgoing) => this.#serve(incoming, outgoing));
    this.#server.keepAliveTimeout = 60_000;
  }

  /** Listens on 127.0.0.1, by default on a port of the system's choice. */
  static async start(name: string, port = 0): Promise<EchoServer> {
    const echo = new EchoServer(name);
    await new Promise<void>((resolve, reject) => {
      echo.#server.once('error', reject);
      echo.#server.listen(port, '127.0.0.1', resolve);
    });
    return echo;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.requests++;
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => this.#answer(incoming, outgoing, Buffer.concat(chunks).toString('latin1')));
    incoming.on('error', () => undefined);
  }

  #answer(incoming: IncomingMessage, outgoing: ServerResponse, body: string): void {
    if (incoming.headers['x-reset'] !== undefined) {
      incoming.socket.resetAndDestroy();
      return;
    }
    const delayMs = Number(incoming.headers['x-delay-ms'] ?? 0);
    if (delayMs > 0) setTimeout(() => this.#reply(incoming, outgoing, body), delayMs);
    else this.#reply(incoming, outgoing, body);
  }

  #reply(incoming: IncomingMessage, outgoing: ServerResponse, body: string): void {
    const echo: Echo = {
      server: this.name, method: incoming.method ?? '', url: incoming.url ?? '', headers: plainHeaders(incoming), body,
    };
    const text = JSON.stringify(echo);
    outgoing.writeHead(this.#statusFor(incoming), {
      'content-type': 'application/json', 'content-length': Buffer.byteLength(text),
    });
    outgoing.end(text);
  }

  #statusFor(incoming: IncomingMessage): number {
    const failures = Number(incoming.headers['x-fail-times'] ?? 0);
    const key = String(incoming.headers['x-request-key'] ?? '');
    const before = this.#seen.get(key) ?? 0;
    this.#seen.set(key, before + 1);
    if (before < failures) return 503;
    return Number(incoming.headers['x-status'] ?? 200);
  }
}

/** Lower-case names, repeated values joined, in the order of arrival. */
function plainHeaders(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    const name = incoming.rawHeaders[i]!.toLowerCase();
    const value = incoming.rawHeaders[i + 1]!;
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return headers;
}
