// What both sides of an HTTP/2 connection do alike with frames other than DATA: header blocks, SETTINGS, PING, resets.
import type { ProxyError } from '../base/error.ts';
import type { Transport, TransportHandler } from '../base/transport.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { FrameDispatch } from './http2-dispatch.ts';
import type { FrameEvents } from './http2-dispatch.ts';
import { MessageFields } from './http2-fields.ts';
import { Http2Flow } from './http2-flow.ts';
import { Http2Error, Setting, WINDOW_DEFAULT } from './http2-frame.ts';
import { FrameReader } from './http2-frame-reader.ts';
import { HeaderBlock } from './http2-header-block.ts';
import { Http2Keepalive } from './http2-keepalive.ts';
import type { KeepaliveUser } from './http2-keepalive.ts';
import type { Http2Options } from './http2-options.ts';
import { readSettings } from './http2-peer-settings.ts';
import type { SettingsSink } from './http2-peer-settings.ts';

const DRAIN_PING = Buffer.alloc(8);
const KEEPALIVE_PING = Buffer.from('weftping', 'latin1');

export abstract class Http2Session extends Http2Flow
implements TransportHandler, FrameEvents, SettingsSink, KeepaliveUser {
  readonly borrows = true;
  protected readonly fields: MessageFields;
  readonly #decoder: HpackDecoder;
  readonly #reader: FrameReader;
  readonly #block: HeaderBlock;
  protected readonly keepalive: Http2Keepalive | undefined;
  /** PING frames that the peer hasn't answered. */
  #pingsOut = 0;

  constructor(transport: Transport, options: Http2Options, shared: boolean) {
    super(transport, options, shared);
    this.fields = new MessageFields(options);
    this.#decoder = new HpackDecoder(options.tableBytes);
    this.#block = new HeaderBlock(options.timers, () => this.fail(Http2Error.ENHANCE_YOUR_CALM));
    this.keepalive = options.keepalive && new Http2Keepalive(options.keepalive, options, this);
    this.#reader = new FrameReader(new FrameDispatch(this, this.#block));
  }

  /** A message's fields are in `fields`. False: the connection is lost. */
  protected abstract onHeaders(id: number, endStream: boolean, dependsOnItself: boolean): boolean;
  /** The peer is the server. */
  protected abstract readonly fromServer: boolean;
  protected abstract onSessionClosed(error: ProxyError | undefined): void;
  abstract onGoAway(lastStream: number, code: number): boolean;
  /** The peer has read all that was sent before `drainPing`. */
  protected abstract onDrainAck(): void;
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

  /** PING by which the peer's reading is known. */
  protected drainPing(): void {
    this.#ping(DRAIN_PING);
  }

  keepalivePing(): void {
    this.#ping(KEEPALIVE_PING);
  }

  #ping(payload: Buffer): void {
    this.#pingsOut++;
    this.output.ping(payload, false);
  }

  /** The peer is gone, and all streams with it. */
  onKeepaliveTimeout(): void {
    this.options.counters.keepaliveTimeout.inc();
    this.transport.destroy();
  }

  // --- from the transport

  onData(chunk: Buffer): void {
    if (this.state !== 'open') return;
    this.keepalive?.onReceived();
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
    if (this.lose(error?.cause)) this.onSessionClosed(error);
  }

  protected stopReading(): void {
    this.#block.close();
    this.keepalive?.close();
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

  onReset(id: number, code: number): boolean {
    if (this.isIdle(id)) return this.fail(Http2Error.PROTOCOL_ERROR);
    this.options.counters.rxReset.inc();
    const stream = this.streams.get(id);
    if (stream === undefined) return this.budget(this.guard.controlFrame());
    stream.over = true;
    stream.onPeerReset(code);
    this.drop(stream, false);
    return this.budget(this.guard.streamReset()) && this.state === 'open';
  }

  onSettings(bytes: Buffer, start: number, end: number): boolean {
    if (!this.budget(this.guard.controlFrame())) return false;
    const error = readSettings(bytes, start, end, this.fromServer, this);
    if (error !== Http2Error.NO_ERROR) return this.fail(error);
    this.output.settingsAck();
    this.sender.pump();
    return this.answersFit();
  }

  onSettingsAck(): boolean {
    this.credit.settle(this.streams.all());
    this.#decoder.settingsAcknowledged();
    return true;
  }

  onTableSize(bytes: number): void {
    this.sender.encoder.setPeerTableSize(bytes);
  }

  onPing(payload: Buffer): boolean {
    if (!this.budget(this.guard.pingFrame(this.sender.dataFrames))) return false;
    this.output.ping(payload, true);
    return this.answersFit();
  }

  /** Answers to nothing are a flood like any other (S24). */
  onPingAck(payload: Buffer): boolean {
    if (this.#pingsOut === 0) return this.budget(this.guard.controlFrame());
    this.#pingsOut--;
    if (payload.equals(KEEPALIVE_PING)) this.keepalive?.onAck();
    else this.onDrainAck();
    return this.state === 'open';
  }

  onPriority(id: number, error: number): boolean {
    if (!this.budget(this.guard.priorityFrame())) return false;
    if (error === Http2Error.NO_ERROR) return true;
    const stream = this.streams.get(id);
    return stream === undefined ? this.resetUnknown(id, error) : this.streamFault(stream, error);
  }

  onUnknownFrame(): boolean {
    return this.budget(this.guard.controlFrame());
  }
}
