// A connection lives no longer than the certificates by which its peer was let in (S58), nor than their root is
// trusted: it is told to finish before they end, and cut when they do.
import type { X509Certificate } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { LIMITS } from '../config/limits.ts';
import type { PeerTrust, TrustHolder } from '../telemetry/stream-info.ts';

export interface MortalConnection {
  /** Finishes what is in flight and takes nothing more. */
  drain(): void;
  /** Ends at once. */
  expire(): void;
}

/** The wall clock may be set meanwhile, of which timers know nothing: it is looked at so often at least (F21). */
const LOOK_MS = 600_000;

/** `waiting` -> `draining` -> `over`. */
type State = 'waiting' | 'draining' | 'over';

/** Of TlsInfo. */
export interface LifeFacts {
  /** Unix time. */
  readonly endMs: number;
  readonly peerCertificates?: readonly X509Certificate[] | undefined;
  readonly peerTrust?: PeerTrust | undefined;
}

export class CertificateLife implements TimerTarget, TrustHolder {
  readonly certificates: readonly X509Certificate[];
  readonly #connection: MortalConnection;
  readonly #trust: PeerTrust | undefined;
  #endMs: number;
  readonly #drainMs: number;
  readonly #clock: Clock;
  readonly #timer: Timer;
  #state: State = 'waiting';

  /** Nothing is called before this returns. */
  constructor(connection: MortalConnection, tls: LifeFacts, timers: TimerWheel, clock: Clock) {
    const { endMs, peerCertificates = [], peerTrust } = tls;
    this.#connection = connection;
    this.certificates = peerCertificates;
    this.#endMs = endMs;
    this.#trust = peerTrust;
    peerTrust?.hold(this);
    this.#clock = clock;
    this.#timer = new Timer(timers, this);
    // A tenth of what is left where that is little: a short life is not all draining.
    this.#drainMs = Math.min(LIMITS.certificateDrainMs, Math.max(0, endMs - clock.wallMs()) / 10);
    this.#arm();
  }

  /** The connection is gone. */
  close(): void {
    this.#state = 'over';
    this.#timer.cancel();
    this.#trust?.release(this);
  }

  /** The peer's root was removed: what is in flight may finish, within the time of a drain (F05). */
  untrusted(): void {
    if (this.#state === 'over') return;
    const isNew = this.#state === 'waiting';
    this.#endMs = Math.min(this.#endMs, this.#clock.wallMs() + LIMITS.certificateDrainMs);
    this.#state = 'draining';
    this.#arm();
    if (isNew) this.#connection.drain();
  }

  onTimer(): void {
    const leftMs = this.#endMs - this.#clock.wallMs();
    if (leftMs <= 0) {
      this.close();
      this.#connection.expire();
      return;
    }
    const drains = this.#state === 'waiting' && leftMs <= this.#drainMs;
    if (drains) this.#state = 'draining';
    this.#arm();
    if (drains) this.#connection.drain();
  }

  #arm(): void {
    const leftMs = this.#endMs - this.#clock.wallMs();
    const nextMs = this.#state === 'waiting' ? leftMs - this.#drainMs : leftMs;
    this.#timer.arm(Math.min(Math.max(nextMs, 0), LOOK_MS));
  }
}
