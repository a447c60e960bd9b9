// Token buckets that all threads take from: a 64-bit time each in shared memory, found by a keyed hash of its name.

/** Buckets of configuration, and buckets that requests make: of one's values, clients and connections. */
export type BucketKind = 'configured' | 'made';

const CONFIGURED_SLOTS = 4096;
const MADE_SLOTS = 61_440;
const SLOTS = CONFIGURED_SLOTS + MADE_SLOTS;
/** Places in which a bucket may be. */
const WINDOW = 16;
/** Two words of seed. */
const HEADER_BYTES = 8;
const KEYS_AT = 2;
const TIMES_BYTES_AT = HEADER_BYTES + SLOTS * 4;
const NS_PER_MS = 1e6;

/** Some 253 years. */
export const FILL_NS_MAX = 8e18;

/** A bucket's name, hashed: where to look, and what must be there. */
export interface BucketKey {
  readonly kind: BucketKind;
  readonly place: number;
  /** Never 0, which is a free slot. */
  readonly mark: number;
}

/** An empty bucket is full after `FILL_NS_MAX` at most: times are 64-bit numbers. */
export interface BucketShape {
  readonly maxTokens: number;
  readonly nsPerToken: number;
}

/**
 * Of each bucket only the moment is kept at which it will be full again: tokens are counted from that, taking them is
 * one compare-and-exchange, and a bucket whose moment has passed is like one that was never used, so that its slot may
 * be given away. Only where every place of a bucket is in use does the one that is nearest to full make room. Because
 * the hash is keyed by a seed of its own, clients cannot choose values that meet in one place.
 */
export class SharedBuckets {
  static readonly bytes: number = TIMES_BYTES_AT + SLOTS * 8;
  readonly #words: Int32Array;
  readonly #times: BigInt64Array;
  readonly #nowMs: () => number;
  readonly #evicted: { inc(): void };

  /**
   * `nowMs` is one clock for all threads. `memory` holds `bytes`; plain memory will do for one thread. `evicted` counts
   * buckets that made room before they were full again.
   */
  constructor(memory: SharedArrayBuffer | ArrayBuffer, nowMs: () => number, evicted: { inc(): void }) {
    this.#words = new Int32Array(memory, 0, KEYS_AT + SLOTS);
    this.#times = new BigInt64Array(memory, TIMES_BYTES_AT, SLOTS);
    this.#nowMs = nowMs;
    this.#evicted = evicted;
  }

  /** Once, before any thread uses the memory. */
  static seed(memory: SharedArrayBuffer | ArrayBuffer, first: number, second: number): void {
    new Int32Array(memory, 0, KEYS_AT).set([first, second]);
  }

  keyOf(kind: BucketKind, name: string): BucketKey {
    const words = this.#words;
    return { kind, place: hash(name, words[0]!), mark: hash(name, words[1]!) || 1 };
  }

  /** A key that belongs to another one and to `part` alone. */
  within(key: BucketKey, part: string): BucketKey {
    return { kind: 'made', place: hash(part, key.place), mark: hash(part, key.mark) || 1 };
  }

  /** Takes tokens if so many are there. */
  take(key: BucketKey, shape: BucketShape, tokens: number): boolean {
    const slot = this.#slotOf(key);
    const cost = tokens * shape.nsPerToken;
    const room = shape.maxTokens * shape.nsPerToken;
    for (;;) {
      // Whole numbers: a sum of fractions is rounded, and a bucket of one token would lack a part of it.
      const now = Math.floor(this.#nowMs() * NS_PER_MS);
      const held = Atomics.load(this.#times, slot);
      const missing = Math.max(Number(held) - now, 0) + cost;
      if (missing > room) return false;
      if (Atomics.compareExchange(this.#times, slot, held, BigInt(Math.floor(now + missing))) === held) return true;
    }
  }

  /** Tokens that are there, with the part of one that is coming. */
  tokens(key: BucketKey, shape: BucketShape): number {
    const full = Number(Atomics.load(this.#times, this.#slotOf(key)));
    return shape.maxTokens - Math.max(0, full - Math.floor(this.#nowMs() * NS_PER_MS)) / shape.nsPerToken;
  }

  #slotOf({ kind, place, mark }: BucketKey): number {
    const first = kind === 'configured' ? 0 : CONFIGURED_SLOTS;
    const size = kind === 'configured' ? CONFIGURED_SLOTS : MADE_SLOTS;
    for (let i = 0; i < WINDOW; i++) {
      const slot = first + (((place >>> 0) + i) % size);
      if (Atomics.load(this.#words, KEYS_AT + slot) === mark) return slot;
    }
    return this.#claim(first, size, place, mark);
  }

  #claim(first: number, size: number, place: number, mark: number): number {
    const now = Math.floor(this.#nowMs() * NS_PER_MS);
    let best = first + ((place >>> 0) % size);
    let bestFull = Number.POSITIVE_INFINITY;
    for (let i = 0; i < WINDOW && bestFull > now; i++) {
      const slot = first + (((place >>> 0) + i) % size);
      const full = Number(Atomics.load(this.#times, slot));
      // Looked at after the time: whoever has taken from the slot by then has marked it before.
      if (Atomics.load(this.#words, KEYS_AT + slot) === mark) return slot;
      if (full < bestFull) {
        best = slot;
        bestFull = full;
      }
    }
    // A thread that comes second finds its own mark, or another's: then it takes from that bucket, this once.
    const before = Atomics.load(this.#words, KEYS_AT + best);
    if (Atomics.compareExchange(this.#words, KEYS_AT + best, before, mark) !== before || bestFull <= now) return best;
    this.#evicted.inc();
    Atomics.store(this.#times, best, 0n);
    return best;
  }
}

/** 32 bits; mixes as MurmurHash3 does, two bytes of a character at a time. */
export function hash(text: string, seed: number): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    h ^= k;
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64 | 0;
  }
  h ^= text.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
