// What the HTTP/1.1 codec costs without sockets: heads parsed and written, exchanges, bodies. Prints ns each.
import { systemClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
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
import type { RequestHead, ResponseHead } from '../../proxy/http/message.ts';
import { Answering, NullTransport, measure, scratch } from './codec-bench.ts';

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

const nothing = { onProtocolError: () => undefined, onConnectionClose: () => undefined };

/** A connection whose requests are answered at once by a small response of the proxy's own. */
function serve(name: string, text: string): void {
  const transport = new NullTransport();
  const onStream = (stream: ServerStream): RequestSink => new Answering(stream);
  new Http1ServerConnection(transport, serverOptions, { onStream, ...nothing }, timers);
  const bytes = Buffer.from(text, 'latin1');
  measure(name, 100_000, () => transport.handler!.onData(bytes));
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
