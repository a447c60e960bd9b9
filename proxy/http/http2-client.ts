// The client side of HTTP/2: many requests at once on one connection to a server.
import { ProxyError } from '../base/error.ts';
import type { Transport } from '../base/transport.ts';
import { LIMITS } from '../config/limits.ts';
import type { ClientConnection, ClientConnectionHandler, ClientStream, ResponseSink } from './codec.ts';
import { Http2Error, PREFACE, STREAM_ID_MAX, Setting } from './http2-frame.ts';
import type { Http2Options } from './http2-options.ts';
import { encodeRequest } from './http2-serializer.ts';
import { Http2ClientStream } from './http2-client-stream.ts';
import type { ClientStreamOwner } from './http2-client-stream.ts';
import { Http2Session } from './http2-session.ts';
import type { Http2Stream } from './http2-stream.ts';
import type { RequestHead } from './message.ts';

/** What a server that hasn't said yet is taken to allow (RFC 9113 section 6.5.2 recommends no less). */
const STREAMS_BEFORE_SETTINGS = 100;

/** A head that may not be sent yet. */
interface WaitingHead {
  readonly stream: Http2ClientStream;
  readonly head: RequestHead;
  readonly endStream: boolean;
}

export class Http2ClientConnection extends Http2Session implements ClientConnection, ClientStreamOwner {
  protected readonly fromServer = true;
  readonly keepAliveMs = undefined;
  readonly #handler: ClientConnectionHandler;
  #nextId = 1;
  /** Streams that were made and haven't sent their head. */
  #unsent = 0;
  peerStreamsMax: number | undefined = undefined;
  #draining = false;
  /** What the server did wrong, if that ends the connection. */
  #fault: ProxyError | undefined = undefined;
  /** The server takes upgrades (RFC 8441). */
  #connectProtocol = false;
  /** Upgrades, until the server's first SETTINGS say whether it takes them; then undefined. */
  #upgrades: WaitingHead[] | undefined = [];
  streamsStarted = 0;

  constructor(transport: Transport, options: Http2Options, handler: ClientConnectionHandler) {
    super(transport, options, true);
    this.#handler = handler;
    this.output.preface(PREFACE);
    this.greet([Setting.ENABLE_PUSH, 0]);
    transport.attach(this);
  }

  get canTakeStream(): boolean {
    return this.state === 'open' && !this.#draining
      && this.openStreams + this.#unsent < this.#streamsMax && this.#nextId < STREAM_ID_MAX;
  }

  get #streamsMax(): number {
    return Math.min(this.peerStreamsMax ?? STREAMS_BEFORE_SETTINGS, this.options.streamsMax);
  }

  newStream(sink: ResponseSink): ClientStream {
    this.keepalive?.beforeStream();
    this.streamsStarted++;
    this.#unsent++;
    return new Http2ClientStream(this, sink, this.credit.streamInitial, this.streamsStarted > 1);
  }

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    if (this.openStreams + this.#unsent === 0) this.finish();
  }

  destroy(): void {
    this.#draining = true;
    this.transport.destroy();
  }

  // --- requests

  /** Ids are given in the order of the heads, as they must be. */
  sendRequestHead(stream: Http2ClientStream, head: RequestHead, endStream: boolean): void {
    if (head.upgrade !== undefined && this.#upgrades !== undefined && this.state === 'open') {
      this.#upgrades.push({ stream, head, endStream });
      return;
    }
    this.#unsent--;
    if (this.state !== 'open') {
      stream.onLost(undefined);
      return;
    }
    if (head.upgrade !== undefined && !this.#connectProtocol) {
      const detail = 'http2.connect_protocol_not_offered';
      this.#refuse(stream, new ProxyError('upstream-protocol', 'upstream', detail, 'never'));
      return;
    }
    const out = this.output.beginHeaders();
    const start = out.length;
    if (!encodeRequest(this.sender.encoder, out, head, endStream)) {
      this.output.abandonHeaders(out, start);
      this.#refuse(stream, new ProxyError('internal', 'internal', 'invalid_request_line'));
      return;
    }
    this.guard.streamOpened();
    stream.begin(this.#nextId, this.peerInitialWindow);
    this.#nextId += 2;
    this.streams.add(stream);
    this.output.endHeaders(out, start, stream.id, endStream);
    if (endStream) this.localEnd(stream);
  }

  forget(stream: Http2ClientStream): void {
    stream.over = true;
    this.#unsent--;
    this.#handler.onStreamDone(this);
  }

  #refuse(stream: Http2ClientStream, error: ProxyError): void {
    stream.fail(error);
    this.#handler.onStreamDone(this);
  }

  // --- responses

  protected isIdle(id: number): boolean {
    return id >= this.#nextId || (id & 1) === 0;
  }

  protected onHeaders(id: number, endStream: boolean): boolean {
    const stream = this.streams.get(id) as Http2ClientStream | undefined;
    if (stream === undefined) {
      if (this.isIdle(id)) return this.fail(Http2Error.PROTOCOL_ERROR);
      return this.closedStreams.wasReset(id) || this.resetUnknown(id, Http2Error.STREAM_CLOSED);
    }
    if (stream.over) return true;
    if (stream.remoteEnded) return this.streamFault(stream, Http2Error.STREAM_CLOSED);
    return stream.responseStarted ? this.#onTrailers(stream, endStream) : this.#onHead(stream, endStream);
  }

  #onHead(stream: Http2ClientStream, endStream: boolean): boolean {
    const head = this.fields.response(endStream, stream.isHead);
    const interim = head !== undefined && head.status < 200;
    if (head === undefined || (interim && (endStream || ++stream.informational > LIMITS.informationalMax))) {
      return this.messageFault(stream);
    }
    stream.onHead(head, endStream);
    if (endStream) this.remoteEnd(stream);
    return true;
  }

  #onTrailers(stream: Http2ClientStream, endStream: boolean): boolean {
    const trailers = this.fields.trailers();
    if (!endStream || trailers === undefined || !stream.countBody(0, true)) return this.messageFault(stream);
    stream.remoteEnded = true;
    stream.onTrailers(trailers);
    this.remoteEnd(stream);
    return true;
  }

  // --- the connection

  onMaxStreams(count: number): void {
    this.peerStreamsMax = count;
  }

  override onSettings(bytes: Buffer, start: number, end: number): boolean {
    if (!super.onSettings(bytes, start, end)) return false;
    for (const { stream, head, endStream } of this.#takeUpgrades()) {
      if (stream.over) continue;
      this.sendRequestHead(stream, head, endStream);
      stream.sendHeld();
    }
    return this.state === 'open';
  }

  /** From now on no upgrade waits. */
  #takeUpgrades(): WaitingHead[] {
    const upgrades = this.#upgrades ?? [];
    this.#upgrades = undefined;
    return upgrades;
  }

  onConnectProtocol(allowed: boolean): void {
    this.#connectProtocol = allowed;
  }

  protected onDrainAck(): void {
    // Only servers drain by PING.
  }

  override onKeepaliveTimeout(): void {
    this.#stopNew();
    super.onKeepaliveTimeout();
  }

  /** Streams that the server hasn't looked at are safe to send again (RFC 9113 section 6.8). */
  onGoAway(lastStream: number, code: number): boolean {
    this.#stopNew();
    for (const stream of this.streams.all()) if (stream.id > lastStream) this.#giveBack(stream, code);
    if (this.openStreams + this.#unsent === 0) this.finish();
    return this.state === 'open';
  }

  #giveBack(stream: Http2Stream, code: number): void {
    stream.over = true;
    (stream as Http2ClientStream).onRefused(code);
    this.drop(stream, true);
  }

  #stopNew(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#handler.onDraining(this);
  }

  protected onStreamGone(): void {
    if (this.state === 'open') this.#handler.onStreamDone(this);
    if (this.#draining && this.openStreams + this.#unsent === 0) this.finish();
  }

  protected onPeerFault(error: number): void {
    this.#fault = new ProxyError('upstream-protocol', 'upstream', 'protocol_error', 'never', error);
  }

  protected onSessionClosed(error: ProxyError | undefined): void {
    for (const { stream } of this.#takeUpgrades()) if (!stream.over) stream.onLost(error);
    this.#handler.onConnectionClose(this, this.#fault ?? error);
  }
}
