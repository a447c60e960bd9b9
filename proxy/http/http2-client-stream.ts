// One exchange on an upstream HTTP/2 connection, from its user's side: writes a request, reads its response.
import { ProxyError } from '../base/error.ts';
import type { ErrorKind, RetrySafety } from '../base/error.ts';
import type { ClientStream, ResponseSink } from './codec.ts';
import type { Headers } from './headers.ts';
import { Http2Error } from './http2-frame.ts';
import { Http2Stream } from './http2-stream.ts';
import type { Http2StreamOwner } from './http2-stream.ts';
import type { RequestHead, ResponseHead } from './message.ts';
import { LENGTH_UNKNOWN } from './message.ts';

export interface ClientStreamOwner extends Http2StreamOwner {
  /** Gives the stream its id, and sends its head. */
  sendRequestHead(stream: Http2ClientStream, head: RequestHead, endStream: boolean): void;
  /** A stream that was made, and given up before its head was sent. */
  forget(stream: Http2ClientStream): void;
}

/** Calls after the stream is over do nothing. */
export class Http2ClientStream extends Http2Stream implements ClientStream {
  readonly #owner: ClientStreamOwner;
  readonly sink: ResponseSink;
  /** HEAD: what the response declares is no body. */
  isHead = false;
  /** The request named an upgrade: a 2xx is its 101. */
  upgrade: string | undefined = undefined;
  responseStarted = false;
  informational = 0;
  /** Its connection has carried others before: the server may have been about to hang up. */
  readonly #reused: boolean;
  #begun = false;
  /** Of the body, what came while the head had to wait: one read, since its sender is told to stop. */
  #held: Buffer | undefined = undefined;
  #heldEnd = false;

  constructor(owner: ClientStreamOwner, sink: ResponseSink, receiveWindow: number, reused: boolean) {
    super(0, owner, 0, receiveWindow);
    this.#owner = owner;
    this.sink = sink;
    this.#reused = reused;
  }

  begin(id: number, sendWindow: number): void {
    this.id = id;
    this.sendWindow = sendWindow;
  }

  // --- the request, from the user

  sendRequestHead(head: RequestHead, endStream: boolean): void {
    if (this.over || this.#begun) return;
    this.#begun = true;
    this.isHead = head.method === 'HEAD';
    this.upgrade = head.upgrade;
    this.#owner.sendRequestHead(this, head, endStream);
  }

  sendRequestData(chunk: Buffer, endStream: boolean): boolean {
    if (this.over || this.localEnded || this.queueEnd || this.#heldEnd) return true;
    if (this.id !== 0) return this.#owner.sendData(this, chunk, endStream);
    this.#held = this.#held === undefined ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk]);
    this.#heldEnd = endStream;
    return false;
  }

  /** The head, which had to wait, is sent. */
  sendHeld(): void {
    const held = this.#held;
    if (held === undefined || this.over) return;
    this.#held = undefined;
    if (this.#owner.sendData(this, held, this.#heldEnd)) this.onSendRoom();
  }

  sendRequestTrailers(trailers: Headers): void {
    if (!this.over && !this.localEnded) this.#owner.sendTrailers(this, trailers);
  }

  resetStream(): void {
    if (this.over) return;
    if (this.id !== 0) this.#owner.resetStream(this, Http2Error.CANCEL);
    else this.#owner.forget(this);
  }

  // --- the response, from the connection

  onHead(head: ResponseHead, endStream: boolean): void {
    if (head.status < 200) {
      this.sink.onInformational(head);
      return;
    }
    this.responseStarted = true;
    if (this.upgrade !== undefined && head.status < 300) {
      head.status = 101;
      head.upgrade = this.upgrade;
    } else if (!this.isHead && head.contentLength !== LENGTH_UNKNOWN && head.status !== 304) {
      this.bodyLeft = head.contentLength;
    }
    if (endStream) this.remoteEnded = true;
    this.sink.onResponseHead(head, endStream);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    this.sink.onResponseData(chunk, endStream);
  }

  onTrailers(trailers: Headers): void {
    this.sink.onResponseTrailers(trailers);
  }

  onSendRoom(): void {
    this.sink.onRequestDrain();
  }

  onPeerReset(code: number): void {
    if (code === Http2Error.REFUSED_STREAM) this.onRefused(code);
    else this.#end('upstream-reset', 'remote_reset', 'never', code);
  }

  /** The server says that it hasn't looked at the request: it may be sent again. */
  onRefused(cause: unknown): void {
    this.#end('upstream-refused', 'remote_refused_stream_reset', 'safe', cause);
  }

  onFault(code: number): void {
    this.#end('upstream-protocol', 'protocol_error', 'never', code);
  }

  onLost(cause: unknown): void {
    const retry = this.#reused && !this.responseStarted ? 'if-reused' : 'never';
    this.#end('upstream-reset', 'connection_termination', retry, cause ?? 'connection termination');
  }

  onStalled(): void {
    this.#end('upstream-reset', 'flush_timeout', 'never', undefined);
  }

  #end(kind: ErrorKind, reason: string, retry: RetrySafety, cause: unknown): void {
    const when = this.responseStarted ? 'after' : 'before';
    const detail = `upstream_reset_${when}_response_started{${reason}}`;
    this.fail(new ProxyError(kind, 'upstream', detail, retry, cause));
  }

  fail(error: ProxyError): void {
    this.over = true;
    this.sink.onResponseError(error);
  }
}
