// How long an endpoint takes to answer: a mean that forgets with time, which peak EWMA balances by.
import type { Clock } from '../../base/clock.ts';

/** Each answer counts by the time since the one before, against `decayMs`; the first counts whole. As in Envoy. */
export class Latency {
  readonly #clock: Clock;
  decayMs: number;
  #updatedMs = 0;
  /** Milliseconds to the first byte of an answer; 0 before there was one. */
  meanMs = 0;

  constructor(clock: Clock, decayMs: number) {
    this.#clock = clock;
    this.decayMs = decayMs;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** An answer to what was sent at `sentMs`. */
  answered(sentMs: number): void {
    const now = this.#clock.nowMs();
    // An answer within the clock's grain is an answer nevertheless.
    const tookMs = Math.max(now - sentMs, Number.MIN_VALUE);
    const passedMs = now - this.#updatedMs;
    const share = this.meanMs === 0 || passedMs <= 0 ? 1 : 1 - Math.exp(-passedMs / this.decayMs);
    this.meanMs += share * (tookMs - this.meanMs);
    this.#updatedMs = now;
  }
}
