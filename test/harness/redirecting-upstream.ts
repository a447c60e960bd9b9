// An upstream (node:http) that redirects as a request's path says, and keeps what reached it by the request's key.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KEY_HEADER } from './scripted-upstreams.ts';

/** How messages are framed, and what chance gives them, is not what redirects decide. */
const LEFT_OUT = new Set([KEY_HEADER, 'connection', 'content-length', 'transfer-encoding', 'x-request-id']);

/** The path of a request that is redirected: `/r/<status>/<location>`, without location where it is undefined. */
export function redirectPath(status: number, location: string | undefined): string {
  return `/r/${status}/${location === undefined ? '-' : encodeURIComponent(location)}`;
}

export class RedirectingUpstream implements AsyncDisposable {
  readonly #received = new Map<string, string[]>();
  readonly #server = createServer((incoming, outgoing) => this.#serve(incoming, outgoing));

  static async start(): Promise<RedirectingUpstream> {
    const upstream = new RedirectingUpstream();
    await new Promise<void>((resolve) => upstream.#server.listen(0, '127.0.0.1', resolve));
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** One text for each request with this key: method, target, bytes, and header lines in order of name. */
  received(key: string): readonly string[] {
    return this.#received.get(key) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    let bytes = 0;
    incoming.on('error', () => undefined);
    incoming.on('data', (chunk: Buffer) => void (bytes += chunk.length));
    incoming.on('end', () => {
      const key = String(incoming.headers[KEY_HEADER]);
      const text = `${incoming.method} ${incoming.url} ${bytes} ${linesOf(incoming).join('|')}`;
      this.#received.set(key, [...this.received(key), text]);
      answer(incoming, outgoing);
    });
  }
}

function answer({ url = '' }: IncomingMessage, outgoing: ServerResponse): void {
  const [, kind, status = '200', place = '-'] = url.split('/');
  if (kind !== 'r') {
    outgoing.end('done');
    return;
  }
  const location = place === '-' ? [] : ['location', decodeURIComponent(place)];
  outgoing.writeHead(Number(status), ['x-copied', 'one', 'x-copied', 'two', ...location]).end('moved');
}

function linesOf({ rawHeaders }: IncomingMessage): string[] {
  const lines: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (!LEFT_OUT.has(name)) lines.push(`${name}: ${rawHeaders[i + 1]}`);
  }
  return lines.toSorted();
}
