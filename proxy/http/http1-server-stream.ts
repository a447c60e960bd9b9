// One exchange on a downstream HTTP/1.1 connection, from its user's side: writes the response with framing made anew.
import type { ProxyError } from '../base/error.ts';
import type { RequestSink, ServerStream } from './codec.ts';
import type { Headers } from './headers.ts';
import { CHUNKED, CLOSE, KEEP_ALIVE, lengthLine, responseLines } from './http1-serializer.ts';
import type { MessageWriter } from './http1-writer.ts';
import { BodyFraming } from './http1-writer.ts';
import type { RequestHead, ResponseHead } from './message.ts';
import { LENGTH_UNKNOWN } from './message.ts';
import { acceptLine } from './websocket-handshake.ts';

/** What a stream asks of its connection. */
export interface ServerStreamOwner {
  readonly writer: MessageWriter;
  /** The lines of trailers as they are sent; '' where they are not passed on. */
  trailerLines(trailers: Headers): string;
  /** A head with its names spelled as configured. */
  spelled(head: string): string;
  /** Whether the connection ends with the response whose head is about to be written. */
  closesAfter(stream: Http1ServerStream): boolean;
  /** Bytes are raw from now on, in both directions. */
  onTunnel(stream: Http1ServerStream): void;
  onResponseEnd(stream: Http1ServerStream): void;
  /** The stream is given up; `abrupt` when only a reset tells the peer that the body is cut. */
  onReset(stream: Http1ServerStream, abrupt: boolean): void;
  holdBody(hold: boolean): void;
}

/** Calls after the stream is over do nothing. */
export class Http1ServerStream implements ServerStream {
  readonly #owner: ServerStreamOwner;
  /** undefined for a request that was refused before its head was known. */
  readonly #request: RequestHead | undefined;
  /** The request named Upgrade or CONNECT: what follows it waits for the answer (S11). */
  readonly wantsTunnel: boolean;
  sink!: RequestSink;
  /** The request has been read whole. */
  requestDone: boolean;
  tunnel = false;
  responseStarted = false;
  responseDone = false;
  /** Its sink has heard the last of it, or it was reset: nothing is written or told any more. */
  over = false;
  #framing: number = BodyFraming.NONE;

  constructor(owner: ServerStreamOwner, request: RequestHead | undefined) {
    this.#owner = owner;
    this.#request = request;
    this.wantsTunnel = request !== undefined && (request.upgrade !== undefined || request.method === 'CONNECT');
    this.requestDone = request !== undefined && request.contentLength === 0 && !this.wantsTunnel;
  }

  /** HTTP/1.0 knows no interim responses. */
  sendInformational(head: ResponseHead): void {
    if (this.over || this.responseStarted || this.#http10) return;
    this.#owner.writer.interim(this.#owner.spelled(`${responseLines(head, false)}\r\n`));
  }

  sendResponseHead(head: ResponseHead, endStream: boolean): void {
    if (this.over || this.responseStarted) return;
    this.responseStarted = true;
    if (this.#opensTunnel(head)) {
      this.#startTunnel(head, endStream);
      return;
    }
    if (head.status < 200) {
      // Nobody asked to switch protocols: the bytes that follow would belong to no message.
      this.#owner.onReset(this, false);
      return;
    }
    const http10 = this.#http10;
    const closes = this.#owner.closesAfter(this) || (http10 && !endStream && this.#needsClose(head));
    const framingLine = this.#chooseFraming(head, endStream);
    const connection = closes ? CLOSE : http10 ? KEEP_ALIVE : '';
    const text = `${responseLines(head, http10)}${framingLine}${connection}\r\n`;
    this.#owner.writer.start(this.#owner.spelled(text), this.#framing, head.contentLength, endStream);
    if (endStream) this.#end();
  }

  sendResponseData(chunk: Buffer, endStream: boolean): boolean {
    if (this.over || this.responseDone) return true;
    const { writer } = this.#owner;
    const room = writer.data(chunk, endStream);
    if (writer.failed) {
      // More or less than was declared: a response that looks whole would be a lie.
      this.#owner.onReset(this, false);
      return true;
    }
    if (endStream) this.#end();
    return room;
  }

  sendResponseTrailers(trailers: Headers): void {
    if (this.over || this.responseDone) return;
    const { writer } = this.#owner;
    writer.trailers(this.#owner.trailerLines(trailers));
    if (writer.failed) this.#owner.onReset(this, false);
    else this.#end();
  }

  resetStream(_error: ProxyError): void {
    if (!this.over) this.#owner.onReset(this, this.responseStarted && this.#framing === BodyFraming.RAW);
  }

  pauseBody(): void {
    if (!this.over && (!this.requestDone || this.tunnel)) this.#owner.holdBody(true);
  }

  resumeBody(): void {
    if (!this.over) this.#owner.holdBody(false);
  }

  get #http10(): boolean {
    return this.#request?.protocol === 'HTTP/1.0';
  }

  #opensTunnel(head: ResponseHead): boolean {
    if (!this.wantsTunnel) return false;
    return this.#request!.method === 'CONNECT' ? head.status >= 200 && head.status < 300 : head.status === 101;
  }

  #startTunnel(head: ResponseHead, endStream: boolean): void {
    this.tunnel = true;
    this.#framing = BodyFraming.RAW;
    const token = head.upgrade ?? this.#request!.upgrade;
    const accept = acceptLine(this.#request!, head);
    const upgrade = head.status === 101 ? `connection: upgrade\r\nupgrade: ${token}\r\n${accept}` : '';
    const text = this.#owner.spelled(`${responseLines(head, false)}${upgrade}\r\n`);
    this.#owner.writer.start(text, BodyFraming.RAW, 0, endStream);
    this.#owner.onTunnel(this);
    if (endStream) this.#end();
  }

  /** Towards HTTP/1.0 the end of a body of unknown length is the end of the connection. */
  #needsClose(head: ResponseHead): boolean {
    return head.contentLength === LENGTH_UNKNOWN && this.#request!.method !== 'HEAD' && !isBodiless(head.status);
  }

  /** The line that tells the framing (RFC 9112 section 6); the same choices as Envoy's. */
  #chooseFraming(head: ResponseHead, endStream: boolean): string {
    const { status, contentLength } = head;
    this.#framing = BodyFraming.NONE;
    if (status === 204) return '';
    if (this.#request?.method === 'HEAD' || status === 304) return this.#describedFraming(head);
    if (endStream) return lengthLine(0);
    if (contentLength !== LENGTH_UNKNOWN) {
      this.#framing = BodyFraming.LENGTH;
      return lengthLine(contentLength);
    }
    this.#framing = this.#http10 ? BodyFraming.RAW : BodyFraming.CHUNKED;
    return this.#http10 ? '' : CHUNKED;
  }

  /** What a GET would have been told. */
  #describedFraming(head: ResponseHead): string {
    if (head.contentLength !== LENGTH_UNKNOWN) return lengthLine(head.contentLength);
    return head.status === 304 || this.#http10 ? '' : CHUNKED;
  }

  #end(): void {
    this.responseDone = true;
    this.#owner.onResponseEnd(this);
  }
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}
