// How often each caller may ask: one token bucket a caller, for a bounded number of callers.
import type { Clock } from '../proxy/base/clock.ts';

export interface RateOptions {
  /** Requests at once; also the size of a full bucket. Default 100: a deployment's pods share one identity. */
  readonly burst?: number;
  /** Requests a second after that. Default 10. */
  readonly perSecond?: number;
  /** Callers that are remembered; the one that was silent longest is forgotten. Default 10,000. */
  readonly callersMax?: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

export class CallerRate {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #callersMax: number;
  /** In the order of last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, options: RateOptions = {}) {
    this.#clock = clock;
    this.#burst = options.burst ?? 100;
    this.#perSecond = options.perSecond ?? 10;
    this.#callersMax = options.callersMax ?? 10_000;
  }

  get callers(): number {
    return this.#buckets.size;
  }

  /** True when the caller may go on; this request is then counted. */
  take(caller: string): boolean {
    const now = this.#clock.nowMs();
    const bucket = this.#buckets.get(caller) ?? { tokens: this.#burst, atMs: now };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.atMs) / 1000) * this.#perSecond);
    bucket.atMs = now;
    this.#buckets.delete(caller);
    this.#buckets.set(caller, bucket);
    if (this.#buckets.size > this.#callersMax) this.#forgetOldest();
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #forgetOldest(): void {
    for (const caller of this.#buckets.keys()) {
      this.#buckets.delete(caller);
      return;
    }
  }
}
