// What both sides of an HTTP/2 connection do alike: frames in, settings, windows, PING, and the connection's end.
import type { ProxyError } from '../base/error.ts';
import type { Transport, TransportHandler } from '../base/transport.ts';
import { LIMITS } from '../config/limits.ts';
import { DelayedClose } from './delayed-close.ts';
import type { Headers } from './headers.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { AbuseGuard } from './http2-abuse.ts';
import { ClosedStreams } from './http2-closed-streams.ts';
import { Http2Credit } from './http2-credit.ts';
import { MessageFields } from './http2-fields.ts';
import { FrameDispatch } from './http2-dispatch.ts';
import type { FrameEvents } from './http2-dispatch.ts';
import { Http2Error, Setting, WINDOW_DEFAULT, WINDOW_MAX } from './http2-frame.ts';
import { FrameReader } from './http2-frame-reader.ts';
import { HeaderBlock } from './http2-header-block.ts';
import type { Http2Options } from './http2-options.ts';
import { Http2Output } from './http2-output.ts';
import { readSettings } from './http2-peer-settings.ts';
import type { SettingsSink } from './http2-peer-settings.ts';
import { Http2Sender } from './http2-sender.ts';
import type { Http2Stream, Http2StreamOwner } from './http2-stream.ts';
import { StreamTable } from './http2-stream-table.ts';

const PING = Buffer.alloc(8);

/** `closing`: GOAWAY with an error, or the last stream's end; what still comes is dropped. */
type State = 'open' | 'closing' | 'closed';

export abstract class Http2Session implements TransportHandler, FrameEvents, SettingsSink, Http2StreamOwner {
  readonly borrows = true;
  protected readonly transport: Transport;
  protected readonly options: Http2Options;
  protected readonly output: Http2Output;
  protected readonly sender: Http2Sender;
  protected readonly fields: MessageFields;
  protected readonly guard: AbuseGuard;
  protected readonly streams = new StreamTable();
  protected readonly closedStreams = new ClosedStreams();
  protected state: State = 'open';
  /** Highest stream that the peer has opened and this side has taken. */
  protected lastPeerStream = 0;
  protected peerInitialWindow = WINDOW_DEFAULT;
  readonly #decoder: HpackDecoder;
  readonly #reader: FrameReader;
  readonly #block: HeaderBlock;
  protected readonly credit: Http2Credit;
  #close: DelayedClose | undefined = undefined;
  #dataStream: Http2Stream | undefined = undefined;
  #dataEnds = false;

  /** `shared`: of a pool, so that many downstream connections write to it. */
  constructor(transport: Transport, options: Http2Options, shared: boolean) {
    this.transport = transport;
    this.options = options;
    this.output = new Http2Output(transport, options.writes, shared);
    this.sender = new Http2Sender(this.output, options, {
      onLocalEnd: (stream) => this.localEnd(stream), onStalled: (stream) => this.#giveUp(stream),
    });
    this.fields = new MessageFields(options);
    this.guard = new AbuseGuard(options.clock, options.counters);
    this.#decoder = new HpackDecoder(options.tableBytes);
    this.#block = new HeaderBlock(options.timers, () => this.fail(Http2Error.ENHANCE_YOUR_CALM));
    this.#reader = new FrameReader(new FrameDispatch(this, this.#block));
    this.credit = new Http2Credit(this.output, options.connectionWindow, options.streamWindow);
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** A message's fields are in `fields`. False: the connection is lost. */
  protected abstract onHeaders(id: number, endStream: boolean, dependsOnItself: boolean): boolean;
  /** A stream that nobody has opened yet. */
  protected abstract isIdle(id: number): boolean;
  /** The peer is the server. */
  protected abstract readonly fromServer: boolean;
  /** A stream has left `streams`. */
  protected abstract onStreamGone(stream: Http2Stream): void;
  /** The peer broke the protocol; this side is about to end the connection, with this code. */
  protected abstract onPeerFault(error: number): void;
  protected abstract onSessionClosed(error: ProxyError | undefined): void;
  abstract onGoAway(lastStream: number, code: number): boolean;
  abstract onPingAck(): boolean;
  abstract onMaxStreams(count: number): void;
  abstract onConnectProtocol(allowed: boolean): void;

  /** Our first frames. */
  protected greet(extra: readonly number[]): void {
    const { tableBytes, streamWindow, headBytesMax, connectionWindow } = this.options;
    this.output.settings([
      Setting.HEADER_TABLE_SIZE, tableBytes, Setting.INITIAL_WINDOW_SIZE, streamWindow,
      Setting.MAX_HEADER_LIST_SIZE, headBytesMax, ...extra,
    ]);
    if (connectionWindow > WINDOW_DEFAULT) this.output.windowUpdate(0, connectionWindow - WINDOW_DEFAULT);
  }

  // --- from the transport

  onData(chunk: Buffer): void {
    if (this.state !== 'open') return;
    const { writes } = this.options;
    writes.enter();
    try {
      this.#reader.read(chunk);
    } finally {
      writes.leave();
    }
  }

  onEnd(): void {
    // Neither side may half-close in HTTP/2: who has sent FIN is gone.
    if (this.state !== 'closed') this.transport.destroy();
  }

  onDrain(): void {
    this.output.drained();
    this.sender.pump();
  }

  onClose(error: ProxyError | undefined): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#block.close();
    this.#close?.cancel();
    this.sender.close();
    for (const stream of this.#takeStreams()) stream.onLost(error?.cause);
    this.onSessionClosed(error);
  }

  // --- frames

  onHeaderBlock(
    id: number, bytes: Buffer, start: number, end: number, endStream: boolean, dependsOnItself: boolean,
  ): boolean {
    this.fields.reset();
    if (!this.#decoder.decode(bytes, start, end, this.fields)) return this.fail(Http2Error.COMPRESSION_ERROR);
    if (this.fields.fault === 'overflow') this.options.counters.headerOverflow.inc();
    return this.onHeaders(id, endStream, dependsOnItself) && this.state === 'open';
  }

  onDataBegin(id: number, length: number, padding: number, endStream: boolean): boolean {
    if (this.isIdle(id)) return this.fail(Http2Error.PROTOCOL_ERROR);
    if (!this.credit.take(length)) return this.fail(Http2Error.FLOW_CONTROL_ERROR);
    if (!this.#budget(this.guard.dataFrame(length - padding, endStream))) return false;
    this.#dataEnds = endStream;
    const stream = this.streams.get(id);
    this.#dataStream = stream;
    if (stream === undefined) {
      this.credit.giveConnection(padding);
      return this.closedStreams.wasReset(id) || this.resetUnknown(id, Http2Error.STREAM_CLOSED);
    }
    if (stream.remoteEnded) return this.streamFault(stream, Http2Error.STREAM_CLOSED);
    if (!stream.window.take(length)) return this.streamFault(stream, Http2Error.FLOW_CONTROL_ERROR);
    this.credit.give(stream, padding);
    return true;
  }

  onDataPiece(piece: Buffer, last: boolean): boolean {
    const stream = this.#dataStream;
    const bytes = piece.length;
    if (stream === undefined || stream.over) {
      this.credit.giveConnection(bytes);
      return this.state === 'open';
    }
    const end = last && this.#dataEnds;
    if (!stream.countBody(bytes, end)) {
      this.credit.giveConnection(bytes);
      return this.messageFault(stream);
    }
    if (end) stream.remoteEnded = true;
    if (bytes > 0 || end) stream.onData(piece, end);
    if (bytes > 0) this.credit.give(stream, bytes);
    if (end) this.#settle(stream);
    return this.state === 'open';
  }

  onWindowUpdate(id: number, increment: number): boolean {
    if (!this.#budget(this.guard.windowUpdateFrame(this.sender.dataFrames))) return false;
    if (id === 0) {
      if (increment === 0) return this.fail(Http2Error.PROTOCOL_ERROR);
      if (!this.sender.widen(increment)) return this.fail(Http2Error.FLOW_CONTROL_ERROR);
      this.sender.pump();
      return this.state === 'open';
    }
    if (this.isIdle(id)) return this.fail(Http2Error.PROTOCOL_ERROR);
    const stream = this.streams.get(id);
    if (stream === undefined) return true;
    if (increment === 0) return this.streamFault(stream, Http2Error.PROTOCOL_ERROR);
    stream.sendWindow += increment;
    if (stream.sendWindow > WINDOW_MAX) return this.streamFault(stream, Http2Error.FLOW_CONTROL_ERROR);
    if (stream.waits) this.sender.pump();
    return this.state === 'open';
  }

  onReset(id: number, code: number): boolean {
    if (this.isIdle(id)) return this.fail(Http2Error.PROTOCOL_ERROR);
    this.options.counters.rxReset.inc();
    const stream = this.streams.get(id);
    if (stream === undefined) return this.#budget(this.guard.controlFrame());
    stream.over = true;
    stream.onPeerReset(code);
    this.drop(stream, false);
    return this.#budget(this.guard.streamReset()) && this.state === 'open';
  }

  onSettings(bytes: Buffer, start: number, end: number): boolean {
    if (!this.#budget(this.guard.controlFrame())) return false;
    const error = readSettings(bytes, start, end, this.fromServer, this);
    if (error !== Http2Error.NO_ERROR) return this.fail(error);
    this.output.settingsAck();
    this.sender.pump();
    return this.#answersFit();
  }

  onSettingsAck(): boolean {
    this.credit.settle(this.streams.all());
    this.#decoder.settingsAcknowledged();
    return true;
  }

  onPing(payload: Buffer): boolean {
    if (!this.#budget(this.guard.pingFrame(this.sender.dataFrames))) return false;
    this.output.ping(payload, true);
    return this.#answersFit();
  }

  onPriority(id: number, error: number): boolean {
    if (!this.#budget(this.guard.priorityFrame())) return false;
    if (error === Http2Error.NO_ERROR) return true;
    const stream = this.streams.get(id);
    return stream === undefined ? this.resetUnknown(id, error) : this.streamFault(stream, error);
  }

  onUnknownFrame(): boolean {
    return this.#budget(this.guard.controlFrame());
  }

  // --- what the peer's settings mean

  onTableSize(bytes: number): void {
    this.sender.encoder.setPeerTableSize(bytes);
  }

  onInitialWindow(bytes: number): boolean {
    const change = bytes - this.peerInitialWindow;
    this.peerInitialWindow = bytes;
    for (const stream of this.streams.all()) {
      stream.sendWindow += change;
      if (stream.sendWindow > WINDOW_MAX) return false;
    }
    return true;
  }

  // --- from streams

  sendData(stream: Http2Stream, chunk: Buffer, endStream: boolean): boolean {
    return this.sender.data(stream, chunk, endStream);
  }

  sendTrailers(stream: Http2Stream, trailers: Headers): void {
    this.options.counters.trailers.inc();
    this.sender.trailers(stream, trailers);
  }

  resetStream(stream: Http2Stream, error: number): void {
    stream.over = true;
    if (this.state !== 'open' || this.streams.get(stream.id) !== stream) return;
    this.output.resetStream(stream.id, error);
    this.options.counters.txReset.inc();
    this.drop(stream, true);
  }

  creditHeld(stream: Http2Stream): void {
    const bytes = stream.heldBytes;
    stream.heldBytes = 0;
    if (bytes > 0 && this.state === 'open') this.credit.give(stream, bytes);
  }

  // --- streams

  /** Its peer doesn't take what is to be sent. */
  #giveUp(stream: Http2Stream): void {
    this.options.counters.txFlushTimeout.inc();
    this.resetStream(stream, Http2Error.CANCEL);
    stream.onStalled();
  }

  protected remoteEnd(stream: Http2Stream): void {
    stream.remoteEnded = true;
    this.#settle(stream);
  }

  /** Its last frame is written. */
  protected localEnd(stream: Http2Stream): void {
    stream.localEnded = true;
    this.#settle(stream);
  }

  #settle(stream: Http2Stream): void {
    if (stream.remoteEnded && stream.localEnded) this.drop(stream, false);
  }

  /** Takes a stream away. `reset`: what the peer has sent before it knew is no fault. */
  protected drop(stream: Http2Stream, reset: boolean): void {
    if (!this.streams.delete(stream.id)) return;
    stream.over = true;
    this.closedStreams.add(stream.id, reset);
    this.sender.forget(stream);
    this.credit.giveConnection(stream.heldBytes);
    stream.heldBytes = 0;
    this.onStreamGone(stream);
  }

  /** The message breaks a rule of HTTP: its stream is lost, the connection isn't (RFC 9113 section 8.1.1). */
  protected messageFault(stream: Http2Stream): boolean {
    this.options.counters.rxMessagingError.inc();
    return this.streamFault(stream, Http2Error.PROTOCOL_ERROR);
  }

  /** A stream error by the peer; false when it was one too many. */
  protected streamFault(stream: Http2Stream, error: number): boolean {
    stream.over = true;
    stream.onFault(error);
    this.resetStream(stream, error);
    return this.#budget(this.guard.streamReset()) && this.state === 'open';
  }

  /** Refuses a stream that isn't open. */
  protected resetUnknown(id: number, error: number): boolean {
    this.output.resetStream(id, error);
    this.options.counters.txReset.inc();
    this.closedStreams.add(id, true);
    return this.#budget(this.guard.streamReset()) && this.#answersFit();
  }

  // --- the end

  /** The peer makes this side answer faster than it reads the answers (S24). */
  #answersFit(): boolean {
    if (this.output.waitingAnswers <= LIMITS.http2UnsentAnswersMax) return this.state === 'open';
    this.options.counters.outboundControlFlood.inc();
    return this.fail(Http2Error.ENHANCE_YOUR_CALM);
  }

  #budget(holds: boolean): boolean {
    return holds || this.fail(Http2Error.ENHANCE_YOUR_CALM);
  }

  /** A connection error by the peer: says so, and closes. Always false. */
  fail(error: number): false {
    if (this.state !== 'open') return false;
    this.onPeerFault(error);
    this.output.goAway(this.lastPeerStream, error);
    this.state = 'closing';
    for (const stream of this.#takeStreams()) stream.onFault(error);
    this.#end();
    return false;
  }

  /** FIN after what is written; the peer has a moment to read it. */
  protected finish(): void {
    if (this.state !== 'open') return;
    this.state = 'closing';
    this.#end();
  }

  #end(): void {
    this.#block.close();
    this.output.flushWrites();
    this.#close = new DelayedClose(this.transport, this.options.timers, this.options.delayedCloseMs);
    this.#close.start();
  }

  /** PING by which the peer's reading is known. */
  protected ping(): void {
    this.output.ping(PING, false);
  }

  /** All streams; none is open afterwards. */
  #takeStreams(): Http2Stream[] {
    const streams = this.streams.all();
    for (const stream of streams) this.drop(stream, true);
    return streams;
  }
}
