// Counts by name that several threads keep together, where nobody hands out slots: the names are in the memory too.
import { xxHash64 } from './xx-hash.ts';

/** Names that have a place; later ones have none. */
const NAMES_MAX = 8192;
const NAMES_BYTES = NAMES_MAX * BigInt64Array.BYTES_PER_ELEMENT;

/** One name's count. */
export interface NamedCount {
  /** To what this thread holds. */
  add(amount: number): void;
  /** Adds one and keeps it while the sum stays within `limit`; whether it did. */
  tryAdd(limit: number): boolean;
  /** Over all threads. */
  readonly sum: number;
}

/**
 * A name is known by 64 bits of its hash; its place is claimed by whoever asks first, and kept. Each thread has a count
 * of its own for it, so that what a dead thread held is taken back.
 */
export class NamedCounts {
  readonly #names: BigInt64Array;
  readonly #counts: Int32Array;
  readonly #threads: number;
  readonly #thread: number;

  /** `memory` holds `bytesFor(threads)`; plain memory will do for one thread. */
  constructor(memory: SharedArrayBuffer | ArrayBuffer, threads: number, thread: number) {
    this.#names = new BigInt64Array(memory, 0, NAMES_MAX);
    this.#counts = new Int32Array(memory, NAMES_BYTES);
    this.#threads = threads;
    this.#thread = thread;
  }

  static bytesFor(threads: number): number {
    return NAMES_BYTES + NAMES_MAX * threads * Int32Array.BYTES_PER_ELEMENT;
  }

  /** Undefined when all places are taken. Not for the path of a request. */
  of(name: string): NamedCount | undefined {
    const { hi, lo } = xxHash64(name);
    const mark = BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo)) || 1n;
    for (let i = 0; i < NAMES_MAX; i++) {
      const place = (lo + i) % NAMES_MAX;
      const found = Atomics.compareExchange(this.#names, place, 0n, mark);
      if (found !== 0n && found !== mark) continue;
      const first = place * this.#threads;
      return new ThreadCount(this.#counts.subarray(first, first + this.#threads), this.#thread);
    }
    return undefined;
  }

  /** The name's count; of this thread alone when all places are taken. */
  count(name: string): NamedCount {
    return this.of(name) ?? new ThreadCount(new Int32Array(1), 0);
  }

  /** Gives back all that a thread held; for the supervisor, when a worker has ended. */
  clearThread(thread: number): void {
    for (let at = thread; at < this.#counts.length; at += this.#threads) Atomics.store(this.#counts, at, 0);
  }
}

class ThreadCount implements NamedCount {
  readonly #counts: Int32Array;
  readonly #thread: number;

  constructor(counts: Int32Array, thread: number) {
    this.#counts = counts;
    this.#thread = thread;
  }

  add(amount: number): void {
    Atomics.add(this.#counts, this.#thread, amount);
  }

  tryAdd(limit: number): boolean {
    this.add(1);
    if (this.sum <= limit) return true;
    this.add(-1);
    return false;
  }

  get sum(): number {
    let sum = 0;
    for (let thread = 0; thread < this.#counts.length; thread++) sum += Atomics.load(this.#counts, thread);
    return sum;
  }
}
