// What a worker remembers of tokens that it has verified: good ones with what they say, bad ones, and what that cost.
import { hash } from 'node:crypto';
import type { JwtFailure } from './jwt-failure.ts';
import type { Jwt } from './jwt-token.ts';

/** Cost of verifications that failed, in microseconds: a quarter of a core, with room for a second of bursts (S74). */
const BUDGET_US = 250_000;
const BUDGET_US_PER_MS = 250;

/** Bounded: what was asked for longest ago is forgotten. Tokens themselves are not kept. */
export class TokenMemory {
  readonly #max: number;
  readonly #known = new Map<string, Jwt | JwtFailure>();

  constructor(max: number) {
    this.#max = max;
  }

  get(token: string): Jwt | JwtFailure | undefined {
    if (this.#max === 0) return undefined;
    const key = hash('sha256', token, 'base64');
    const known = this.#known.get(key);
    if (known !== undefined && this.#known.size === this.#max) {
      this.#known.delete(key);
      this.#known.set(key, known);
    }
    return known;
  }

  put(token: string, verdict: Jwt | JwtFailure): void {
    if (this.#max === 0) return;
    if (this.#known.size >= this.#max) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(hash('sha256', token, 'base64'), verdict);
  }

  clear(): void {
    this.#known.clear();
  }

  get size(): number {
    return this.#known.size;
  }
}

/** Verifications that come to nothing are paid from it; when it is empty, unknown tokens wait for better times. */
export class VerifyBudget {
  #left = BUDGET_US;
  #atMs = 0;

  has(nowMs: number): boolean {
    const earned = Math.max(0, nowMs - this.#atMs) * BUDGET_US_PER_MS;
    this.#left = Math.min(BUDGET_US, this.#left + earned);
    this.#atMs = nowMs;
    return this.#left > 0;
  }

  pay(costUs: number): void {
    this.#left -= costUs;
  }
}
