// How long to wait before the next attempt: a random time below a bound that doubles (faults.md F01, F02).
import type { Random } from './random.ts';

const LEAST_MS = 500;
const FIRST_BOUND_MS = 1000;
const BOUND_MS_MAX = 30_000;

/** Draws over the whole range, so that a thousand proxies that lost one server do not come back together. */
export class BackOff {
  readonly #random: Random;
  #boundMs = FIRST_BOUND_MS;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The next pause: 0.5 s to 1 s at first, 0.5 s to 30 s at last. */
  nextMs(): number {
    const bound = this.#boundMs;
    this.#boundMs = Math.min(BOUND_MS_MAX, bound * 2);
    return LEAST_MS + this.#random.float() * (bound - LEAST_MS);
  }

  /** Called when the server has proved to be well. */
  reset(): void {
    this.#boundMs = FIRST_BOUND_MS;
  }
}
