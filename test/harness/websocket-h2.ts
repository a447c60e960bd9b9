// WebSocket over HTTP/2 by node:http2 (RFC 8441): a client and a server that know nothing of HTTP/1.1's handshake.
import { once } from 'node:events';
import { connect, createServer } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, ServerHttp2Session,
  ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { until } from './until.ts';
import { FrameReader, describeFrame, encodeFrame } from './websocket-frames.ts';
import type { Frame } from './websocket-frames.ts';

const MASK = Buffer.from('\u0001\u0002\u0003\u0004');

/** One WebSocket on a session of its own. */
export class Http2WebSocket {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly head: IncomingHttpHeaders;
  /** Frames as describeFrame has them, and `end` after the last. */
  readonly seen: string[] = [];

  private constructor(session: ClientHttp2Session, stream: ClientHttp2Stream, head: IncomingHttpHeaders) {
    this.#session = session;
    this.#stream = stream;
    this.head = head;
    const frames = new FrameReader((frame) => this.seen.push(describeFrame(frame)));
    if (Number(head[':status']) === 200) stream.on('data', (chunk: Buffer) => frames.feed(chunk));
    else stream.resume();
    stream.once('end', () => this.seen.push('end')).on('error', () => this.seen.push('reset'));
  }

  /** As browsers do it: no key, because HTTP/2 needs none (RFC 8441 section 5). */
  static async open(port: number, path: string, fields: Readonly<Record<string, string>> = {}) {
    const session = connect(`http://127.0.0.1:${port}`);
    await once(session, 'remoteSettings');
    const stream = session.request({
      ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': path, ':authority': 'localhost',
      'sec-websocket-version': '13', ...fields,
    }, { endStream: false });
    const [head] = await once(stream, 'response') as [IncomingHttpHeaders];
    return new Http2WebSocket(session, stream, head);
  }

  send(frame: Frame): void {
    this.#stream.write(encodeFrame(frame, MASK));
  }

  get status(): number {
    return Number(this.head[':status']);
  }

  /** Resolves when so many frames (or the end) were seen. */
  async frames(count: number): Promise<readonly string[]> {
    await until(`${count} frames`, () => this.seen.length >= count);
    return this.seen;
  }

  close(): void {
    this.#session.destroy();
  }
}

/** Mirrors frames; /refuse answers 403. `heads` are what it was asked with. */
export class Http2WebSocketServer implements AsyncDisposable {
  readonly heads: IncomingHttpHeaders[] = [];
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #server;

  private constructor(enableConnectProtocol: boolean) {
    this.#server = createServer({ settings: { enableConnectProtocol } });
    this.#server.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
    });
    this.#server.on('stream', (stream: ServerHttp2Stream, head: IncomingHttpHeaders) => this.#serve(stream, head));
  }

  static async start(enableConnectProtocol = true): Promise<Http2WebSocketServer> {
    const started = new Http2WebSocketServer(enableConnectProtocol);
    started.#server.listen(0, '127.0.0.1');
    await once(started.#server, 'listening');
    return started;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    this.heads.push(headers);
    stream.on('error', () => {});
    if (headers[':protocol'] !== 'websocket' || headers[':path'] === '/refuse') {
      stream.respond({ ':status': 403 });
      stream.end('no');
      return;
    }
    const offered = headers['sec-websocket-protocol']?.split(/, */)[0];
    stream.respond({ ':status': 200, ...(offered !== undefined && { 'sec-websocket-protocol': offered }) });
    const frames = new FrameReader((frame) => stream.write(encodeFrame(frame)));
    stream.on('data', (chunk: Buffer) => frames.feed(chunk)).on('end', () => stream.end());
  }
}
