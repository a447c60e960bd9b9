// HPACK's decoder (RFC 7541): header blocks become fields. What is out of bounds ends the connection (S26).
import { FIELD_VALUE } from './char-class.ts';
import { FieldRole, findName, HASH_START, hashByte, nameOf, roleOf } from './header-names.ts';
import { DynamicTable } from './hpack-dynamic-table.ts';
import { decodedBytesMax, decodeHuffman } from './hpack-huffman.ts';
import { STATIC_LAST, STATIC_TABLE, TableEntry } from './hpack-static-table.ts';
import { latin1Text, SHORT_TEXT_MAX } from './hpack-text.ts';
import { FieldKind, isSpace, NAME_BYTE, nameKind } from './http2-field.ts';

/** SETTINGS_HEADER_TABLE_SIZE before anybody says anything (RFC 9113 section 6.5.2). */
export const TABLE_BYTES_DEFAULT = 4096;
/** Continuation bytes of an integer: 28 bits, more than any block has bytes. */
const INTEGER_SHIFT_MAX = 21;
/** The smallest and the last one between two blocks (RFC 7541 section 4.2). */
const SIZE_UPDATES_MAX = 2;
const SCRATCH_BYTES = 16_384;

/** Huffman-coded strings are decoded here, one after the other: nothing stays. */
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

export interface FieldSink {
  /**
   * A field, in the block's order; `kind` is one of `FieldKind`. It may be called after the sink has had enough: the
   * table must stay in step. `size` is the bytes of name and value, without any overhead.
   */
  onField(name: string, value: string, kind: number, size: number): void;
}

/** One direction of one connection. */
export class HpackDecoder {
  readonly #bytesMax: number;
  readonly #table: DynamicTable;
  /** The next block must begin with a size update. */
  #updateDue = false;
  /** What the last read string or name was, beside where it ended. */
  #text = '';
  #kind = 0;
  #clean = true;
  /** Where the last integer ended. */
  #at = 0;
  /** The whole block as text, once a long raw string has been met: others are cut from it at a quarter of the cost. */
  #blockText = '';
  #blockStart = 0;

  /**
   * `tableSizeMax` is our SETTINGS_HEADER_TABLE_SIZE in bytes, default 4096. A peer that hasn't seen it yet uses 4096
   * (RFC 7541 section 4.2), so a smaller one holds from its first size update, or from `settingsAcknowledged`.
   */
  constructor(tableSizeMax: number = TABLE_BYTES_DEFAULT) {
    this.#bytesMax = tableSizeMax;
    this.#table = new DynamicTable(TABLE_BYTES_DEFAULT);
  }

  /** Bytes that the dynamic table counts now (RFC 7541 section 4.1). */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** The peer knows our setting: a table that is larger must be cut at the beginning of the next block. */
  settingsAcknowledged(): void {
    this.#updateDue = this.#table.bytesMax > this.#bytesMax;
  }

  /** Decodes the block bytes[start..end). False: COMPRESSION_ERROR, and the connection is lost. Never throws. */
  decode(bytes: Buffer, start: number, end: number, sink: FieldSink): boolean {
    this.#blockStart = start;
    let at = this.#sizeUpdates(bytes, start, end);
    if (this.#updateDue) at = -1;
    while (at !== -1 && at < end) {
      const first = bytes[at]!;
      if (first >= 0x80) at = this.#indexed(bytes, at, end, sink);
      else if (first >= 0x40) at = this.#literal(bytes, at, end, sink, 0x3f);
      else if (first < 0x20) at = this.#literal(bytes, at, end, sink, 0x0f);
      else at = -1;
    }
    this.#text = this.#blockText = '';
    return at !== -1;
  }

  /** Where the fields begin; -1 when an update is too large or one too many. */
  #sizeUpdates(bytes: Buffer, start: number, end: number): number {
    let at = start;
    for (let updates = 0; at < end && (bytes[at]! & 0xe0) === 0x20; at = this.#at) {
      if (++updates > SIZE_UPDATES_MAX) return -1;
      const size = this.#integer(bytes, at, end, 0x1f);
      if (size === -1 || size > this.#bytesMax) return -1;
      this.#table.resize(size);
      this.#updateDue = false;
    }
    return at;
  }

  #indexed(bytes: Buffer, from: number, end: number, sink: FieldSink): number {
    let index = bytes[from]! & 0x7f;
    let at = from + 1;
    if (index === 0x7f) {
      index = this.#integer(bytes, from, end, 0x7f);
      at = this.#at;
    }
    if (index <= 0) return -1;
    const entry = index > STATIC_LAST ? this.#table.get(index - STATIC_LAST - 1) : STATIC_TABLE[index];
    if (entry === undefined) return -1;
    sink.onField(entry.name, entry.value, entry.kind, entry.size);
    return at;
  }

  #literal(bytes: Buffer, from: number, end: number, sink: FieldSink, prefix: number): number {
    let index = bytes[from]! & prefix;
    let at = from + 1;
    if (index === prefix) {
      index = this.#integer(bytes, from, end, prefix);
      if (index === -1) return -1;
      at = this.#at;
    }
    let name: string;
    let ofName: number;
    if (index === 0) {
      at = this.#readName(bytes, at, end);
      if (at === -1) return -1;
      name = this.#text;
      ofName = this.#kind;
    } else {
      const entry = index > STATIC_LAST ? this.#table.get(index - STATIC_LAST - 1) : STATIC_TABLE[index];
      if (entry === undefined) return -1;
      name = entry.name;
      ofName = entry.nameKind;
    }
    const indexing = prefix === 0x3f;
    at = this.#readValue(bytes, at, end, indexing);
    if (at === -1) return -1;
    const value = this.#text;
    const kind = this.#clean ? ofName : FieldKind.MALFORMED;
    if (indexing) this.#table.add(new TableEntry(name, value, ofName, kind));
    sink.onField(name, value, kind, name.length + value.length);
    return at;
  }

  /** Well-known names come out as one shared string, without one being made. */
  #readName(bytes: Buffer, from: number, end: number): number {
    const length = this.#stringLength(bytes, from, end);
    if (length === -1) return -1;
    const to = this.#at + length;
    if ((bytes[from]! & 0x80) === 0) {
      this.#takeName(bytes, this.#at, to);
      return to;
    }
    const out = scratchFor(length);
    const decoded = decodeHuffman(bytes, this.#at, to, out);
    if (decoded === -1) return -1;
    this.#takeName(out, 0, decoded >> 1);
    return to;
  }

  #takeName(bytes: Buffer, from: number, to: number): void {
    let hash = HASH_START;
    let clean = 1;
    for (let i = from; i < to; i++) {
      const byte = bytes[i]!;
      clean &= NAME_BYTE[byte]!;
      hash = hashByte(hash, byte);
    }
    const slot = clean === 1 ? findName(bytes, from, to, hash) : -1;
    if (slot === -1) {
      const name = (this.#text = latin1Text(bytes, from, to));
      this.#kind = clean === 1 && from < to ? FieldKind.END_TO_END : nameKind(name);
    } else {
      const name = (this.#text = nameOf(slot));
      this.#kind = roleOf(slot) === FieldRole.END_TO_END && name !== 'cookie' ? FieldKind.END_TO_END : nameKind(name);
    }
  }

  #readValue(bytes: Buffer, from: number, end: number, stays: boolean): number {
    const length = this.#stringLength(bytes, from, end);
    if (length === -1) return -1;
    const start = this.#at;
    const to = start + length;
    if ((bytes[from]! & 0x80) === 0) {
      let clean = 1;
      for (let i = start; i < to; i++) clean &= FIELD_VALUE[bytes[i]!]!;
      this.#clean = clean === 1 && !spaceAround(bytes, start, to);
      this.#text = stays || length <= SHORT_TEXT_MAX ? latin1Text(bytes, start, to) : this.#cut(bytes, start, to, end);
      return to;
    }
    const out = scratchFor(length);
    const decoded = decodeHuffman(bytes, start, to, out);
    if (decoded === -1) return -1;
    this.#clean = (decoded & 1) === 0 && !spaceAround(out, 0, decoded >> 1);
    this.#text = latin1Text(out, 0, decoded >> 1);
    return to;
  }

  /** What is cut keeps the block's text alive: not for what enters the table. */
  #cut(bytes: Buffer, from: number, to: number, end: number): string {
    if (this.#blockText === '') this.#blockText = latin1Text(bytes, this.#blockStart, end);
    return this.#blockText.substring(from - this.#blockStart, to - this.#blockStart);
  }

  /** -1 when the string doesn't end in the block; `#at` is where its bytes begin. */
  #stringLength(bytes: Buffer, from: number, end: number): number {
    if (from >= end) return -1;
    let length = bytes[from]! & 0x7f;
    if (length === 0x7f) length = this.#integer(bytes, from, end, 0x7f);
    else this.#at = from + 1;
    return length <= end - this.#at ? length : -1;
  }

  /** The integer whose prefix is in the byte at `from` (RFC 7541 section 5.1); -1 when it is too long or cut off. */
  #integer(bytes: Buffer, from: number, end: number, prefix: number): number {
    let value = bytes[from]! & prefix;
    let at = from + 1;
    if (value === prefix) {
      for (let shift = 0; ; shift += 7) {
        if (at >= end || shift > INTEGER_SHIFT_MAX) return -1;
        const byte = bytes[at++]!;
        value += (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
    }
    this.#at = at;
    return value;
  }
}

function spaceAround(bytes: Buffer, from: number, to: number): boolean {
  return from < to && (isSpace(bytes[from]!) || isSpace(bytes[to - 1]!));
}

function scratchFor(bytes: number): Buffer {
  const needed = decodedBytesMax(bytes);
  return needed <= scratch.length ? scratch : Buffer.allocUnsafeSlow(needed);
}
