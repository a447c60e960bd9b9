// HPACK's Huffman code (RFC 7541 appendix B), both ways.
import { FIELD_VALUE } from './char-class.ts';

/** Bits of each byte's code; the code is canonical, so that the codes follow from these. */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
  10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
  5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
  22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
  22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
  27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
  27, 27, 27, 27, 27, 26,
  // The end of a string, which never stands in one.
  30,
];
const END_OF_STRING = 256;
const LENGTH_MAX = 30;
/** Codes up to here are found by one look. All their bytes may stand in a field value: those need no other check. */
const LOOK_BITS = 12;
const LOOK_SHIFT = 32 - LOOK_BITS;
/** Where an entry below has its number of bits: what a shift takes of its distance. */
const BITS_MASK = 31;

const CODES = new Uint32Array(LENGTHS.length);
const CODE_BITS = Uint8Array.from(LENGTHS);
/** By length: the first code, how many there are, and where their symbols begin in `SYMBOLS`. */
const FIRST = new Uint32Array(LENGTH_MAX + 1);
const COUNT = new Uint16Array(LENGTH_MAX + 1);
const BEGIN = new Uint16Array(LENGTH_MAX + 1);
const SYMBOLS = new Uint16Array(LENGTHS.length);
/** By the next LOOK_BITS bits: bits of the first code in them | its byte << 8; 0 when it is longer. */
const ONE = new Int32Array(1 << LOOK_BITS);
/** The same for one or two codes: bits of both | how many << 5 | first byte << 8 | second byte << 16. */
const PAIR = new Int32Array(1 << LOOK_BITS);
buildCodes();
buildLooks();

function buildCodes(): void {
  let code = 0;
  let at = 0;
  for (let bits = 1; bits <= LENGTH_MAX; bits++) {
    FIRST[bits] = code;
    BEGIN[bits] = at;
    for (let symbol = 0; symbol < LENGTHS.length; symbol++) {
      if (LENGTHS[symbol] !== bits) continue;
      CODES[symbol] = code++;
      SYMBOLS[at++] = symbol;
    }
    COUNT[bits] = at - BEGIN[bits]!;
    code *= 2;
  }
}

function buildLooks(): void {
  for (let byte = 0; byte < END_OF_STRING; byte++) {
    const bits = LENGTHS[byte]!;
    if (bits > LOOK_BITS) continue;
    const first = CODES[byte]! << (LOOK_BITS - bits);
    ONE.fill(bits | (byte << 8), first, first + (1 << (LOOK_BITS - bits)));
  }
  for (let look = 0; look < 1 << LOOK_BITS; look++) {
    const one = ONE[look]!;
    if (one === 0) continue;
    const two = ONE[(look << (one & BITS_MASK)) & ((1 << LOOK_BITS) - 1)]!;
    const both = (one & BITS_MASK) + (two & BITS_MASK);
    PAIR[look] = two !== 0 && both <= LOOK_BITS ? both | (2 << 5) | (one & 0xff00) | ((two & 0xff00) << 8)
      : one | (1 << 5);
  }
}

/** Room that `bytes` of code can need: the shortest code has 5 bits, and one byte more may be touched. */
export function decodedBytesMax(bytes: number): number {
  return Math.ceil(bytes * 8 / 5) + 2;
}

/**
 * Decodes bytes[from..to) into `out`: twice the number of bytes, plus 1 if one of them may not stand in a field value;
 * -1 for an end-of-string symbol, or padding that isn't the fewest ones to the next byte (RFC 7541 section 5.2).
 * Two looks into 32 bits give up to four symbols without a branch: as fast as a state machine over bytes, whose tables
 * have 256 KiB, and a third faster than one over nibbles. Shifts take their distance from an entry as it is, since only
 * its low five bits count.
 */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number, out: Uint8Array): number {
  let position = from * 8;
  const last = to * 8 - 32;
  let length = 0;
  let bad = 0;
  while (position <= last) {
    const at = position >>> 3;
    const window =
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) << (position & 7);
    const first = PAIR[window >>> LOOK_SHIFT]!;
    const second = PAIR[(window << first) >>> LOOK_SHIFT]!;
    if (first !== 0) {
      out[length] = first >>> 8;
      out[length + 1] = first >>> 16;
      length += (first >>> 5) & 3;
      position += first & BITS_MASK;
    }
    if (second !== 0) {
      out[length] = second >>> 8;
      out[length + 1] = second >>> 16;
      length += (second >>> 5) & 3;
      position += second & BITS_MASK;
      continue;
    }
    const long = findLong(bytes, position, to);
    if (long === -1) return -1;
    bad |= FIELD_VALUE[long & 0xff]! ^ 1;
    out[length++] = long;
    position += long >>> 8;
  }
  return decodeEnd(bytes, position, to, out, 2 * length + bad);
}

/** The last bits, symbol by symbol; `done` is the result so far. */
function decodeEnd(bytes: Uint8Array, from: number, to: number, out: Uint8Array, done: number): number {
  let length = done >>> 1;
  let bits = to * 8 - from;
  let window = bitsAt(bytes, from, to);
  for (;;) {
    const one = ONE[window >>> LOOK_SHIFT]!;
    if (one === 0 || (one & BITS_MASK) > bits) break;
    out[length++] = one >>> 8;
    window <<= one;
    bits -= one & BITS_MASK;
  }
  if (bits < 8) return window >> (32 - bits) === -1 || bits === 0 ? 2 * length + (done & 1) : -1;
  const long = findLong(bytes, to * 8 - bits, to);
  if (long === -1) return -1;
  out[length++] = long;
  const bad = (done & 1) | (FIELD_VALUE[long & 0xff]! ^ 1);
  return decodeEnd(bytes, to * 8 - bits + (long >>> 8), to, out, 2 * length + bad);
}

/** 32 bits from this bit on, of which those from `to` on are zeros. */
function bitsAt(bytes: Uint8Array, position: number, to: number): number {
  let at = position >>> 3;
  let bits = 0;
  for (let shift = 24 + (position & 7); shift >= 0 && at < to; shift -= 8) bits |= bytes[at++]! << shift;
  return at < to ? bits | (bytes[at]! >>> (8 - (position & 7))) : bits;
}

/** byte | bits << 8 of the code of more than LOOK_BITS bits at this bit of `bytes`; -1 when there is none. */
function findLong(bytes: Uint8Array, position: number, to: number): number {
  const code = bitsAt(bytes, position, to);
  for (let bits = LOOK_BITS + 1; bits <= LENGTH_MAX && position + bits <= to * 8; bits++) {
    const rank = (code >>> (32 - bits)) - FIRST[bits]!;
    if (rank >= COUNT[bits]!) continue;
    const symbol = SYMBOLS[BEGIN[bits]! + rank]!;
    return symbol === END_OF_STRING ? -1 : symbol | (bits << 8);
  }
  return -1;
}

/** Bytes of the text's code. */
export function huffmanBytes(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += CODE_BITS[text.charCodeAt(i) & 0xff]!;
  return (bits + 7) >>> 3;
}

/** Writes the text's code, which has `huffmanBytes(text)` bytes, to `out` at `at`; returns where it ends. */
export function encodeHuffman(text: string, out: Uint8Array, at: number): number {
  let window = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i) & 0xff;
    let code = CODES[byte]!;
    let more = CODE_BITS[byte]!;
    // At most 15 bits wait: with 16 more they all fit.
    if (more > 16) {
      window = (window << (more - 16)) | (code >>> 16);
      bits += more - 16;
      code &= 0xffff;
      more = 16;
      if (bits >= 16) {
        out[at++] = window >>> (bits - 8);
        out[at++] = window >>> (bits -= 16);
      }
    }
    window = (window << more) | code;
    bits += more;
    if (bits >= 16) {
      out[at++] = window >>> (bits - 8);
      out[at++] = window >>> (bits -= 16);
    }
  }
  if (bits >= 8) out[at++] = window >>> (bits -= 8);
  if (bits > 0) out[at++] = (window << (8 - bits)) | (0xff >>> bits);
  return at;
}
