// A gRPC server and client by hand over node:http2, for what grpc-js hides: where a status stands, who ends when.
import { once } from 'node:events';
import { connect, createServer } from 'node:http2';
import type { Http2Server, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** A message with its five bytes in front. */
export function grpcFrame(message: string | Buffer, flag = 0): Buffer {
  const body = Buffer.from(message);
  const header = Buffer.alloc(5);
  header[0] = flag;
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
}

/** What a server does with a call; `count` is 1 for its first one. */
export type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, count: number) => void;

const HEAD = { ':status': 200, 'content-type': 'application/grpc' };

/** The status in the head, which is all. */
export function trailersOnly(stream: ServerHttp2Stream, status: number, message = ''): void {
  stream.respond({ ...HEAD, 'grpc-status': String(status), 'grpc-message': message }, { endStream: true });
}

/** A message, and the status in trailers. */
export function withTrailers(stream: ServerHttp2Stream, status: number, body = grpcFrame('hello')): void {
  begin(stream, status);
  stream.end(body);
}

/** A head; `stream.end()` sends the status. */
export function begin(stream: ServerHttp2Stream, status: number): void {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status), 'grpc-message': 'm%20x' }));
}

export class GrpcUpstream implements AsyncDisposable {
  readonly calls: IncomingHttpHeaders[] = [];
  readonly #server: Http2Server;
  readonly #sessions = new Set<{ destroy(): void }>();

  private constructor(answer: Answer) {
    this.#server = createServer();
    this.#server.on('session', (session) => this.#sessions.add(session));
    this.#server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => undefined);
      this.calls.push(headers);
      answer(stream, headers, this.calls.length);
    });
  }

  static async start(answer: Answer): Promise<GrpcUpstream> {
    const upstream = new GrpcUpstream(answer);
    upstream.#server.listen(0, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** What a client has seen of a call when it is over. */
export interface CallOutcome {
  readonly head: Record<string, unknown>;
  readonly trailers: Record<string, unknown>;
  readonly body: string;
  /** The head was all. */
  readonly headOnly: boolean;
  /** Error code of RST_STREAM; 0 for a clean end. */
  readonly reset: number;
}

/** One call on a connection of its own: a message, then the end. */
export async function grpcCall(port: number, path: string, headers: OutgoingHttpHeaders = {}): Promise<CallOutcome> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  const fields = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...headers };
  const stream = session.request(fields);
  let [head, trailers, body, headOnly]: [object, object, string, boolean] = [{}, {}, '', false];
  stream.on('response', (received, flags) => {
    head = received;
    headOnly = (flags & 1) === 1;
  });
  stream.on('trailers', (received) => (trailers = received));
  stream.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
  stream.on('error', () => undefined);
  stream.end(grpcFrame('q'));
  // Not `once` of node:events, which rejects when a stream that is reset says so as an error.
  await new Promise((resolve) => stream.once('close', resolve));
  session.close();
  return { head: { ...head }, trailers: { ...trailers }, body, headOnly, reset: stream.rstCode };
}
