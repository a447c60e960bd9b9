// The server side of HTTP/1.1: reads requests one at a time off a downstream connection and writes their responses.
import { ProxyError } from '../base/error.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { Transport, TransportHandler } from '../base/transport.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import type { RequestSink, ServerConnection, ServerConnectionHandler, ServerStream } from './codec.ts';
import type { Headers } from './headers.ts';
import type { BodyDecoder, BodyTarget } from './http1-body.ts';
import { ChunkedBody, LengthBody, UntilCloseBody } from './http1-body.ts';
import { hasBareLineEnd, headEnd } from './http1-head.ts';
import { HTTP1_LIMITS } from './http1-limits.ts';
import { Http1Output } from './http1-output.ts';
import type { ParsedRequest, RequestRules } from './http1-request.ts';
import { parseRequest } from './http1-request.ts';
import type { Framing } from './http1-serialize.ts';
import { fieldsText, responseText } from './http1-serialize.ts';
import { parseTrailers } from './http1-trailers.ts';
import { LENGTH_UNKNOWN } from './message.ts';
import type { ResponseHead } from './message.ts';

/** A connection manager's HTTP/1.1 options, compiled (Http1ProtocolOptions, common_http_protocol_options). */
export interface Http1ServerOptions {
  readonly headBytesMax: number;
  readonly headerCountMax: number;
  /** From a head's first byte to its last; 0 is off. */
  readonly headTimeoutMs: number;
  readonly acceptHttp10: boolean;
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
  /** Trailers are dropped otherwise, both ways. */
  readonly enableTrailers: boolean;
  readonly preserveCase: boolean;
  readonly headersWithUnderscores: 'allow' | 'reject' | 'drop';
  /** How long a connection that we close waits for the peer to close first. */
  readonly delayedCloseMs: number;
  readonly writes: WriteBatch;
}

/**
 * `head`: between requests, or in a head. `body`: in a request's body. `hold`: the request is complete and its response
 * is not; what was pipelined waits. `tunnel`: bytes both ways. `discard`: the last response is sent, what still comes is
 * thrown away until the peer closes. `closed`.
 */
type State = 'head' | 'body' | 'hold' | 'tunnel' | 'discard' | 'closed';

const HEAD_TIMER = 0;
const CLOSE_TIMER = 1;
const EMPTY = Buffer.alloc(0);

export class Http1ServerConnection implements ServerConnection, ServerStream, TransportHandler, BodyTarget, TimerTarget {
  readonly #transport: Transport;
  readonly #options: Http1ServerOptions;
  readonly #rules: RequestRules;
  readonly #handler: ServerConnectionHandler;
  readonly #output: Http1Output;
  readonly #headTimer: Timer;
  readonly #closeTimer: Timer;
  #state: State = 'head';
  /** Bytes that came and could not be used yet: part of a head, or pipelined requests. */
  #rest: Buffer = EMPTY;
  #sink: RequestSink | undefined = undefined;
  #request: ParsedRequest | undefined = undefined;
  #body: BodyDecoder | undefined = undefined;
  #requestDone = false;
  #responseDone = false;
  #responseStarted = false;
  #framing: Framing = 'none';
  #closeAfter = false;
  #peerEnded = false;
  #paused = false;
  #wantsDrain = false;
  #unsentBytes = 0;

  constructor(transport: Transport, options: Http1ServerOptions, handler: ServerConnectionHandler, timers: TimerWheel) {
    this.#transport = transport;
    this.#options = options;
    this.#handler = handler;
    this.#rules = {
      ...HTTP1_LIMITS, headBytesMax: options.headBytesMax, headerCountMax: options.headerCountMax, preserveCase: options.preserveCase,
      underscores: options.headersWithUnderscores, source: 'downstream', acceptHttp10: options.acceptHttp10,
      defaultHostForHttp10: options.defaultHostForHttp10, allowAbsoluteUrl: options.allowAbsoluteUrl,
    };
    this.#output = new Http1Output(transport, options.writes);
    this.#headTimer = new Timer(timers, this, HEAD_TIMER);
    this.#closeTimer = new Timer(timers, this, CLOSE_TIMER);
    transport.attach(this);
  }

  get openStreams(): number {
    return this.#sink === undefined ? 0 : 1;
  }

  drain(): void {
    this.#closeAfter = true;
    if (this.#sink === undefined && this.#state === 'head') this.#finishConnection();
  }

  destroy(): void {
    this.#transport.destroy();
  }

  // --- from the transport

  onData(chunk: Buffer): void {
    if (this.#state === 'discard' || this.#state === 'closed') return;
    if (this.#state === 'tunnel') {
      this.#sink?.onRequestData(chunk, false);
      return;
    }
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = EMPTY;
    this.#read(bytes);
  }

  onEnd(): void {
    this.#peerEnded = true;
    if (this.#state === 'tunnel') this.#sink?.onRequestData(EMPTY, true);
    else if (this.#state === 'discard') return; // both directions have ended: the socket closes by itself
    else if (this.#sink === undefined) this.#finishConnection();
    else if (this.#requestDone) this.#closeAfter = true; // half-close: the client still reads its response
    else this.#lose(new ProxyError('downstream-reset', 'downstream', 'downstream_remote_disconnect'));
  }

  onDrain(): void {
    this.#output.drained();
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.#sink?.onResponseDrain();
  }

  onClose(error: ProxyError | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#headTimer.cancel();
    this.#closeTimer.cancel();
    this.#loseStream(error ?? new ProxyError('downstream-reset', 'downstream', 'downstream_remote_disconnect'));
    this.#handler.onConnectionClose();
  }

  onTimer(tag: number): void {
    if (tag === CLOSE_TIMER) this.#onCloseTimer();
    else this.#refuse(new ProxyError('request-timeout', 'downstream', 'request_header_timeout'));
  }

  // --- reading

  /** Uses what it can of `bytes`; the rest waits in #rest. */
  #read(bytes: Buffer): void {
    let left = bytes;
    while (left.length > 0) {
      if (this.#state === 'head') left = this.#readHead(left);
      else if (this.#state === 'body') left = this.#readBody(left);
      else break;
    }
    if (left.length === 0) return;
    if (this.#state === 'tunnel') this.#sink?.onRequestData(left, false);
    else if (this.#state === 'hold') {
      this.#rest = left;
      this.#pause();
    }
  }

  /** What is left after the head, nothing while it is incomplete. */
  #readHead(bytes: Buffer): Buffer {
    let start = 0;
    // One empty line before a request is passed over (RFC 9112 section 2.2).
    if (bytes[0] === 13 && bytes[1] === 10) start = 2;
    const from = start === 0 ? bytes : bytes.subarray(start);
    const end = headEnd(from);
    if (end === -1 || end > this.#options.headBytesMax) {
      this.#readPartialHead(from, end);
      return EMPTY;
    }
    this.#headTimer.cancel();
    const parsed = parseRequest(from.toString('latin1', 0, end), this.#rules);
    if (parsed instanceof ProxyError) {
      this.#refuse(parsed);
      return EMPTY;
    }
    this.#begin(parsed);
    return from.subarray(end);
  }

  #readPartialHead(bytes: Buffer, end: number): void {
    if (end > this.#options.headBytesMax || bytes.length > this.#options.headBytesMax) {
      this.#refuse(new ProxyError('headers-too-large', 'downstream', 'headers_too_large'));
    } else if (hasBareLineEnd(bytes)) {
      this.#refuse(new ProxyError('bad-request', 'downstream', 'http1.codec_error'));
    } else if (this.#tooLongLine(bytes)) {
      this.#refuse(new ProxyError('uri-too-long', 'downstream', 'request_line_too_long'));
    } else {
      this.#rest = bytes;
      if (bytes.length > 0 && !this.#headTimer.armed && this.#options.headTimeoutMs > 0) this.#headTimer.arm(this.#options.headTimeoutMs);
    }
  }

  #tooLongLine(bytes: Buffer): boolean {
    const max = this.#rules.requestLineBytesMax;
    return bytes.length > max && !bytes.subarray(0, max).includes(10);
  }

  #begin(parsed: ParsedRequest): void {
    const { head, chunked } = parsed;
    this.#request = parsed;
    this.#requestDone = false;
    this.#responseDone = false;
    this.#responseStarted = false;
    if (!parsed.keepAlive) this.#closeAfter = true;
    const early = head.upgrade !== undefined || head.method === 'CONNECT';
    this.#body = chunked ? new ChunkedBody(this.#options.headBytesMax) : head.contentLength > 0 ? new LengthBody(head.contentLength) : undefined;
    this.#state = this.#body === undefined ? 'hold' : 'body';
    const sink = this.#handler.onStream(this);
    this.#sink = sink;
    // A tunnel's bytes wait until it is agreed on (S11).
    this.#requestDone = this.#body === undefined && !early;
    sink.onRequestHead(head, this.#body === undefined && !early);
  }

  #readBody(bytes: Buffer): Buffer {
    const used = this.#body!.feed(bytes, this);
    if (typeof used === 'string') {
      this.#refuse(new ProxyError('bad-request', 'downstream', `http1.${used}`));
      return EMPTY;
    }
    return bytes.subarray(used);
  }

  onBodyData(chunk: Buffer): void {
    this.#sink?.onRequestData(chunk, false);
  }

  onBodyEnd(trailerText: string): void {
    this.#body = undefined;
    this.#requestDone = true;
    if (this.#state === 'body') this.#state = 'hold';
    const trailers = parseTrailers(trailerText, this.#rules);
    if (trailers instanceof ProxyError) this.#refuse(trailers);
    else if (trailers !== undefined && this.#options.enableTrailers) this.#sink?.onRequestTrailers(trailers);
    else this.#sink?.onRequestData(EMPTY, true);
    this.#next();
  }

  /** Malformed: the stream answers, then the connection closes. */
  #refuse(error: ProxyError): void {
    this.#headTimer.cancel();
    this.#closeAfter = true;
    this.#rest = EMPTY;
    this.#body = undefined;
    this.#state = 'hold';
    if (this.#sink === undefined) {
      this.#request = undefined;
      this.#responseStarted = false;
      this.#responseDone = false;
      this.#sink = this.#handler.onStream(this);
    }
    this.#requestDone = false;
    const sink = this.#sink;
    sink.onRequestError(error);
  }

  #lose(error: ProxyError): void {
    this.#loseStream(error);
    this.#transport.destroy();
  }

  #loseStream(error: ProxyError): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onRequestError(error);
  }

  // --- the response

  sendInformational(head: ResponseHead): void {
    if (this.#request?.head.protocol === 'HTTP/1.1') this.#output.text(responseText(head, 'none', '', this.#options.preserveCase));
  }

  sendResponseHead(head: ResponseHead, endStream: boolean): void {
    if (this.#sink === undefined || this.#responseStarted) return;
    this.#responseStarted = true;
    if (this.#becomesTunnel(head)) {
      this.#output.text(responseText(head, 'none', '', this.#options.preserveCase));
      this.#openTunnel();
      if (endStream) this.#completeResponse();
      return;
    }
    this.#framing = this.#framingFor(head, endStream);
    if (this.#framing === 'close' || !this.#requestDone) this.#closeAfter = true;
    const http10 = this.#request?.head.protocol === 'HTTP/1.0';
    const connection = this.#closeAfter ? 'close' : http10 ? 'keep-alive' : '';
    this.#output.text(responseText(head, this.#headFraming(head), connection, this.#options.preserveCase));
    if (endStream) this.#completeResponse();
  }

  #becomesTunnel(head: ResponseHead): boolean {
    const request = this.#request?.head;
    return head.status === 101 || (request?.method === 'CONNECT' && head.status >= 200 && head.status < 300);
  }

  /** Held early data goes first. */
  #openTunnel(): void {
    this.#state = 'tunnel';
    this.#framing = 'close';
    this.#closeAfter = true;
    this.#body = new UntilCloseBody();
    const early = this.#rest;
    this.#rest = EMPTY;
    this.#resume();
    if (early.length > 0) this.#sink?.onRequestData(early, false);
    if (this.#peerEnded) this.#sink?.onRequestData(EMPTY, true);
  }

  #framingFor(head: ResponseHead, endStream: boolean): Framing {
    const method = this.#request?.head.method;
    if (method === 'HEAD' || head.status === 204 || head.status === 304 || head.status < 200) return 'none';
    if (endStream || head.contentLength !== LENGTH_UNKNOWN) return 'length';
    return this.#request?.head.protocol === 'HTTP/1.0' ? 'close' : 'chunked';
  }

  /** HEAD and 304 tell the length that the body would have had. */
  #headFraming(head: ResponseHead): Framing {
    if (this.#framing !== 'none') return this.#framing;
    const tellsLength = (this.#request?.head.method === 'HEAD' || head.status === 304) && head.contentLength !== LENGTH_UNKNOWN;
    return tellsLength ? 'length' : 'none';
  }

  sendResponseData(chunk: Buffer, endStream: boolean): boolean {
    if (this.#sink === undefined) return true;
    if (this.#framing === 'chunked') this.#sendChunk(chunk, endStream);
    else if (this.#framing !== 'none' && chunk.length > 0) this.#output.bytes(chunk);
    if (endStream) this.#completeResponse();
    else if (!this.#output.room) this.#wantsDrain = true;
    return this.#output.room;
  }

  #sendChunk(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) {
      this.#output.text(`${chunk.length.toString(16)}\r\n`);
      this.#output.bytes(chunk);
      this.#output.text(endStream ? '\r\n0\r\n\r\n' : '\r\n');
    } else if (endStream) this.#output.text('0\r\n\r\n');
  }

  sendResponseTrailers(trailers: Headers): void {
    if (this.#sink === undefined) return;
    if (this.#framing === 'chunked') {
      this.#output.text(this.#options.enableTrailers ? `0\r\n${fieldsText(trailers, this.#options.preserveCase)}\r\n` : '0\r\n\r\n');
    }
    this.#completeResponse();
  }

  /** A reset before the end is told by a closed connection: the client sees that the body is cut. */
  resetStream(): void {
    this.#sink = undefined;
    this.#output.flush();
    this.#transport.destroy();
  }

  pauseBody(): void {
    this.#pause();
  }

  resumeBody(): void {
    this.#resume();
  }

  #completeResponse(): void {
    this.#responseDone = true;
    if (this.#state === 'tunnel') {
      this.#output.end();
      if (this.#peerEnded) this.#sink = undefined;
      return;
    }
    if (this.#requestDone) this.#next();
    else this.#abandonRequest();
  }

  /** The response came before the request's end: nobody takes the rest (S09). */
  #abandonRequest(): void {
    this.#sink = undefined;
    this.#body = undefined;
    this.#finishConnection();
  }

  /** Both halves are complete: the next request, or the end. */
  #next(): void {
    if (!this.#requestDone || !this.#responseDone || this.#sink === undefined) return;
    this.#sink = undefined;
    if (this.#closeAfter || this.#peerEnded) {
      this.#finishConnection();
      return;
    }
    this.#state = 'head';
    this.#resume();
    const rest = this.#rest;
    this.#rest = EMPTY;
    if (rest.length > 0) this.#read(rest);
  }

  /** Sends what waits and FIN, then gives the peer a moment to close first, so that it reads the response (delayed close). */
  #finishConnection(): void {
    if (this.#state === 'closed' || this.#state === 'discard') return;
    this.#state = 'discard';
    this.#rest = EMPTY;
    this.#output.end();
    this.#output.flush();
    this.#resume();
    this.#unsentBytes = this.#transport.bufferedBytes;
    this.#closeTimer.arm(this.#options.delayedCloseMs);
  }

  /** A slow reader gets its time as long as it reads. */
  #onCloseTimer(): void {
    const unsent = this.#transport.bufferedBytes;
    if (unsent === 0 || unsent >= this.#unsentBytes) {
      this.#transport.destroy();
      return;
    }
    this.#unsentBytes = unsent;
    this.#closeTimer.arm(this.#options.delayedCloseMs);
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#transport.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#transport.resume();
  }
}
