// One exchange on a downstream HTTP/2 connection, from its user's side: reads a request, writes its response.
import { ProxyError } from '../base/error.ts';
import type { RequestSink, ServerStream } from './codec.ts';
import type { Headers } from './headers.ts';
import { Http2Error } from './http2-frame.ts';
import { Http2Stream } from './http2-stream.ts';
import type { Http2StreamOwner } from './http2-stream.ts';
import type { RequestHead, ResponseHead } from './message.ts';
import { LENGTH_UNKNOWN } from './message.ts';

export interface ServerStreamOwner extends Http2StreamOwner {
  /** `length` is LENGTH_UNKNOWN where none is said. */
  sendResponseHead(stream: Http2ServerStream, head: ResponseHead, length: number, endStream: boolean): void;
}

/** Calls after the stream is over do nothing. */
export class Http2ServerStream extends Http2Stream implements ServerStream {
  readonly #owner: ServerStreamOwner;
  /** The request named an upgrade or CONNECT: bytes are raw once it is answered. */
  readonly #tunnel: boolean;
  readonly #isHead: boolean;
  sink!: RequestSink;
  #responseStarted = false;

  constructor(
    id: number, owner: ServerStreamOwner, sendWindow: number, receiveWindow: number, request: RequestHead | undefined,
  ) {
    super(id, owner, sendWindow, receiveWindow);
    this.#owner = owner;
    this.#tunnel = request !== undefined && (request.upgrade !== undefined || request.method === 'CONNECT');
    this.#isHead = request?.method === 'HEAD';
    if (request !== undefined && request.contentLength !== LENGTH_UNKNOWN) this.bodyLeft = request.contentLength;
    if (this.#tunnel) this.bodyLeft = -1;
  }

  // --- the request, from the connection

  onData(chunk: Buffer, endStream: boolean): void {
    this.sink.onRequestData(chunk, endStream);
  }

  onTrailers(trailers: Headers): void {
    this.sink.onRequestTrailers(trailers);
  }

  onSendRoom(): void {
    this.sink.onResponseDrain();
  }

  onPeerReset(code: number): void {
    this.#gone(code === Http2Error.REFUSED_STREAM ? 'http2.remote_refuse' : 'http2.remote_reset', code);
  }

  onFault(code: number): void {
    this.#gone('http2.violation.of.messaging.rule', code);
  }

  onLost(cause: unknown): void {
    this.#gone('downstream_remote_disconnect', cause);
  }

  onStalled(): void {
    this.sink.onRequestError(new ProxyError('stream-idle-timeout', 'downstream', 'http2.flush_timeout'));
  }

  #gone(detail: string, cause: unknown): void {
    this.sink.onRequestError(new ProxyError('downstream-reset', 'downstream', detail, 'never', cause));
  }

  // --- the response, from the user

  sendInformational(head: ResponseHead): void {
    if (this.over || this.#responseStarted || head.status === 101) return;
    this.#owner.sendResponseHead(this, head, LENGTH_UNKNOWN, false);
  }

  sendResponseHead(head: ResponseHead, endStream: boolean): void {
    if (this.over || this.#responseStarted) return;
    this.#responseStarted = true;
    this.#owner.sendResponseHead(this, head, this.#lengthOf(head), endStream);
  }

  sendResponseData(chunk: Buffer, endStream: boolean): boolean {
    if (this.over || this.localEnded || this.queueEnd) return true;
    // A body where HTTP/1.1 has none, after HEAD, was never meant to be sent.
    if (this.#isHead) return endStream ? this.owner.sendData(this, EMPTY, true) : true;
    return this.owner.sendData(this, chunk, endStream);
  }

  sendResponseTrailers(trailers: Headers): void {
    if (!this.over && !this.localEnded) this.owner.sendTrailers(this, trailers);
  }

  resetStream(error: ProxyError): void {
    if (!this.over) this.owner.resetStream(this, error.kind === 'upstream-refused' ? Http2Error.REFUSED_STREAM
      : Http2Error.INTERNAL_ERROR);
  }

  #lengthOf(head: ResponseHead): number {
    if (head.status === 204 || this.#tunnel) return LENGTH_UNKNOWN;
    return head.contentLength;
  }
}

const EMPTY = Buffer.alloc(0);
