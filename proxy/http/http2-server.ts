// The server side of HTTP/2: requests of many streams at once, and an end that loses none (GOAWAY in two steps).
import { ProxyError } from '../base/error.ts';
import type { TimerTarget } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { Transport } from '../base/transport.ts';
import type { ServerConnection, ServerConnectionHandler } from './codec.ts';
import { Http2Error, PREFACE, STREAM_ID_MAX, Setting } from './http2-frame.ts';
import type { Http2Options } from './http2-options.ts';
import { encodeResponse } from './http2-serializer.ts';
import { Http2ServerStream } from './http2-server-stream.ts';
import type { ServerStreamOwner } from './http2-server-stream.ts';
import { Http2Session } from './http2-session.ts';
import type { Http2Stream } from './http2-stream.ts';
import type { ResponseHead } from './message.ts';

/** A peer that doesn't answer the drain's PING is taken to have read its GOAWAY after this. */
const DRAIN_MS = 1000;

/** `warned`: the peer has been told to open no more, but those on their way are taken. `last`: no more are. */
type Drain = 'no' | 'warned' | 'last';

export class Http2ServerConnection extends Http2Session implements ServerConnection, ServerStreamOwner, TimerTarget {
  protected readonly fromServer = false;
  readonly #handler: ServerConnectionHandler;
  readonly #drainTimer: Timer;
  /** Bytes of the preface that have come. */
  #prefaceBytes = 0;
  #drain: Drain = 'no';

  constructor(transport: Transport, options: Http2Options, handler: ServerConnectionHandler) {
    super(transport, options, false);
    this.#handler = handler;
    this.#drainTimer = new Timer(options.timers, this);
    this.greet([
      Setting.MAX_CONCURRENT_STREAMS, options.streamsMax,
      ...(options.allowConnect ? [Setting.ENABLE_CONNECT_PROTOCOL, 1] : []),
    ]);
    transport.attach(this);
  }

  override onData(chunk: Buffer): void {
    if (this.#prefaceBytes === PREFACE.length) {
      super.onData(chunk);
      return;
    }
    const length = Math.min(chunk.length, PREFACE.length - this.#prefaceBytes);
    for (let i = 0; i < length; i++) {
      if (chunk[i] === PREFACE[this.#prefaceBytes + i]) continue;
      this.fail(Http2Error.PROTOCOL_ERROR);
      return;
    }
    this.#prefaceBytes += length;
    if (length < chunk.length) super.onData(chunk.subarray(length));
  }

  drain(): void {
    if (this.state !== 'open' || this.#drain !== 'no') return;
    this.#drain = 'warned';
    this.output.goAway(STREAM_ID_MAX, Http2Error.NO_ERROR);
    this.drainPing();
    this.#drainTimer.arm(DRAIN_MS);
  }

  destroy(): void {
    this.transport.destroy();
  }

  /** The second GOAWAY names the last request that will be answered. */
  onTimer(): void {
    if (this.#drain !== 'warned' || this.state !== 'open') return;
    this.#drain = 'last';
    this.#drainTimer.cancel();
    this.output.goAway(this.lastPeerStream, Http2Error.NO_ERROR);
    if (this.openStreams === 0) this.finish();
  }

  protected onDrainAck(): void {
    this.onTimer();
  }

  onGoAway(): boolean {
    // The client takes no more responses than those it has asked for; nothing else changes.
    if (this.openStreams === 0) this.drain();
    return true;
  }

  onMaxStreams(): void {
    // It bounds what servers push, which this one never does.
  }

  onConnectProtocol(): void {
    // Only servers offer it.
  }

  // --- requests

  protected isIdle(id: number): boolean {
    return id > this.lastPeerStream || (id & 1) === 0;
  }

  protected onHeaders(id: number, endStream: boolean, dependsOnItself: boolean): boolean {
    const open = this.streams.get(id);
    if (open !== undefined) return this.#onTrailers(open, endStream);
    if ((id & 1) === 0) return this.fail(Http2Error.PROTOCOL_ERROR);
    if (id <= this.lastPeerStream) return this.#onLate(id);
    if (this.#drain === 'last') return true;
    this.lastPeerStream = id;
    this.guard.streamOpened();
    if (dependsOnItself) return this.resetUnknown(id, Http2Error.PROTOCOL_ERROR);
    if (this.openStreams >= this.options.streamsMax) return this.resetUnknown(id, Http2Error.REFUSED_STREAM);
    return this.#begin(id, endStream);
  }

  #begin(id: number, endStream: boolean): boolean {
    const head = this.fields.request(endStream);
    if (head === undefined && this.fields.fault !== 'invalid-host') {
      if (this.fields.fault === 'malformed') this.options.counters.rxMessagingError.inc();
      const code = this.fields.fault === 'overflow' ? Http2Error.ENHANCE_YOUR_CALM : Http2Error.PROTOCOL_ERROR;
      return this.resetUnknown(id, code);
    }
    const stream = new Http2ServerStream(id, this, this.peerInitialWindow, this.credit.streamInitial, head);
    this.streams.add(stream);
    stream.remoteEnded = endStream;
    stream.sink = this.#handler.onStream(stream);
    if (head === undefined) stream.sink.onRequestError(new ProxyError('bad-request', 'downstream', 'invalid_host'));
    else stream.sink.onRequestHead(head, endStream);
    return true;
  }

  /** A block for a stream that is over: it was decoded, and that is all. */
  #onLate(id: number): boolean {
    if (this.closedStreams.wasReset(id)) return true;
    const ended = this.closedStreams.wasEnded(id);
    return this.fail(ended ? Http2Error.STREAM_CLOSED : Http2Error.PROTOCOL_ERROR);
  }

  #onTrailers(stream: Http2Stream, endStream: boolean): boolean {
    if (stream.remoteEnded) return this.streamFault(stream, Http2Error.STREAM_CLOSED);
    const trailers = this.fields.trailers();
    if (!endStream || trailers === undefined || !stream.countBody(0, true)) return this.messageFault(stream);
    stream.remoteEnded = true;
    if (!stream.over) stream.onTrailers(trailers);
    this.remoteEnd(stream);
    return true;
  }

  protected onStreamGone(): void {
    if (this.#drain === 'last' && this.openStreams === 0) this.finish();
  }

  protected onPeerFault(): void {
    this.#handler.onProtocolError();
  }

  protected onSessionClosed(): void {
    this.#drainTimer.cancel();
    this.#handler.onConnectionClose();
  }

  // --- responses

  sendResponseHead(stream: Http2ServerStream, head: ResponseHead, length: number, endStream: boolean): void {
    const out = this.output.beginHeaders();
    const start = out.length;
    encodeResponse(this.sender.encoder, out, head, length);
    this.output.endHeaders(out, start, stream.id, endStream);
    if (endStream) this.localEnd(stream);
  }

  /** The response is whole: a client that still sends its request may stop (RFC 9113 section 8.1). */
  protected override localEnd(stream: Http2Stream): void {
    super.localEnd(stream);
    if (stream.localEnded && !stream.remoteEnded) this.resetStream(stream, Http2Error.NO_ERROR);
  }
}
