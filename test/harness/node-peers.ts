// Node's own HTTP clients and undici's as independent clients: HTTP/1.1 and HTTP/2, in the clear and over TLS.
import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect as http2Connect } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { Client, H2CClient, Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { SimpleSession, plainFields } from './http-peer.ts';
import type { PeerAnswer, PeerClient, PeerRequest } from './http-peer.ts';

/** Enough that proxies pass it on before the rest comes. */
const FIRST_PIECE = Buffer.alloc(1000, 'w');

/** Of the root that signed the proxy's certificate for localhost. */
interface Trust {
  readonly ca: string;
  readonly servername: string;
}

export function nodePeers(ca: string): readonly PeerClient[] {
  const trust = { ca, servername: 'localhost' };
  const h1 = { version: 'HTTP/1.1', skip: false, cannot: [] } as const;
  const h2 = { ...h1, version: 'HTTP/2' } as const;
  return [
    { ...h1, name: 'node:http', secure: false, open: (port) => new Http1Session(port, undefined) },
    { ...h1, name: 'node:https', secure: true, open: (port) => new Http1Session(port, trust) },
    { ...h2, name: 'node:http2', secure: false, open: (port) => new Http2Session(port, undefined) },
    { ...h2, name: 'node:http2', secure: true, open: (port) => new Http2Session(port, trust) },
    ...undiciPeers(trust),
  ];
}

function undiciPeers(trust: Trust): readonly PeerClient[] {
  const common = { name: 'undici', skip: false } as const;
  const plain = (port: number): string => `http://127.0.0.1:${port}`;
  const h1 = { ...common, version: 'HTTP/1.1', cannot: ['request trailers'] } as const;
  const h2 = { ...h1, version: 'HTTP/2' } as const;
  return [
    { ...h1, secure: false, open: (port) => new UndiciSession(new Pool(plain(port), { allowH2: false })) },
    { ...h2, secure: false, open: (port) => new UndiciSession(new H2CClient(plain(port))) },
    {
      ...h2, secure: true, open: (port) => new UndiciSession(
        new Client(`https://127.0.0.1:${port}`, { allowH2: true, connect: trust }),
      ),
    },
  ];
}

class Http1Session extends SimpleSession {
  readonly #port: number;
  readonly #trust: Trust | undefined;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(port: number, trust: Trust | undefined) {
    super();
    this.#port = port;
    this.#trust = trust;
    this.#agent = new (trust === undefined ? HttpAgent : HttpsAgent)({ keepAlive: true });
  }

  async send({ method, path, headers, body, trailers, waits = false }: PeerRequest): Promise<PeerAnswer> {
    const start = this.#trust === undefined ? httpRequest : httpsRequest;
    const chunked = waits || trailers !== undefined;
    const request = start({
      host: '127.0.0.1', port: this.#port, method, path, agent: this.#agent, ...this.#trust,
      headers: { ...headers, ...(!chunked && body !== undefined && { 'content-length': body.length }) },
    });
    if (waits) request.write(FIRST_PIECE);
    else {
      if (chunked) request.write(body);
      request.addTrailers(trailers ?? {});
      request.end(chunked ? undefined : body);
    }
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    // The proxy may hang up on a body that nobody wants any more.
    request.on('error', () => {});
    if (waits) request.end();
    const pieces = await readAll(response);
    return {
      status: response.statusCode ?? 0, headers: plainFields(response.headers), body: pieces,
      trailers: plainFields(response.trailers), whole: response.complete,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
  }
}

class Http2Session extends SimpleSession {
  readonly #session: ClientHttp2Session;

  constructor(port: number, trust: Trust | undefined) {
    super();
    this.#session = http2Connect(`${trust === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, trust ?? {});
    this.#session.on('error', () => {});
  }

  async send({ method, path, headers, body, trailers, waits = false }: PeerRequest): Promise<PeerAnswer> {
    const fields = { ...headers, ':method': method, ':path': path };
    const stream = this.#session.request(fields, {
      endStream: !waits && body === undefined, waitForTrailers: trailers !== undefined,
    });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
    if (waits) stream.write(FIRST_PIECE);
    else if (body !== undefined) stream.end(body);
    let received: Record<string, string> = {};
    stream.on('trailers', (block: IncomingHttpHeaders) => (received = plainFields(block)));
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    stream.on('error', () => {});
    if (waits) stream.end();
    const pieces = await readAll(stream);
    return {
      status: Number(head[':status']), headers: plainFields(head), body: pieces, trailers: received,
      whole: wasWhole(stream),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.destroy();
  }
}

/** RFC 9113 8.1: a reset with NO_ERROR after a whole response only says that the rest of the request is not wanted. */
function wasWhole(stream: ClientHttp2Stream): boolean {
  return stream.rstCode === 0 && stream.readableEnded && !stream.aborted;
}

class UndiciSession extends SimpleSession {
  readonly #client: Dispatcher;

  constructor(client: Dispatcher) {
    super();
    this.#client = client;
  }

  async send({ method, path, headers = {}, body, waits = false }: PeerRequest): Promise<PeerAnswer> {
    const answered = Promise.withResolvers<void>();
    const sent = waits ? Readable.from(waiting(answered.promise)) : body ?? null;
    if (sent instanceof Readable) sent.on('error', () => {});
    const response = await this.#client.request({
      method: method as Dispatcher.HttpMethod, path, headers: { ...headers }, body: sent,
    });
    answered.resolve();
    let ended = false;
    response.body.on('end', () => (ended = true));
    const pieces = await readAll(response.body);
    return {
      status: response.statusCode, headers: plainFields(response.headers), body: pieces,
      trailers: plainFields(response.trailers), whole: ended,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.destroy();
  }
}

async function* waiting(answered: Promise<void>): AsyncGenerator<Buffer> {
  yield FIRST_PIECE;
  await answered;
}

/** What comes until the end, however that is. */
function readAll(stream: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  stream.on('error', () => {});
  return new Promise((resolve) => stream.once('close', () => resolve(Buffer.concat(pieces))));
}
