// How many handshakes a worker begins in a second: each costs it a millisecond, and its sender next to nothing (S62).
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../config/limits.ts';

/** A bucket of one second's handshakes, full at first; shared by all listeners of a worker. */
export class HandshakeBudget {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #left: number;
  #filledMs: number;

  constructor(clock: Clock, perSecond: number = LIMITS.handshakesPerSecondMax) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#filledMs = clock.nowMs();
  }

  /** Whether one more may begin now. */
  take(): boolean {
    const nowMs = this.#clock.nowMs();
    this.#left = Math.min(this.#perSecond, this.#left + (nowMs - this.#filledMs) * this.#perSecond / 1000);
    this.#filledMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
