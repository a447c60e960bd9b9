// The client side of HTTP/1.1: one exchange at a time on an upstream connection, reused only where framing is clear.
import { ProxyError } from '../base/error.ts';
import { keep } from '../base/lent-buffer.ts';
import type { Transport, TransportHandler } from '../base/transport.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import { LIMITS } from '../config/limits.ts';
import type { ClientConnection, ClientConnectionHandler, ClientStream, ResponseSink } from './codec.ts';
import type { Headers } from './headers.ts';
import { bodyFaultDetail } from './http1-body-fault.ts';
import type { BodyDecoder, BodySink } from './http1-body.ts';
import { ChunkedBody, LengthBody, UntilCloseBody } from './http1-body.ts';
import type { ClientStreamOwner } from './http1-client-stream.ts';
import { Http1ClientStream } from './http1-client-stream.ts';
import { Scan } from './http1-head-scanner.ts';
import type { HeadLimits } from './http1-limits.ts';
import { headLimits } from './http1-limits.ts';
import { protocolError, ResponseBody, ResponseParser } from './http1-response-parser.ts';
import { fieldLines, properCased } from './http1-serializer.ts';
import { MessageWriter } from './http1-writer.ts';
import type { ResponseHead } from './message.ts';

/** Compiled from a cluster's HttpProtocolOptions. */
export interface Http1ClientOptions {
  readonly headerCountMax: number;
  /** Of response heads; default 60 KiB. */
  readonly headBytesMax?: number;
  /** false drops trailers in both directions. */
  readonly enableTrailers: boolean;
  readonly preserveCase: boolean;
  /** Names are sent as Words-With-Capitals (header_key_format.proper_case_words); default as they are. */
  readonly properCase?: boolean;
  /** Keeps the server's reason phrases (PreserveCaseFormatterConfig.forward_reason_phrase); default false. */
  readonly forwardReasonPhrase?: boolean;
  readonly writes: WriteBatch;
}

/** `idle`: no exchange. `head`: a response is awaited. `body`: its body is read. `tunnel`: bytes pass raw. `closed`. */
type State = 'idle' | 'head' | 'body' | 'tunnel' | 'closed';

const EMPTY = Buffer.alloc(0);

export class Http1ClientConnection implements ClientConnection, ClientStreamOwner, TransportHandler, BodySink {
  readonly writer: MessageWriter;
  readonly #transport: Transport;
  readonly #options: Http1ClientOptions;
  readonly #limits: HeadLimits;
  readonly #handler: ClientConnectionHandler;
  readonly #parser: ResponseParser;
  readonly #lengthBody = new LengthBody();
  #chunkedBody: ChunkedBody | undefined = undefined;
  #body: BodyDecoder = this.#lengthBody;
  #state: State = 'idle';
  #stream: Http1ClientStream | undefined = undefined;
  /** A partial head. */
  #held: Buffer | undefined = undefined;
  #headBegun = false;
  /** Bytes of the current exchange's response have come; its head has come. */
  #answered = false;
  #responseStarted = false;
  #informational = 0;
  #draining = false;
  #paused = false;
  #fault: ProxyError | undefined = undefined;
  readonly borrows = true;
  streamsStarted = 0;
  peerStreamsMax = undefined;

  constructor(transport: Transport, options: Http1ClientOptions, handler: ClientConnectionHandler) {
    this.#transport = transport;
    this.#options = options;
    this.#handler = handler;
    this.#limits = headLimits(options.headBytesMax ?? LIMITS.headersBytesMax, options.headerCountMax);
    this.#parser = new ResponseParser(this.#limits, options.preserveCase, options.forwardReasonPhrase ?? false);
    this.writer = new MessageWriter(transport, options.writes);
    transport.attach(this);
  }

  get canTakeStream(): boolean {
    return this.#state === 'idle' && !this.#draining && this.#fault === undefined;
  }

  get openStreams(): number {
    return this.#stream === undefined ? 0 : 1;
  }

  get keepAliveMs(): number | undefined {
    return this.#parser.keepAliveMs;
  }

  trailerLines(trailers: Headers): string {
    return this.#options.enableTrailers ? fieldLines(trailers) : '';
  }

  spelled(head: string): string {
    return this.#options.properCase === true ? properCased(head) : head;
  }

  newStream(sink: ResponseSink): ClientStream {
    const stream = new Http1ClientStream(this, sink);
    this.#stream = stream;
    this.#state = 'head';
    this.#answered = this.#responseStarted = false;
    this.#informational = 0;
    this.streamsStarted++;
    return stream;
  }

  drain(): void {
    this.#draining = true;
    if (this.#stream === undefined) this.#transport.destroy();
  }

  destroy(): void {
    this.#draining = true;
    this.#transport.destroy();
  }

  // --- from the transport

  onData(chunk: Buffer): void {
    const stream = this.#stream;
    if (this.#state === 'closed' || this.#fault !== undefined || stream?.over === true) return;
    if (stream === undefined || !stream.headSent) {
      // Nobody asked: it would be taken for the answer to the next request (S12).
      this.#break(protocolError('http1.unsolicited_response'));
      return;
    }
    const held = this.#held;
    this.#held = undefined;
    this.#answered = true;
    const { writes } = this.#options;
    writes.enter();
    try {
      this.#run(held === undefined ? chunk : Buffer.concat([held, chunk]));
    } finally {
      writes.leave();
    }
  }

  onEnd(): void {
    const stream = this.#stream;
    if (this.#state === 'tunnel' && stream !== undefined) {
      stream.responseDone = true;
      stream.sink.onResponseData(EMPTY, true);
      this.#endTunnel(stream);
    } else if (this.#state === 'body' && this.#body.untilClose) {
      this.onBodyData(EMPTY, true);
      this.#endExchange(false);
    } else {
      // Not to be handed out again before the close is told.
      this.destroy();
    }
  }

  onDrain(): void {
    const stream = this.#stream;
    if (this.writer.drained() && stream !== undefined && !stream.over) stream.sink.onRequestDrain();
  }

  onClose(error: ProxyError | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#held = undefined;
    this.#tellError(this.#fault ?? this.#lost(error));
    this.#handler.onConnectionClose(this, this.#fault ?? error);
    this.#stream = undefined;
  }

  // --- the response

  #run(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && this.#fault === undefined) {
      if (this.#state === 'head') at = this.#readHead(bytes, at);
      else if (this.#state === 'body') at = this.#readBody(bytes, at);
      else break;
      const stream = this.#stream;
      if (stream?.responseDone === true) {
        this.#endExchange(at < bytes.length);
        return;
      }
      // Its user has cancelled, in one of the calls above.
      if (stream?.over === true) return;
    }
    if (at === bytes.length || this.#state !== 'tunnel') return;
    this.#stream?.sink.onResponseData(at === 0 ? bytes : bytes.subarray(at), false);
  }

  #readHead(bytes: Buffer, at: number): number {
    const parser = this.#parser;
    if (!this.#headBegun) parser.reset();
    this.#headBegun = true;
    const result = parser.scan(bytes, at, bytes.length);
    if (result === Scan.DONE) {
      this.#headBegun = false;
      const head = parser.build(bytes, at, this.#stream!.method);
      if (head instanceof ProxyError) this.#break(head);
      else this.#begin(head, this.#stream!);
      return at + parser.length;
    }
    if (result === Scan.MORE) this.#held = keep(at === 0 ? bytes : bytes.subarray(at));
    else this.#break(parser.refusal(result));
    return bytes.length;
  }

  #begin(head: ResponseHead, stream: Http1ClientStream): void {
    if (head.status < 200 && head.status !== 101) {
      this.#interim(head, stream);
      return;
    }
    if (!stream.admits(head)) {
      this.#break(protocolError('http1.upgrade_answer'));
      return;
    }
    const { body } = this.#parser;
    if (body === ResponseBody.TUNNEL) {
      this.#beginTunnel(head, stream);
      return;
    }
    this.#responseStarted = true;
    if (!this.#parser.keepAlive || body === ResponseBody.UNTIL_CLOSE) this.#stopReuse();
    const end = body === 0 || body === ResponseBody.NONE;
    if (end) {
      stream.responseDone = stream.over = true;
    } else {
      this.#state = 'body';
      this.#body = this.#decoderFor(body);
    }
    stream.sink.onResponseHead(head, end);
  }

  #interim(head: ResponseHead, stream: Http1ClientStream): void {
    if (++this.#informational > LIMITS.informationalMax) {
      this.#break(protocolError('http1.too_many_informational'));
      return;
    }
    if (!this.#parser.keepAlive) this.#stopReuse();
    stream.sink.onInformational(head);
  }

  #beginTunnel(head: ResponseHead, stream: Http1ClientStream): void {
    if (!stream.wantsTunnel || (head.status === 101 && stream.method === 'CONNECT')) {
      this.#break(protocolError('http1.unexpected_upgrade'));
      return;
    }
    this.#responseStarted = true;
    this.#state = 'tunnel';
    this.#stopReuse();
    stream.sink.onResponseHead(head, false);
    if (!stream.over) stream.openTunnel();
  }

  #decoderFor(body: number): BodyDecoder {
    if (body === ResponseBody.UNTIL_CLOSE) return new UntilCloseBody();
    if (body !== ResponseBody.CHUNKED) {
      this.#lengthBody.start(body);
      return this.#lengthBody;
    }
    const chunked = (this.#chunkedBody ??= new ChunkedBody(this.#limits, this.#options.enableTrailers));
    chunked.start();
    return chunked;
  }

  #readBody(bytes: Buffer, at: number): number {
    const next = this.#body.read(bytes, at, this);
    if (next >= 0) return next;
    this.#break(protocolError(bodyFaultDetail(next)));
    return bytes.length;
  }

  onBodyData(chunk: Buffer, end: boolean): void {
    const stream = this.#stream;
    if (stream === undefined || stream.over) return;
    if (end) stream.responseDone = stream.over = true;
    stream.sink.onResponseData(chunk, end);
  }

  onBodyTrailers(trailers: Headers): void {
    const stream = this.#stream;
    if (stream === undefined || stream.over) return;
    stream.responseDone = stream.over = true;
    stream.sink.onResponseTrailers(trailers);
  }

  // --- from the stream

  onRequestEnd(stream: Http1ClientStream): void {
    if (!stream.tunnel) return;
    this.writer.flushWrites();
    this.#transport.end();
    this.#endTunnel(stream);
  }

  onRequestFault(stream: Http1ClientStream, detail: string): void {
    this.#fault = new ProxyError('internal', 'internal', detail);
    stream.over = true;
    stream.sink.onResponseError(this.#fault);
    this.#transport.destroy();
  }

  onReset(stream: Http1ClientStream): void {
    stream.over = true;
    this.#stopReuse();
    this.#transport.destroy();
  }

  holdBody(hold: boolean): void {
    if (hold === this.#paused) return;
    this.#paused = hold;
    if (hold) this.#transport.pause();
    else this.#transport.resume();
  }

  // --- the end

  /**
   * The response is whole. The connection may take another exchange when the request is whole too and has left (S09,
   * S10), nothing came after the response (`surplus`, S12), no tunnel was asked for (S11), and both sides wish it.
   */
  #endExchange(surplus: boolean): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    if (this.#state !== 'closed') this.#state = 'idle';
    if (surplus) this.#fault = protocolError('http1.unsolicited_response');
    const unsent = !stream.requestDone || this.writer.holdsText || this.#transport.bufferedBytes > 0;
    if (surplus || unsent || stream.wantsTunnel) this.#stopReuse();
    this.holdBody(false);
    this.#handler.onStreamDone(this);
    if (this.#draining && this.#stream === undefined) this.#transport.destroy();
  }

  #endTunnel(stream: Http1ClientStream): void {
    if (!stream.requestDone || !stream.responseDone || this.#stream !== stream) return;
    stream.over = true;
    this.#stream = undefined;
    this.#handler.onStreamDone(this);
  }

  #stopReuse(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#handler.onDraining(this);
  }

  /** The server broke the protocol: nothing on this connection can be believed any more (S18). */
  #break(fault: ProxyError): void {
    const detail = `upstream_reset_${this.#responseStarted ? 'after' : 'before'}_response_started{protocol_error}`;
    this.#fault = new ProxyError('upstream-protocol', 'upstream', detail, 'never', fault.detail);
    this.#tellError(this.#fault);
    this.#transport.destroy();
  }

  #tellError(error: ProxyError): void {
    const stream = this.#stream;
    if (stream === undefined || stream.over) return;
    stream.over = true;
    stream.sink.onResponseError(error);
  }

  /** Lost before any byte of the response on a connection that had served before: the server had just hung up. */
  #lost(error: ProxyError | undefined): ProxyError {
    const retry = !this.#answered && this.streamsStarted > 1 ? 'if-reused' : 'never';
    const when = this.#responseStarted ? 'after' : 'before';
    const detail = `upstream_reset_${when}_response_started{connection_termination}`;
    return new ProxyError('upstream-reset', 'upstream', detail, retry, error?.cause ?? 'connection termination');
  }
}
