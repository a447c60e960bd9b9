// XXH64 of texts whose characters are bytes: what consistent hashing chooses by, the same number as in Envoy.

/** A 64-bit number as two unsigned halves, since a BigInt for each step would cost a microsecond a hash. */
export interface Hash64 {
  readonly hi: number;
  readonly lo: number;
}

const ZERO: Hash64 = { hi: 0, lo: 0 };
const PRIME_1: Hash64 = { hi: 0x9e3779b1, lo: 0x85ebca87 };
const PRIME_2: Hash64 = { hi: 0xc2b2ae3d, lo: 0x27d4eb4f };
const PRIME_3: Hash64 = { hi: 0x165667b1, lo: 0x9e3779f9 };
const PRIME_4: Hash64 = { hi: 0x85ebca77, lo: 0xc2b2ae63 };
const PRIME_5: Hash64 = { hi: 0x27d4eb2f, lo: 0x165667c5 };

/** Every character of `text` counts as one byte, as in header values. */
export function xxHash64(text: string, seed: Hash64 = ZERO): Hash64 {
  const { length } = text;
  const hash = new Word(seed);
  let at = 0;
  if (length >= 32) at = stripes(text, hash);
  else hash.add(PRIME_5.hi, PRIME_5.lo);
  hash.add(0, length);
  for (; at + 8 <= length; at += 8) {
    const lane = new Word(ZERO).round(wordAt(text, at + 4), wordAt(text, at));
    hash.xor(lane.hi, lane.lo).rotate(27).multiply(PRIME_1).add(PRIME_4.hi, PRIME_4.lo);
  }
  if (at + 4 <= length) {
    const lane = new Word({ hi: 0, lo: wordAt(text, at) }).multiply(PRIME_1);
    hash.xor(lane.hi, lane.lo).rotate(23).multiply(PRIME_2).add(PRIME_3.hi, PRIME_3.lo);
    at += 4;
  }
  for (; at < length; at++) {
    const lane = new Word({ hi: 0, lo: text.charCodeAt(at) & 0xff }).multiply(PRIME_5);
    hash.xor(lane.hi, lane.lo).rotate(11).multiply(PRIME_1);
  }
  return hash.shiftXor(33).multiply(PRIME_2).shiftXor(29).multiply(PRIME_3).shiftXor(32);
}

/** One place to the left, the top bit coming in at the right. */
export function rotatedOnce({ hi, lo }: Hash64): Hash64 {
  return { hi: ((hi << 1) | (lo >>> 31)) >>> 0, lo: ((lo << 1) | (hi >>> 31)) >>> 0 };
}

/** `divisor` is below 2^21, so that nothing is lost. */
export function remainder({ hi, lo }: Hash64, divisor: number): number {
  return ((hi % divisor) * (2 ** 32 % divisor) + lo) % divisor;
}

/** As `%016x` without leading zeros. */
export function hexOf({ hi, lo }: Hash64): string {
  return hi === 0 ? lo.toString(16) : hi.toString(16) + lo.toString(16).padStart(8, '0');
}

/** Four lanes of 8 bytes each, into `hash`; answers where the rest begins. */
function stripes(text: string, hash: Word): number {
  const one = new Word(hash).add(PRIME_1.hi, PRIME_1.lo).add(PRIME_2.hi, PRIME_2.lo);
  const two = new Word(hash).add(PRIME_2.hi, PRIME_2.lo);
  const three = new Word(hash);
  const four = new Word(hash).subtract(PRIME_1);
  let at = 0;
  for (; at + 32 <= text.length; at += 32) {
    one.round(wordAt(text, at + 4), wordAt(text, at));
    two.round(wordAt(text, at + 12), wordAt(text, at + 8));
    three.round(wordAt(text, at + 20), wordAt(text, at + 16));
    four.round(wordAt(text, at + 28), wordAt(text, at + 24));
  }
  hash.set(0, 0);
  for (const [lane, bits] of [[one, 1], [two, 7], [three, 12], [four, 18]] as const) {
    const turned = new Word(lane).rotate(bits);
    hash.add(turned.hi, turned.lo);
  }
  for (const lane of [one, two, three, four]) hash.merge(lane);
  return at;
}

/** Four bytes, little-endian. */
function wordAt(text: string, at: number): number {
  return ((text.charCodeAt(at) & 0xff) | ((text.charCodeAt(at + 1) & 0xff) << 8)
    | ((text.charCodeAt(at + 2) & 0xff) << 16) | ((text.charCodeAt(at + 3) & 0xff) << 24)) >>> 0;
}

/** 64-bit arithmetic in place, modulo 2^64. */
class Word implements Hash64 {
  hi: number;
  lo: number;

  constructor({ hi, lo }: Hash64) {
    this.hi = hi;
    this.lo = lo;
  }

  set(hi: number, lo: number): this {
    this.hi = hi;
    this.lo = lo;
    return this;
  }

  add(hi: number, lo: number): this {
    const sum = this.lo + lo;
    return this.set((this.hi + hi + (sum >= 2 ** 32 ? 1 : 0)) >>> 0, sum >>> 0);
  }

  subtract({ hi, lo }: Hash64): this {
    return this.set((this.hi - hi - (this.lo < lo ? 1 : 0)) >>> 0, (this.lo - lo) >>> 0);
  }

  xor(hi: number, lo: number): this {
    return this.set((this.hi ^ hi) >>> 0, (this.lo ^ lo) >>> 0);
  }

  multiply({ hi, lo }: Hash64): this {
    const high = highProduct(this.lo, lo) + Math.imul(this.hi, lo) + Math.imul(this.lo, hi);
    return this.set(high >>> 0, Math.imul(this.lo, lo) >>> 0);
  }

  /** To the left, by 1 to 31. */
  rotate(bits: number): this {
    const { hi, lo } = this;
    return this.set(((hi << bits) | (lo >>> (32 - bits))) >>> 0, ((lo << bits) | (hi >>> (32 - bits))) >>> 0);
  }

  /** `this ^= this >> bits`; bits is 29, 32 or 33. */
  shiftXor(bits: number): this {
    const { hi, lo } = this;
    if (bits >= 32) return this.xor(0, hi >>> (bits - 32));
    return this.xor(hi >>> bits, ((hi << (32 - bits)) | (lo >>> bits)) >>> 0);
  }

  /** One step of a lane with eight bytes of input. */
  round(hi: number, lo: number): this {
    const input = new Word({ hi, lo }).multiply(PRIME_2);
    return this.add(input.hi, input.lo).rotate(31).multiply(PRIME_1);
  }

  merge(lane: Hash64): this {
    const mixed = new Word(ZERO).round(lane.hi, lane.lo);
    return this.xor(mixed.hi, mixed.lo).multiply(PRIME_1).add(PRIME_4.hi, PRIME_4.lo);
  }
}

/** The upper half of a product of two unsigned 32-bit numbers. */
function highProduct(a: number, b: number): number {
  const low = (a & 0xffff) * (b & 0xffff);
  const middle = (a >>> 16) * (b & 0xffff) + (low >>> 16);
  const other = (a & 0xffff) * (b >>> 16) + (middle & 0xffff);
  return (a >>> 16) * (b >>> 16) + (middle >>> 16) + (other >>> 16);
}
