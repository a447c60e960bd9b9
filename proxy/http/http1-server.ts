// The server side of HTTP/1.1: reads requests one at a time, holds what is pipelined, decides when the connection ends.
import { ProxyError } from '../base/error.ts';
import { keep } from '../base/lent-buffer.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { Transport, TransportHandler } from '../base/transport.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import type { RequestSink, ServerConnection, ServerConnectionHandler } from './codec.ts';
import { DelayedClose } from './delayed-close.ts';
import type { Headers } from './headers.ts';
import { bodyFaultDetail } from './http1-body-fault.ts';
import type { BodyDecoder, BodySink } from './http1-body.ts';
import { ChunkedBody, LengthBody } from './http1-body.ts';
import type { UnderscoreAction } from './http1-head-fields.ts';
import { Scan } from './http1-head-scanner.ts';
import type { HeadLimits } from './http1-limits.ts';
import { headLimits } from './http1-limits.ts';
import { malformed, RequestParser } from './http1-request-parser.ts';
import { fieldLines, properCased } from './http1-serializer.ts';
import type { ServerStreamOwner } from './http1-server-stream.ts';
import { Http1ServerStream } from './http1-server-stream.ts';
import { MessageWriter } from './http1-writer.ts';
import type { RequestHead } from './message.ts';
import { LENGTH_UNKNOWN } from './message.ts';

/** Compiled from HttpConnectionManager, its http_protocol_options and common_http_protocol_options. */
export interface Http1ServerOptions {
  /** max_request_headers_kb * 1024; raising it over 60 KiB raises the limit of a single line too. */
  readonly headBytesMax: number;
  readonly headerCountMax: number;
  /** From the first byte of a head to its last (request_headers_timeout); 0 is off. */
  readonly headTimeoutMs: number;
  /** false answers HTTP/1.0 by 426. */
  readonly acceptHttp10: boolean;
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
  /** false drops trailers in both directions. */
  readonly enableTrailers: boolean;
  readonly preserveCase: boolean;
  /** Names are sent as Words-With-Capitals (header_key_format.proper_case_words); default as they are. */
  readonly properCase?: boolean;
  readonly headersWithUnderscores: UnderscoreAction;
  /** How long a closed connection may take to read its last response (delayed_close_timeout). */
  readonly delayedCloseMs: number;
  /**
   * What a client's FIN after a whole request means. `answer` (default): it has finished sending and still gets its
   * response (RFC 9112 section 9.6), so a client that is gone is found out by the next write. `cancel`: it is gone,
   * as Envoy takes it; work for it ends at once, but clients that half-close get nothing.
   */
  readonly halfClosedClient?: 'answer' | 'cancel';
  readonly writes: WriteBatch;
}

/**
 * `head`: a request is awaited or has begun. `body`: its body is being read. `wait`: it is read whole, or asks for a
 * tunnel; further bytes are held and reading stops. `tunnel`: bytes pass raw. `refused`: malformed; nothing more is
 * read, the reply ends the connection. `closing`: FIN is sent, what still comes is dropped. `closed`.
 */
type State = 'head' | 'body' | 'wait' | 'tunnel' | 'refused' | 'closing' | 'closed';

const EMPTY = Buffer.alloc(0);
/** An empty line between requests is no beginning of one. */
const EMPTY_LINE_BYTES = 2;

export class Http1ServerConnection
implements ServerConnection, ServerStreamOwner, TransportHandler, TimerTarget, BodySink {
  readonly borrows = true;
  readonly writer: MessageWriter;
  readonly #transport: Transport;
  readonly #options: Http1ServerOptions;
  readonly #limits: HeadLimits;
  readonly #handler: ServerConnectionHandler;
  readonly #timers: TimerWheel;
  readonly #parser: RequestParser;
  readonly #lengthBody = new LengthBody();
  #chunkedBody: ChunkedBody | undefined = undefined;
  #body: BodyDecoder = this.#lengthBody;
  #state: State = 'head';
  /** In `head`: some of the next head was read. */
  #headBegun = false;
  #stream: Http1ServerStream | undefined = undefined;
  /** Bytes that were read and not yet used: a partial head, a pipelined request, a tunnel's early data. */
  #held: Buffer | undefined = undefined;
  #processing = false;
  #bodyHeld = false;
  #paused = false;
  #peerEnded = false;
  #draining = false;
  #headTimer: Timer | undefined = undefined;
  #close: DelayedClose | undefined = undefined;
  #continuation: (() => void) | undefined = undefined;

  constructor(transport: Transport, options: Http1ServerOptions, handler: ServerConnectionHandler, timers: TimerWheel) {
    this.#transport = transport;
    this.#options = options;
    this.#handler = handler;
    this.#timers = timers;
    this.#limits = headLimits(options.headBytesMax, options.headerCountMax);
    this.#parser = new RequestParser({ ...options, limits: this.#limits, underscores: options.headersWithUnderscores });
    this.writer = new MessageWriter(transport, options.writes);
    transport.attach(this);
  }

  get openStreams(): number {
    return this.#stream === undefined ? 0 : 1;
  }

  trailerLines(trailers: Headers): string {
    return this.#options.enableTrailers ? fieldLines(trailers) : '';
  }

  spelled(head: string): string {
    return this.#options.properCase === true ? properCased(head) : head;
  }

  drain(): void {
    this.#draining = true;
    const idle = this.#held === undefined || this.#held.length <= EMPTY_LINE_BYTES;
    if (this.#state === 'head' && idle) this.#finish();
  }

  destroy(): void {
    this.#lose(new ProxyError('downstream-reset', 'downstream', 'downstream_local_disconnect'));
  }

  // --- from the transport

  onData(chunk: Buffer): void {
    if (this.#state === 'refused' || this.#state === 'closing' || this.#state === 'closed') return;
    const held = this.#held;
    this.#held = undefined;
    this.#feed(held === undefined ? chunk : Buffer.concat([held, chunk]));
  }

  onEnd(): void {
    this.#peerEnded = true;
    const stream = this.#stream;
    if (this.#state === 'head') this.#finish();
    else if (this.#state === 'body') this.#lose(remoteDisconnect());
    else if (this.#state === 'tunnel') this.#endRequest(stream!);
    else if (this.#state === 'wait' && this.#options.halfClosedClient === 'cancel') this.#lose(remoteDisconnect());
  }

  onDrain(): void {
    if (this.writer.drained() && this.#stream !== undefined) this.#stream.sink.onResponseDrain();
  }

  onClose(error: ProxyError | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#held = undefined;
    this.#headTimer?.cancel();
    this.#close?.cancel();
    this.#tellError(error ?? remoteDisconnect());
    this.#handler.onConnectionClose();
  }

  onTimer(): void {
    if (this.#state === 'head') this.#refuse(malformed('request_header_timeout', 'request-timeout'));
  }

  // --- reading

  #feed(bytes: Buffer): void {
    const { writes } = this.#options;
    writes.enter();
    try {
      this.#run(bytes);
    } finally {
      writes.leave();
    }
  }

  #run(bytes: Buffer): void {
    this.#processing = true;
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'head') at = this.#readHead(bytes, at);
      else if (this.#state === 'body') at = this.#readBody(bytes, at);
      else break;
    }
    this.#processing = false;
    if (at < bytes.length) this.#leftOver(at === 0 ? bytes : bytes.subarray(at));
    this.#updateReading();
  }

  #leftOver(bytes: Buffer): void {
    if (this.#state === 'tunnel') this.#stream?.sink.onRequestData(bytes, false);
    else if (this.#state === 'wait') this.#held = keep(bytes);
  }

  #readHead(bytes: Buffer, at: number): number {
    const parser = this.#parser;
    if (!this.#headBegun) parser.reset();
    this.#headBegun = true;
    const result = parser.scan(bytes, at, bytes.length);
    if (result === Scan.DONE) {
      this.#headBegun = false;
      this.#headTimer?.cancel();
      const head = parser.build(bytes, at);
      if (head instanceof ProxyError) this.#refuse(head);
      else this.#begin(head);
      return at + parser.length;
    }
    if (result === Scan.MORE) this.#holdHead(at === 0 ? bytes : bytes.subarray(at));
    else this.#refuse(parser.refusal(result));
    return bytes.length;
  }

  #holdHead(bytes: Buffer): void {
    this.#held = keep(bytes);
    const { headTimeoutMs } = this.#options;
    if (headTimeoutMs <= 0 || bytes.length <= EMPTY_LINE_BYTES) return;
    const timer = (this.#headTimer ??= new Timer(this.#timers, this));
    if (!timer.armed) timer.arm(headTimeoutMs);
  }

  #begin(head: RequestHead): void {
    const stream = new Http1ServerStream(this, head);
    this.#stream = stream;
    this.#state = stream.requestDone || stream.wantsTunnel ? 'wait' : 'body';
    if (this.#state === 'body') this.#body = this.#decoderFor(head.contentLength);
    stream.sink = this.#handler.onStream(stream);
    stream.sink.onRequestHead(head, stream.requestDone);
  }

  #decoderFor(length: number): BodyDecoder {
    if (length !== LENGTH_UNKNOWN) {
      this.#lengthBody.start(length);
      return this.#lengthBody;
    }
    const { enableTrailers, headersWithUnderscores } = this.#options;
    const body = (this.#chunkedBody ??= new ChunkedBody(this.#limits, enableTrailers, headersWithUnderscores));
    body.start();
    return body;
  }

  #readBody(bytes: Buffer, at: number): number {
    const next = this.#body.read(bytes, at, this);
    if (next >= 0) return next;
    this.#refuse(malformed(bodyFaultDetail(next)));
    return bytes.length;
  }

  onBodyData(chunk: Buffer, end: boolean): void {
    const stream = this.#stream;
    if (stream === undefined || this.#state !== 'body') return;
    if (end) this.#requestRead(stream);
    stream.sink.onRequestData(chunk, end);
  }

  onBodyTrailers(trailers: Headers): void {
    const stream = this.#stream;
    if (stream === undefined || this.#state !== 'body') return;
    this.#requestRead(stream);
    stream.sink.onRequestTrailers(trailers);
  }

  #requestRead(stream: Http1ServerStream): void {
    stream.requestDone = true;
    this.#bodyHeld = false;
    this.#state = 'wait';
  }

  /** A tunnel's client has finished sending. */
  #endRequest(stream: Http1ServerStream): void {
    stream.requestDone = true;
    stream.sink.onRequestData(EMPTY, true);
    if (stream.responseDone) this.#stream = undefined;
  }

  /** Malformed, or too slow: the stream's user answers, and nothing that comes after is trusted. */
  #refuse(error: ProxyError): void {
    this.#state = 'refused';
    this.#held = undefined;
    this.#headTimer?.cancel();
    // Others are refusals of what can be read: by the clock, or where Envoy's connection manager refuses.
    if (error.detail.startsWith('http1.')) this.#handler.onProtocolError();
    let stream = this.#stream;
    if (stream === undefined) {
      stream = new Http1ServerStream(this, undefined);
      this.#stream = stream;
      stream.sink = this.#handler.onStream(stream);
    }
    stream.sink.onRequestError(error);
  }

  // --- from the stream

  closesAfter(stream: Http1ServerStream): boolean {
    if (!stream.requestDone || this.#draining || !this.#parser.keepAlive) return true;
    return this.#peerEnded && this.#held === undefined;
  }

  onTunnel(): void {
    this.#state = 'tunnel';
    this.#continue();
  }

  onResponseEnd(stream: Http1ServerStream): void {
    if (this.#state === 'tunnel') {
      this.writer.flushWrites();
      this.#transport.end();
      if (stream.requestDone) this.#stream = undefined;
      return;
    }
    stream.over = true;
    this.#stream = undefined;
    if (this.closesAfter(stream)) {
      this.#finish();
      return;
    }
    this.#state = 'head';
    this.#continue();
  }

  onReset(stream: Http1ServerStream, abrupt: boolean): void {
    stream.over = true;
    this.#stream = undefined;
    this.#state = 'closing';
    this.writer.flushWrites();
    this.#transport.destroy(abrupt);
  }

  holdBody(hold: boolean): void {
    this.#bodyHeld = hold;
    this.#updateReading();
  }

  /** Goes on with bytes that were held; not inside of the call that made it possible, whose caller isn't done yet. */
  #continue(): void {
    if (this.#processing) return;
    if (this.#held === undefined && !(this.#state === 'tunnel' && this.#peerEnded)) {
      this.#updateReading();
      return;
    }
    process.nextTick((this.#continuation ??= () => this.#runHeld()));
  }

  #runHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#feed(held);
    const stream = this.#stream;
    if (this.#state === 'tunnel' && this.#peerEnded && stream?.requestDone === false) this.#endRequest(stream);
  }

  #updateReading(): void {
    const pause = this.#bodyHeld || (this.#held !== undefined && this.#state === 'wait');
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#transport.pause();
    else this.#transport.resume();
  }

  // --- the end

  /** Sends FIN after what is written, then lets the peer read and close first; what it sends is dropped. */
  #finish(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = 'closing';
    this.#held = undefined;
    this.#bodyHeld = false;
    this.#headTimer?.cancel();
    this.writer.flushWrites();
    this.#close = new DelayedClose(this.#transport, this.#timers, this.#options.delayedCloseMs);
    this.#close.start();
    this.#updateReading();
  }

  #lose(error: ProxyError): void {
    this.#state = 'closing';
    this.#held = undefined;
    this.#tellError(error);
    this.#transport.destroy();
  }

  #tellError(error: ProxyError): void {
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined) return;
    stream.over = true;
    const sink: RequestSink = stream.sink;
    sink.onRequestError(error);
  }
}

function remoteDisconnect(): ProxyError {
  return new ProxyError('downstream-reset', 'downstream', 'downstream_remote_disconnect');
}
