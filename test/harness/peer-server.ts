// Upstreams of the interop tests by Node's servers, HTTP/1.1 and HTTP/2, with one set of behaviours; and nghttpd.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttp1 } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer, createServer as createHttp2 } from 'node:http2';
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TestCertificate } from './certificates.ts';

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Requests to /together are answered when this many are there. */
export const TOGETHER = 100;

type Incoming = IncomingMessage | Http2ServerRequest;

/** What the two libraries' responses have in common. */
interface Outgoing {
  writeHead(status: number, headers?: Record<string, string | number>): unknown;
  write(chunk: string, callback: () => void): boolean;
  end(body?: string | Buffer): unknown;
  addTrailers(trailers: Record<string, string>): void;
}

/** `either`: by ALPN, HTTP/2 first. */
export type ServerProtocol = 'h1' | 'h2c' | 'h2' | 'h1 over TLS' | 'either';

/**
 * /hello; /echo (the body again, its hash in x-received-sha256, its trailers as x-received-NAME); /trailers; /early
 * (413 before the body); /cut and /cut-length (ends in the middle of the body, without and with content-length);
 * /together.
 */
export class PeerServer implements AsyncDisposable {
  readonly protocol: ServerProtocol;
  readonly #server: Server;
  readonly #open = new Set<Socket | ServerHttp2Session>();
  #together: Outgoing[] = [];

  private constructor(protocol: ServerProtocol, certificate: TestCertificate) {
    this.protocol = protocol;
    const serve: Serve = (incoming, outgoing) => this.#serve(incoming, outgoing as unknown as Outgoing);
    const identity = { key: certificate.key, cert: certificate.chain };
    this.#server = create(protocol, identity, serve);
    this.#server.on(OPENED[protocol], (opened: Socket | ServerHttp2Session) => {
      this.#open.add(opened);
      opened.on('error', () => {});
      opened.once('close', () => this.#open.delete(opened));
    });
  }

  static async start(protocol: ServerProtocol, certificate: TestCertificate): Promise<PeerServer> {
    const server = new PeerServer(protocol, certificate);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#open) opened.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(incoming: Incoming, outgoing: Outgoing): void {
    incoming.on('error', () => {});
    switch (incoming.url) {
      case '/echo':
        return collect(incoming, (body) => echo(incoming, body, outgoing));
      case '/trailers':
        outgoing.writeHead(200, { trailer: 'x-checksum' });
        outgoing.addTrailers({ 'x-checksum': 'abc' });
        return void outgoing.end('hello');
      case '/early':
        outgoing.writeHead(413, { 'content-length': 5 });
        return void outgoing.end('early');
      case '/cut':
      case '/cut-length':
        outgoing.writeHead(200, incoming.url === '/cut' ? {} : { 'content-length': 2000 });
        return void outgoing.write('x'.repeat(1000), () => cut(incoming));
      case '/together':
        return this.#gather(outgoing);
      default:
        outgoing.writeHead(200, { 'content-length': 5, 'x-version': incoming.httpVersion });
        return void outgoing.end('hello');
    }
  }

  #gather(outgoing: Outgoing): void {
    this.#together.push(outgoing);
    if (this.#together.length < TOGETHER) return;
    for (const one of this.#together.splice(0)) one.end('together');
  }
}

/** The event by which a server tells of what must be ended in the end. */
const OPENED: Readonly<Record<ServerProtocol, string>> = {
  h1: 'connection', h2c: 'session', h2: 'session', 'h1 over TLS': 'secureConnection', either: 'secureConnection',
};

type Serve = (incoming: Incoming, outgoing: ServerResponse | Http2ServerResponse) => void;

function create(protocol: ServerProtocol, identity: { key: string; cert: string }, serve: Serve): Server {
  switch (protocol) {
    case 'h1': return createHttp1({ keepAliveTimeout: 60_000 }, serve);
    case 'h2c': return createHttp2(serve);
    case 'h2': return createSecureServer(identity, serve);
    case 'h1 over TLS': return createHttps({ ...identity, keepAliveTimeout: 60_000 }, serve);
    case 'either': return createSecureServer({ ...identity, allowHTTP1: true }, serve);
  }
}

function collect(incoming: Incoming, done: (body: Buffer) => void): void {
  const pieces: Buffer[] = [];
  incoming.on('data', (piece: Buffer) => pieces.push(piece));
  incoming.on('end', () => done(Buffer.concat(pieces)));
}

function echo(incoming: Incoming, body: Buffer, outgoing: Outgoing): void {
  const trailers = Object.entries(incoming.trailers as IncomingHttpHeaders);
  outgoing.writeHead(200, {
    'content-length': body.length, 'x-received-sha256': sha256(body),
    ...Object.fromEntries(trailers.map(([name, value]) => [`x-received-${name}`, String(value)])),
  });
  outgoing.end(body);
}

/** In order after what was written, so that it is the message that is cut and not the connection that failed. */
function cut(incoming: Incoming): void {
  if ('stream' in incoming) incoming.stream.close(2);
  else incoming.socket.destroySoon();
}
