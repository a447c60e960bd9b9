// The HTTP connection manager: gives each downstream connection a codec and each of its requests a
// stream, and ends both.
import type { TimerTarget } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { StallOwner, Transport } from '../base/transport.ts';
import type { StreamOwner, StreamSettings } from '../filter/stream-settings.ts';
import { Stream } from '../filter/stream.ts';
import type { RequestSink, ServerConnection, ServerStream } from '../http/codec.ts';
import type { HttpStats } from '../telemetry/http-stats.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';
import { openCodec } from './codec-choice.ts';
import type { CodecSettings, CodecUser } from './codec-choice.ts';
import type { NetworkConnection, NetworkFilter } from './network-filter.ts';

/** A connection manager's configuration, compiled (HttpConnectionManager and its common_http_protocol_options). */
export interface HttpManagerSettings extends CodecSettings {
  readonly name: string;
  readonly stream: StreamSettings;
  readonly stats: HttpStats;
  /** Connection without a request; Envoy's default 1 h, 0 is off. */
  readonly idleTimeoutMs: number;
  /** Whole life; the connection drains when it is over. 0 is off. */
  readonly maxDurationMs: number;
  /** 0 is unlimited. */
  readonly maxRequests: number;
}

/**
 * A draining connection that stays idle is closed after this, so that a request already on its way is still answered.
 */
const DRAIN_IDLE_MS = 1000;

const IDLE_TIMER = 0;
const DURATION_TIMER = 1;

export class HttpConnectionManager implements NetworkFilter {
  readonly name: string;
  readonly #settings: HttpManagerSettings;

  constructor(settings: HttpManagerSettings) {
    this.name = settings.name;
    this.#settings = settings;
  }

  accept(
    transport: Transport, info: ConnectionInfo, onClose: (connection: NetworkConnection) => void,
  ): NetworkConnection {
    return new HttpConnection(this.#settings, transport, info, onClose);
  }

  onRefused({ tls }: ConnectionInfo): void {
    this.#settings.stats.connectionOpened(tls !== undefined);
    this.#settings.stats.connectionClosed(tls !== undefined);
  }
}

/** One downstream connection. `closing` once its next response is to be the last. */
class HttpConnection implements NetworkConnection, CodecUser, StreamOwner, StallOwner, TimerTarget {
  readonly #settings: HttpManagerSettings;
  readonly #info: ConnectionInfo;
  readonly #onClose: (connection: NetworkConnection) => void;
  readonly #codec: ServerConnection;
  readonly #idleTimer: Timer;
  readonly #durationTimer: Timer | undefined;
  #active = 0;
  #requests = 0;
  #closing = false;
  #http2 = false;

  constructor(
    settings: HttpManagerSettings,
    transport: Transport,
    info: ConnectionInfo,
    onClose: (connection: NetworkConnection) => void,
  ) {
    this.#settings = settings;
    this.#info = info;
    this.#onClose = onClose;
    const { timers } = settings.stream;
    this.#idleTimer = new Timer(timers, this, IDLE_TIMER);
    this.#durationTimer = settings.maxDurationMs > 0 ? new Timer(timers, this, DURATION_TIMER) : undefined;
    this.#durationTimer?.arm(settings.maxDurationMs);
    settings.stats.connectionOpened(info.tls !== undefined);
    this.#armIdle();
    transport.endStalls(timers, settings.http2.flushTimeoutMs, this);
    this.#codec = openCodec(transport, info.tls?.alpn, settings, this);
  }

  onProtocol(http2: boolean): void {
    this.#http2 = http2;
    this.#settings.stats.protocolKnown(http2);
  }

  onStream(stream: ServerStream): RequestSink {
    this.#settings.stats.requestOn(this.#http2);
    this.#active++;
    this.#requests++;
    this.#idleTimer.cancel();
    if (this.#settings.maxRequests > 0 && this.#requests >= this.#settings.maxRequests) this.#closing = true;
    return new Stream(this.#settings.stream, stream, this, this.#info);
  }

  onProtocolError(): void {
    this.#settings.stats.protocolError.inc();
  }

  onWriteStall(): void {
    this.#settings.stats.writeStall.inc();
  }

  /** One bad request says nothing about the others of the same connection. */
  closeAfterResponse(): void {
    if (!this.#http2) this.#closing = true;
  }

  onResponseStart(): void {
    if (this.#closing) this.#codec.drain();
  }

  onReplace(): void {
    this.#settings.stats.requestOn(this.#http2);
  }

  onStreamDone(): void {
    this.#active--;
    if (this.#active === 0) this.#armIdle();
  }

  onConnectionClose(): void {
    this.#idleTimer.cancel();
    this.#durationTimer?.cancel();
    this.#settings.stats.connectionClosed(this.#info.tls !== undefined);
    this.#onClose(this);
  }

  drain(): void {
    this.#closing = true;
    if (this.#http2) this.#codec.drain();
    else if (this.#active === 0) this.#armIdle();
  }

  destroy(): void {
    this.#codec.destroy();
  }

  onTimer(tag: number): void {
    if (tag === IDLE_TIMER) {
      if (!this.#closing) this.#settings.stats.idleTimeout.inc();
      this.#codec.drain();
      return;
    }
    this.#settings.stats.maxDurationReached.inc();
    this.drain();
  }

  #armIdle(): void {
    const { idleTimeoutMs } = this.#settings;
    if (this.#closing) this.#idleTimer.arm(DRAIN_IDLE_MS);
    else if (idleTimeoutMs > 0) this.#idleTimer.arm(idleTimeoutMs);
  }
}
