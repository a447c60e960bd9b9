// A connection lives no longer than the certificates by which its peer was let in (S58): it is told to finish before
// they end, and cut when they do.
import type { Clock } from '../base/clock.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { LIMITS } from '../config/limits.ts';

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

export class CertificateLife implements TimerTarget {
  readonly #connection: MortalConnection;
  readonly #endMs: number;
  readonly #drainMs: number;
  readonly #clock: Clock;
  readonly #timer: Timer;
  #state: State = 'waiting';

  /** `endMs` is Unix time. Nothing is called before this returns. */
  constructor(connection: MortalConnection, endMs: number, timers: TimerWheel, clock: Clock) {
    this.#connection = connection;
    this.#endMs = endMs;
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
