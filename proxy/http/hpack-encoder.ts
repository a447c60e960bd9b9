// HPACK's encoder (RFC 7541): fields become header blocks. Bytes are spent where saving them costs more than it brings.
import type { ByteBuffer } from '../base/byte-buffer.ts';
import { EncoderTable, TABLE_BYTES_MAX } from './hpack-encoder-table.ts';
import { encodeHuffman, huffmanBytes } from './hpack-huffman.ts';
import { Indexing } from './hpack-indexing.ts';
import { ENTRY_OVERHEAD } from './hpack-static-table.ts';

/** No size update waits. */
const NONE = -1;
/** Above this, a call into the runtime writes a text faster than a loop. */
const LOOP_CHARS_MAX = 12;
/** Shorter cookies are few enough to be guessed. */
const COOKIE_SECRET_CHARS = 20;
/** Fields that were met once and may be met again, by fingerprint. */
const SIGHTS = 128;
/** Characters that a fingerprint takes of a text. */
const SAMPLES = 64;
/** Part of the table that one field may take, and the part that one may take for its name alone. */
const FIELD_SHARE = 2;
const NAME_SHARE = 16;
/** Room for an index, or for the lengths of a name and a value. */
const FIELD_ROOM = 16;

interface Latin1 {
  latin1Write(text: string, at: number): number;
}

const STATUS: readonly string[] = Array.from({ length: 600 }, (_, status) => String(status));

/** One direction of one connection. Blocks must reach the peer whole, and in the order in which they were written. */
export class HpackEncoder {
  readonly #table = new EncoderTable();
  /**
   * A field enters the table at its second sight: what never repeats can't wash out what does. Fingerprints collide;
   * then something enters one sight too early.
   */
  readonly #sights = new Int32Array(SIGHTS);
  /** The table size that the peer knows of, and those that wait for the next block: the smallest and the last. */
  #signalled = TABLE_BYTES_MAX;
  #smallest = NONE;
  #final = NONE;

  /** Bytes that the dynamic table counts now (RFC 7541 section 4.1). */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE in bytes; at most 4096 are used. The next block begins with an update. */
  setPeerTableSize(bytes: number): void {
    const size = Math.min(bytes, TABLE_BYTES_MAX);
    this.#smallest = this.#smallest === NONE ? size : Math.min(size, this.#smallest);
    this.#final = size;
    this.#table.resize(size);
  }

  /** Begins a block. */
  begin(out: ByteBuffer): void {
    this.#table.beginBlock();
    if (this.#final === NONE) return;
    // What was evicted in between must be evicted by the peer too (RFC 7541 section 4.2).
    if (this.#smallest < this.#signalled && this.#smallest < this.#final) this.#sizeUpdate(out, this.#smallest);
    if (this.#final !== this.#signalled) this.#sizeUpdate(out, this.#final);
    this.#smallest = this.#final = NONE;
  }

  #sizeUpdate(out: ByteBuffer, size: number): void {
    out.reserve(FIELD_ROOM);
    writeInteger(out, 0x20, 0x1f, size);
    this.#signalled = size;
  }

  /** `:status`, 100-599. */
  status(out: ByteBuffer, status: number): void {
    this.field(out, ':status', STATUS[status] ?? String(status));
  }

  /** `name` is lower-case; the characters of both are bytes, which is for the caller to see to. */
  field(out: ByteBuffer, name: string, value: string): void {
    const index = this.#table.guess(name, value) || this.#table.find(name, value);
    if (index === 0) {
      this.#literal(out, name, value);
    } else {
      out.reserve(FIELD_ROOM);
      writeInteger(out, 0x80, 0x7f, index);
    }
  }

  #literal(out: ByteBuffer, name: string, value: string): void {
    const nameIndex = this.#table.nameIndex();
    const indexing = this.#indexing(value);
    const bytes = name.length + value.length + ENTRY_OVERHEAD;
    // What never repeats may enter for its name's sake.
    const enters = indexing === Indexing.REPEATED
      ? bytes * FIELD_SHARE <= this.#table.bytesMax && this.#seen(name, value)
      : indexing === Indexing.NEVER_REPEATS && nameIndex === 0 && bytes * NAME_SHARE <= this.#table.bytesMax;
    if (enters) {
      writeName(out, 0x40, 0x3f, nameIndex, name);
      // Coding costs both sides more CPU than its bytes are worth, but for what is sent once and then stays.
      if (this.#table.crowded) writeText(out, value);
      else writeHuffman(out, value);
      this.#table.add(name, value);
    } else {
      writeName(out, indexing === Indexing.SECRET ? 0x10 : 0, 0x0f, nameIndex, name);
      writeText(out, value);
    }
  }

  /** REPEATED, NEVER_REPEATS or SECRET. */
  #indexing(value: string): number {
    const { indexing } = this.#table.named.rule;
    if (indexing === Indexing.SECRET_IF_SHORT) {
      return value.length < COOKIE_SECRET_CHARS ? Indexing.SECRET : Indexing.REPEATED;
    }
    if (indexing === Indexing.PATH) return value.includes('?') ? Indexing.NEVER_REPEATS : Indexing.REPEATED;
    return indexing;
  }

  /** Whether the field was met lately. */
  #seen(name: string, value: string): boolean {
    const { seed } = this.#table.named.rule;
    const print = fingerprint(value, seed === 0 ? fingerprint(name, seed) : seed);
    const place = (print ^ (print >>> 16)) & (SIGHTS - 1);
    if (this.#sights[place] === print) return true;
    this.#sights[place] = print;
    return false;
  }
}

function fingerprint(text: string, seed: number): number {
  const step = Math.ceil(text.length / SAMPLES);
  let print = seed + text.length;
  for (let i = text.length - 1; i >= 0; i -= step) print = (Math.imul(print, 0x01000193) ^ text.charCodeAt(i)) | 0;
  return print;
}

/** RFC 7541 section 5.1. Room is there. */
function writeInteger(out: ByteBuffer, pattern: number, prefix: number, value: number): void {
  const { bytes } = out;
  if (value < prefix) {
    bytes[out.length++] = pattern | value;
    return;
  }
  let rest = value - prefix;
  bytes[out.length++] = pattern | prefix;
  for (; rest >= 0x80; rest >>>= 7) bytes[out.length++] = 0x80 | (rest & 0x7f);
  bytes[out.length++] = rest;
}

/** The name, by its index if that isn't 0. */
function writeName(out: ByteBuffer, pattern: number, prefix: number, index: number, name: string): void {
  out.reserve(FIELD_ROOM);
  writeInteger(out, pattern, prefix, index);
  if (index === 0) writeText(out, name);
}

/** Uncoded: 20 ns for a text, where Huffman's code takes 4 ns a character here and 2.5 at the peer. */
function writeText(out: ByteBuffer, text: string): void {
  out.reserve(text.length + FIELD_ROOM);
  writeInteger(out, 0, 0x7f, text.length);
  const { bytes } = out;
  let at = out.length;
  if (text.length > LOOP_CHARS_MAX) at += (bytes as Buffer & Latin1).latin1Write(text, at);
  else for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
  out.length = at;
}

/** Huffman-coded where that is shorter. */
function writeHuffman(out: ByteBuffer, text: string): void {
  const length = huffmanBytes(text);
  if (length >= text.length) {
    writeText(out, text);
    return;
  }
  out.reserve(length + FIELD_ROOM);
  writeInteger(out, 0x80, 0x7f, length);
  out.length = encodeHuffman(text, out.bytes, out.length);
}
