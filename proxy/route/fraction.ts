// Shares of traffic (FractionalPercent): one draw in [0, 1) falls below them or not.
import type { FractionalPercent } from '../config/percent.ts';

const DENOMINATORS = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 } as const;
const SPREAD = 2 ** 20;

/** The share as a number in [0, 1]; 0 when absent (the numerator's default). A draw below it is inside. */
export function fractionOf(percent: FractionalPercent | undefined): number {
  if (percent === undefined) return 0;
  return Math.min(1, (percent.numerator ?? 0) / DENOMINATORS[percent.denominator ?? 'HUNDRED']);
}

/** A share whose draws are whole numbers, of which its denominator takes the last digits, as in Envoy. */
export class DigitShare {
  readonly #numerator: number;
  readonly #denominator: number;

  constructor(percent: FractionalPercent) {
    this.#numerator = percent.numerator ?? 0;
    this.#denominator = DENOMINATORS[percent.denominator ?? 'HUNDRED'];
  }

  /** `random` in [0, 1): one draw that shares of two denominators look at from both of its ends. */
  takes(random: number): boolean {
    return Math.floor(random * DENOMINATORS.MILLION) % this.#denominator < this.#numerator;
  }
}

/**
 * A draw made from the low bits of another one: a request's one draw decides both whether a fractional route matches
 * and which weighted cluster it takes, and the two must not depend on each other.
 */
export function spread(random: number): number {
  return (random * SPREAD) % 1;
}
