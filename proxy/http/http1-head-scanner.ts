// Finds the lines of an HTTP/1.1 head by byte index: strict about every byte, no allocation until the head is whole.
import { FIELD_VALUE, TOKEN_LOWER } from './char-class.ts';
import { findName, HASH_START, hashByte } from './header-names.ts';
import type { HeadLimits } from './http1-limits.ts';

/** What a scan found. From `MALFORMED` on, the message is refused. */
export const Scan = {
  /** The head is not complete: call again with more bytes. */
  MORE: 0,
  DONE: 1,
  MALFORMED: 2,
  /** Start line over its limit. */
  START_LINE_LONG: 3,
  /** Head over its limit. */
  TOO_LARGE: 4,
  TOO_MANY: 5,
  /** HTTP of another version. */
  VERSION: 6,
  /** A request-target with a byte that has no place there. */
  TARGET: 7,
  /** A request-target with a fragment. */
  FRAGMENT: 8,
  /** A header line over its limit. */
  LINE_LONG: 9,
  METHOD_LONG: 10,
} as const;

/** Reads a start line, which stands in `buffer` from `from` to `to` without its CRLF; answers DONE or why not. */
export interface StartLine {
  accept(buffer: Uint8Array, from: number, to: number): number;
}

const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** Marks of one field: slot of its well-known name or -1, then where name and value begin and end. */
const MARKS = 5;

/**
 * Scans one head after another. A head that comes in pieces is scanned from its last incomplete line on, so that a
 * sender of single bytes costs no more than its bytes. Positions are relative to the head's start, because the bytes
 * may move between two calls.
 */
export class HeadScanner {
  readonly #limits: HeadLimits;
  /** undefined in trailer sections, which have none. */
  readonly #startLine: StartLine | undefined;
  readonly #marks: number[] = [];
  #started = false;
  #emptyLineSeen = false;
  /** Where the first line that is not yet scanned begins. */
  #next = 0;
  /** Where the start line began: after an empty line, if there was one. */
  start = 0;
  /** Number of fields. */
  count = 0;
  /** Bytes of the whole head, once DONE. */
  length = 0;

  constructor(limits: HeadLimits, startLine: StartLine | undefined) {
    this.#limits = limits;
    this.#startLine = startLine;
  }

  /** For the next head. */
  reset(): void {
    this.#started = false;
    this.#emptyLineSeen = false;
    this.#next = 0;
    this.start = 0;
    this.count = 0;
    this.length = 0;
  }

  slotAt(field: number): number {
    return this.#marks[field * MARKS]!;
  }

  nameStart(field: number): number {
    return this.#marks[field * MARKS + 1]!;
  }

  nameEnd(field: number): number {
    return this.#marks[field * MARKS + 2]!;
  }

  valueStart(field: number): number {
    return this.#marks[field * MARKS + 3]!;
  }

  valueEnd(field: number): number {
    return this.#marks[field * MARKS + 4]!;
  }

  /** Goes on with the head that begins at `base`; `end` is where the bytes end. */
  scan(buffer: Uint8Array, base: number, end: number): number {
    if (!this.#started && this.#startLine !== undefined) {
      const result = this.#scanStart(buffer, base, end);
      if (result !== Scan.DONE) return result;
    }
    return this.#scanFields(buffer, base, end);
  }

  #scanStart(buffer: Uint8Array, base: number, end: number): number {
    const from = base + this.#next;
    const max = this.#limits.startLineBytesMax;
    let i = from;
    while (i < end && FIELD_VALUE[buffer[i]!] === 1) i++;
    if (i - from > max) return Scan.START_LINE_LONG;
    if (i === end) return Scan.MORE;
    if (buffer[i] !== CR) return Scan.MALFORMED;
    if (i + 1 === end) return Scan.MORE;
    if (buffer[i + 1] !== LF) return Scan.MALFORMED;
    if (i === from) return this.#skipEmptyLine(buffer, base, end);
    const result = this.#startLine!.accept(buffer, from, i);
    if (result !== Scan.DONE) return result;
    this.start = from - base;
    this.#started = true;
    this.#next = i + 2 - base;
    return Scan.DONE;
  }

  /** One empty line before a start line is passed over (RFC 9112 section 2.2). */
  #skipEmptyLine(buffer: Uint8Array, base: number, end: number): number {
    if (this.#emptyLineSeen) return Scan.MALFORMED;
    this.#emptyLineSeen = true;
    this.#next += 2;
    return this.#scanStart(buffer, base, end);
  }

  #scanFields(buffer: Uint8Array, base: number, end: number): number {
    let pos = base + this.#next;
    for (;;) {
      if (pos >= end) return this.#more(pos, pos, end, base);
      if (buffer[pos] === CR) {
        if (pos + 1 === end) return this.#more(pos, pos, end, base);
        if (buffer[pos + 1] !== LF) return this.#overLimit(pos, pos, pos + 1, base) || Scan.MALFORMED;
        this.length = pos + 2 - base;
        return this.length > this.#limits.headBytesMax ? Scan.TOO_LARGE : Scan.DONE;
      }
      const nameStart = pos;
      let hash = HASH_START;
      let lower = 0;
      while (pos < end && (lower = TOKEN_LOWER[buffer[pos]!]!) !== 0) {
        hash = hashByte(hash, lower);
        pos++;
      }
      if (pos === end) return this.#more(nameStart, end, end, base);
      if (buffer[pos] !== COLON || pos === nameStart) {
        return this.#overLimit(nameStart, pos, pos, base) || Scan.MALFORMED;
      }
      const nameEnd = pos++;
      while (pos < end && (buffer[pos] === SP || buffer[pos] === TAB)) pos++;
      const valueStart = pos;
      while (pos < end && FIELD_VALUE[buffer[pos]!] === 1) pos++;
      if (pos === end) return this.#more(nameStart, end, end, base);
      if (buffer[pos] !== CR) return this.#overLimit(nameStart, pos, pos, base) || Scan.MALFORMED;
      if (pos + 1 === end) return this.#more(nameStart, pos, end, base);
      if (buffer[pos + 1] !== LF) return this.#overLimit(nameStart, pos, pos + 1, base) || Scan.MALFORMED;
      if (pos - nameStart > this.#limits.headerLineBytesMax || this.count === this.#limits.headerCountMax) {
        return this.#overLimit(nameStart, pos, pos + 1, base) || Scan.TOO_MANY;
      }
      let valueEnd = pos;
      while (valueEnd > valueStart && (buffer[valueEnd - 1] === SP || buffer[valueEnd - 1] === TAB)) valueEnd--;
      const slot = findName(buffer, nameStart, nameEnd, hash);
      this.#mark(slot, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base);
      pos += 2;
    }
  }

  #mark(slot: number, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const marks = this.#marks;
    const at = this.count++ * MARKS;
    marks[at] = slot;
    marks[at + 1] = nameStart;
    marks[at + 2] = nameEnd;
    marks[at + 3] = valueStart;
    marks[at + 4] = valueEnd;
  }

  /** The line that begins at `lineStart` is not whole: remembers it, unless it is over a limit already. */
  #more(lineStart: number, lineEnd: number, end: number, base: number): number {
    const over = this.#overLimit(lineStart, lineEnd, end, base);
    if (over === Scan.MORE) this.#next = lineStart - base;
    return over;
  }

  /**
   * The limit that the head's bytes before `end` exceed, or MORE for none; the last line reaches to `lineEnd` so far.
   * Of two limits it is the one that comes first in the bytes, so that a refusal is the same however they were cut.
   */
  #overLimit(lineStart: number, lineEnd: number, end: number, base: number): number {
    const { headBytesMax, headerLineBytesMax } = this.#limits;
    const long = lineEnd - lineStart > headerLineBytesMax;
    if (long && lineStart - base + headerLineBytesMax <= headBytesMax) return Scan.LINE_LONG;
    return end - base > headBytesMax ? Scan.TOO_LARGE : Scan.MORE;
  }
}
