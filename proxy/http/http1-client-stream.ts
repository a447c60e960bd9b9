// One exchange on an upstream HTTP/1.1 connection, from its user's side: writes the request with framing made anew.
import { keep } from '../base/lent-buffer.ts';
import type { ClientStream, ResponseSink } from './codec.ts';
import type { Headers } from './headers.ts';
import { CHUNKED, lengthLine, meansNoBody, requestLines } from './http1-serializer.ts';
import type { MessageWriter } from './http1-writer.ts';
import { BodyFraming } from './http1-writer.ts';
import type { RequestHead, ResponseHead } from './message.ts';
import { LENGTH_UNKNOWN } from './message.ts';
import { keyLine, missingKey, takeAccept } from './websocket-handshake.ts';

/** What a stream asks of its connection. */
export interface ClientStreamOwner {
  readonly writer: MessageWriter;
  /** The lines of trailers as they are sent; '' where they are not passed on. */
  trailerLines(trailers: Headers): string;
  /** A head with its names spelled as configured. */
  spelled(head: string): string;
  onRequestEnd(stream: Http1ClientStream): void;
  /** The request cannot be sent, or not as it was announced; `detail` says why. */
  onRequestFault(stream: Http1ClientStream, detail: string): void;
  onReset(stream: Http1ClientStream): void;
  holdBody(hold: boolean): void;
}

/** Calls after the stream is over do nothing. */
export class Http1ClientStream implements ClientStream {
  readonly #owner: ClientStreamOwner;
  readonly sink: ResponseSink;
  method = '';
  /** The request has begun: only from then on can bytes be its response (S12). */
  headSent = false;
  /** The request names Upgrade or CONNECT: raw bytes follow once the server agrees. */
  wantsTunnel = false;
  tunnel = false;
  /** The client asked for an upgrade by HTTP/2, where any 2xx agrees to it. */
  #upgradesHttp2 = false;
  /** Of a WebSocket whose client sent none. */
  #key: string | undefined = undefined;
  requestDone = false;
  responseDone = false;
  /** Its sink has heard the last of it, or it was cancelled: nothing is written or told any more. */
  over = false;
  #framing: number = BodyFraming.NONE;
  /** Bytes for a tunnel that isn't open yet (S11); the user was asked to hold back. */
  #early: Buffer[] | undefined = undefined;

  constructor(owner: ClientStreamOwner, sink: ResponseSink) {
    this.#owner = owner;
    this.sink = sink;
  }

  sendRequestHead(head: RequestHead, endStream: boolean): void {
    if (this.over) return;
    this.method = head.method;
    this.headSent = true;
    this.wantsTunnel = head.method === 'CONNECT' || head.upgrade !== undefined;
    this.#upgradesHttp2 = head.upgrade !== undefined && head.protocol === 'HTTP/2';
    const lines = requestLines(head);
    if (lines === '') {
      this.#owner.onRequestFault(this, 'invalid_request_line');
      return;
    }
    this.#key = missingKey(head);
    const handshake = this.#key === undefined ? '' : keyLine(this.#key);
    const text = this.#owner.spelled(`${lines}${handshake}${this.#chooseFraming(head, endStream)}\r\n`);
    // A request for a tunnel is complete on the wire.
    this.#owner.writer.start(text, this.#framing, head.contentLength, endStream || this.wantsTunnel);
    if (endStream) this.#end();
  }

  sendRequestData(chunk: Buffer, endStream: boolean): boolean {
    if (this.over || this.requestDone) return true;
    if (this.wantsTunnel && !this.tunnel) return this.#holdEarly(chunk, endStream);
    const { writer } = this.#owner;
    const room = writer.data(chunk, endStream);
    if (writer.failed) {
      this.#owner.onRequestFault(this, 'request_length_mismatch');
      return true;
    }
    if (endStream) this.#end();
    return room;
  }

  sendRequestTrailers(trailers: Headers): void {
    if (this.over || this.requestDone) return;
    const { writer } = this.#owner;
    writer.trailers(this.#owner.trailerLines(trailers));
    if (writer.failed) this.#owner.onRequestFault(this, 'request_length_mismatch');
    else this.#end();
  }

  resetStream(): void {
    if (!this.over) this.#owner.onReset(this);
  }

  pauseBody(): void {
    if (!this.over) this.#owner.holdBody(true);
  }

  resumeBody(): void {
    if (!this.over) this.#owner.holdBody(false);
  }

  /** Whether the head may be passed on: it must not look like a tunnel, or like a WebSocket, that it doesn't open. */
  admits(head: ResponseHead): boolean {
    if (head.status !== 101) return !this.#upgradesHttp2 || head.status >= 300;
    return this.#key === undefined || takeAccept(head, this.#key);
  }

  /** The server agreed: what waited goes out. */
  openTunnel(): void {
    this.tunnel = true;
    const { writer } = this.#owner;
    writer.startRaw();
    const early = this.#early;
    this.#early = undefined;
    if (early === undefined) {
      if (this.requestDone) this.#owner.onRequestEnd(this);
      return;
    }
    for (const chunk of early) writer.data(chunk, false);
    if (this.requestDone) this.#owner.onRequestEnd(this);
    else this.sink.onRequestDrain();
  }

  #holdEarly(chunk: Buffer, endStream: boolean): boolean {
    if (chunk.length > 0) (this.#early ??= []).push(keep(chunk));
    if (endStream) this.requestDone = true;
    return this.#early === undefined;
  }

  /** The line that tells the framing; the same choices as Envoy's. */
  #chooseFraming(head: RequestHead, endStream: boolean): string {
    this.#framing = BodyFraming.NONE;
    if (this.wantsTunnel) return '';
    if (endStream) return meansNoBody(head.method) ? '' : lengthLine(0);
    if (head.contentLength !== LENGTH_UNKNOWN) {
      this.#framing = BodyFraming.LENGTH;
      return lengthLine(head.contentLength);
    }
    this.#framing = BodyFraming.CHUNKED;
    return CHUNKED;
  }

  #end(): void {
    this.requestDone = true;
    this.#owner.onRequestEnd(this);
  }
}
