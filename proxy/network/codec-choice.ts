// Which protocol a downstream connection speaks: as configured, as agreed in the TLS handshake, or by its first bytes.
import type { ProxyError } from '../base/error.ts';
import type { TimerTarget } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { Transport, TransportHandler } from '../base/transport.ts';
import type { ServerConnection, ServerConnectionHandler } from '../http/codec.ts';
import type { Http1ServerOptions } from '../http/http1-server.ts';
import { Http1ServerConnection } from '../http/http1-server.ts';
import { PREFACE } from '../http/http2-frame.ts';
import type { Http2Options } from '../http/http2-options.ts';
import { Http2ServerConnection } from '../http/http2-server.ts';

/** HttpConnectionManager's codec_type. */
export type CodecType = 'auto' | 'http1' | 'http2';

export interface CodecSettings {
  readonly codecType: CodecType;
  readonly http1: Http1ServerOptions;
  readonly http2: Http2Options;
}

/** The connection manager's side. */
export interface CodecUser extends ServerConnectionHandler {
  /** The protocol is known; requests follow. */
  onProtocol(http2: boolean): void;
}

/**
 * `alpn` is what the handshake agreed on; undefined for plaintext, or where no protocol was named. A name such as the
 * mesh's own says nothing about HTTP.
 */
export function openCodec(
  transport: Transport, alpn: string | undefined, settings: CodecSettings, user: CodecUser,
): ServerConnection {
  const { codecType } = settings;
  if (codecType === 'http1' || (codecType === 'auto' && alpn?.startsWith('http/') === true)) {
    return openHttp1(transport, settings, user);
  }
  if (codecType === 'http2' || alpn === 'h2') return openHttp2(transport, settings, user);
  return new DetectingConnection(transport, settings, user);
}

function openHttp1(transport: Transport, { http1, http2 }: CodecSettings, user: CodecUser): ServerConnection {
  user.onProtocol(false);
  return new Http1ServerConnection(transport, http1, user, http2.timers);
}

function openHttp2(transport: Transport, { http2 }: CodecSettings, user: CodecUser): ServerConnection {
  user.onProtocol(true);
  return new Http2ServerConnection(transport, http2, user);
}

/** Reads until a byte differs from HTTP/2's preface, or all of it is there; then the codec has the connection. */
class DetectingConnection implements ServerConnection, TransportHandler, TimerTarget {
  readonly #transport: Transport;
  readonly #settings: CodecSettings;
  readonly #user: CodecUser;
  readonly #deadline: Timer;
  #held: Buffer | undefined = undefined;
  #codec: (ServerConnection & TransportHandler) | undefined = undefined;

  constructor(transport: Transport, settings: CodecSettings, user: CodecUser) {
    this.#transport = transport;
    this.#settings = settings;
    this.#user = user;
    this.#deadline = new Timer(settings.http2.timers, this);
    transport.attach(this);
  }

  get openStreams(): number {
    return this.#codec?.openStreams ?? 0;
  }

  drain(): void {
    if (this.#codec === undefined) this.#transport.destroy();
    else this.#codec.drain();
  }

  destroy(): void {
    this.#transport.destroy();
  }

  onData(chunk: Buffer): void {
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    const length = Math.min(bytes.length, PREFACE.length);
    for (let i = 0; i < length; i++) if (bytes[i] !== PREFACE[i]) return this.#choose(false, bytes);
    if (length === PREFACE.length) return this.#choose(true, bytes);
    this.#held = bytes;
    if (!this.#deadline.armed) this.#deadline.arm(this.#settings.http1.headTimeoutMs);
  }

  onEnd(): void {
    this.#transport.destroy();
  }

  onDrain(): void {
    // Nothing has been written.
  }

  onClose(_error: ProxyError | undefined): void {
    this.#deadline.cancel();
    this.#user.onConnectionClose();
  }

  /** Somebody sent the beginning of a preface, and no more. */
  onTimer(): void {
    this.#choose(false, this.#held!);
  }

  #choose(http2: boolean, bytes: Buffer): void {
    this.#deadline.cancel();
    this.#held = undefined;
    const open = http2 ? openHttp2 : openHttp1;
    this.#codec = open(this.#transport, this.#settings, this.#user) as ServerConnection & TransportHandler;
    this.#codec.onData(bytes);
  }
}
