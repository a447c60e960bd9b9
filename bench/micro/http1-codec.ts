// What the HTTP/1.1 codec costs without sockets: heads parsed and written, exchanges, bodies. Prints ns each.
import type { Socket } from 'node:net';
import { systemClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import type { Transport, TransportHandler } from '../../proxy/base/transport.ts';
import { WriteBatch } from '../../proxy/base/write-batch.ts';
import type { ClientConnectionHandler, ClientStream, RequestSink, ResponseSink,
  ServerStream } from '../../proxy/http/codec.ts';
import type { Headers } from '../../proxy/http/headers.ts';
import { ChunkedBody } from '../../proxy/http/http1-body.ts';
import { Http1ClientConnection } from '../../proxy/http/http1-client.ts';
import { headLimits } from '../../proxy/http/http1-limits.ts';
import { RequestParser } from '../../proxy/http/http1-request-parser.ts';
import { requestLines } from '../../proxy/http/http1-serializer.ts';
import { Http1ServerConnection } from '../../proxy/http/http1-server.ts';
import type { RequestHead } from '../../proxy/http/message.ts';
import { ResponseHead } from '../../proxy/http/message.ts';

const ROUNDS = 7;
const writes = new WriteBatch();
const timers = new TimerWheel(systemClock);
const serverOptions = {
  headBytesMax: 61_440, headerCountMax: 100, headTimeoutMs: 10_000, acceptHttp10: false, defaultHostForHttp10: '',
    allowAbsoluteUrl: true,
  enableTrailers: false, preserveCase: false, headersWithUnderscores: 'allow' as const, delayedCloseMs: 1000, writes,
};
const clientOptions = { headerCountMax: 100, enableTrailers: false, preserveCase: false, writes };

const SMALL = 'GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n';
const BROWSER = `GET /productpage?u=normal HTTP/1.1\r\nHost: productpage.default.svc.cluster.local:9080\r
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r
Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.5\r\nConnection: keep-alive\r
Cookie: session=eyJ1c2VyIjoibm9ybWFsIn0; theme=dark; consent=abcdefghijklmnop\r
X-Request-Id: 8f3f5c1e-2f8a-4f9b-9a39-8d2a5b0b7c1e\r\nX-B3-TraceId: 463ac35c9f6413ad48485a3953bb6124\r
X-B3-SpanId: a2fb4a1d1a96d312\r\nX-B3-Sampled: 1\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: http\r
X-Custom-Header-Of-Ours: 1\r\n\r\n`;
const RESPONSE = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 23 Nov 2026 05:00:00 GMT\r
Server: node\r\nX-Powered-By: express\r\nContent-Length: 15\r\n\r\n{"status":"ok"}`;

/** Takes output and forgets it, as a socket that never fills. */
class NullTransport implements Transport {
  handler: TransportHandler | undefined = undefined;
  bytes = 0;
  readonly bufferedBytes = 0;
  readonly holdsBytes = false;
  readonly encrypts = false;
  get socket(): Socket {
    throw new Error('no socket');
  }
  attach(handler: TransportHandler): void {
    this.handler = handler;
  }
  writeLatin1(text: string): boolean {
    // What a socket does first: the pieces of the text become one run of bytes.
    this.bytes += scratch.latin1Write(text, 0);
    return true;
  }
  write(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    return true;
  }
  writeAround(before: string, chunk: Buffer, after: string): boolean {
    return this.writeLatin1(before) && this.write(chunk) && this.writeLatin1(after);
  }
  endStalls(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

const scratch = Buffer.alloc(256 * 1024) as Buffer & { latin1Write(text: string, at: number): number };

function measure(name: string, times: number, run: () => void): void {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < times; i++) run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / times);
  }
  const cost = `${best.toFixed(0).padStart(8)} ns/op ${(1e9 / best).toFixed(0).padStart(9)}/s`;
  process.stdout.write(`${name.padEnd(52)} ${cost}\n`);
}

function parse(name: string, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  const parser = new RequestParser({ ...serverOptions, limits: headLimits(61_440, 100), underscores: 'allow' });
  measure(`${name}: scan`, 200_000, () => {
    parser.reset();
    parser.scan(bytes, 0, bytes.length);
  });
  measure(`${name}: scan and build`, 200_000, () => {
    parser.reset();
    parser.scan(bytes, 0, bytes.length);
    parser.build(bytes, 0);
  });
  const head = parser.build(bytes, 0) as RequestHead;
  measure(`${name}: write`, 200_000, () => void scratch.latin1Write(requestLines(head), 0));
}

/** A connection whose requests are answered at once by a small response of the proxy's own. */
const nothing = { onProtocolError: () => undefined, onConnectionClose: () => undefined };

function serve(name: string, text: string): void {
  const transport = new NullTransport();
  const body = Buffer.from('{"status":"ok"}');
  const onStream = (stream: ServerStream): RequestSink => new Answering(stream, body);
  new Http1ServerConnection(transport, serverOptions, { onStream, ...nothing }, timers);
  const bytes = Buffer.from(text, 'latin1');
  measure(name, 100_000, () => transport.handler!.onData(bytes));
}

class Answering implements RequestSink {
  readonly #stream: ServerStream;
  readonly #body: Buffer;
  constructor(stream: ServerStream, body: Buffer) {
    this.#stream = stream;
    this.#body = body;
  }
  onRequestHead(): void {
    const head = new ResponseHead(200);
    head.contentLength = this.#body.length;
    head.headers.append('content-type', 'application/json');
    this.#stream.sendResponseHead(head, false);
    this.#stream.sendResponseData(this.#body, true);
  }
  onRequestData(): void {}
  onRequestTrailers(): void {}
  onRequestError(): void {}
  onResponseDrain(): void {}
}

/** Both sides of a proxy without anything between: request in, request out, response in, response out. */
function proxy(name: string, request: string, response: string): void {
  const [down, up] = [new NullTransport(), new NullTransport()];
  const idle: ClientConnectionHandler = { onStreamDone: () => undefined, onDraining: () => undefined,
    onConnectionClose: () => undefined };
  const client = new Http1ClientConnection(up, clientOptions, idle);
  const onStream = (stream: ServerStream): RequestSink => new Forwarding(stream, client);
  new Http1ServerConnection(down, serverOptions, { onStream, ...nothing }, timers);
  const [requestBytes, responseBytes] = [Buffer.from(request, 'latin1'), Buffer.from(response, 'latin1')];
  measure(name, 100_000, () => {
    down.handler!.onData(requestBytes);
    up.handler!.onData(responseBytes);
  });
}

class Forwarding implements RequestSink, ResponseSink {
  readonly #stream: ServerStream;
  readonly #client: Http1ClientConnection;
  #upstream: ClientStream | undefined = undefined;
  constructor(stream: ServerStream, client: Http1ClientConnection) {
    this.#stream = stream;
    this.#client = client;
  }
  onRequestHead(head: RequestHead, end: boolean): void {
    this.#upstream = this.#client.newStream(this);
    this.#upstream.sendRequestHead(head, end);
  }
  onRequestData(chunk: Buffer, end: boolean): void {
    this.#upstream!.sendRequestData(chunk, end);
  }
  onResponseHead(head: ResponseHead, end: boolean): void {
    this.#stream.sendResponseHead(head, end);
  }
  onResponseData(chunk: Buffer, end: boolean): void {
    this.#stream.sendResponseData(chunk, end);
  }
  onInformational(): void {}
  onRequestTrailers(_trailers: Headers): void {}
  onResponseTrailers(_trailers: Headers): void {}
  onRequestError(): void {}
  onResponseError(): void {}
  onResponseDrain(): void {}
  onRequestDrain(): void {}
}

function chunks(name: string, size: number): void {
  const data = 'x'.repeat(size);
  const text = `${size.toString(16)}\r\n${data}\r\n`.repeat(Math.ceil(65_536 / size));
  const bytes = Buffer.from(`${text}0\r\n\r\n`, 'latin1');
  const body = new ChunkedBody(headLimits(61_440, 100), false);
  const sink = { onBodyData: () => undefined, onBodyTrailers: () => undefined };
  const copy = Buffer.alloc(bytes.length);
  measure(name, 2000, () => {
    bytes.copy(copy);
    body.start();
    body.read(copy, 0, sink);
  });
}

parse('small head', SMALL);
parse('browser head', BROWSER);
serve('exchange, small request, own response', SMALL);
serve('exchange, browser request, own response', BROWSER);
proxy('proxied exchange, small request', SMALL, RESPONSE);
proxy('proxied exchange, browser request', BROWSER, RESPONSE);
chunks('64 KiB in chunks of 16 KiB', 16_384);
chunks('64 KiB in chunks of 1 KiB', 1024);
chunks('64 KiB in chunks of 1 byte', 1);
