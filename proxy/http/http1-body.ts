// Where a body ends: after a number of bytes, after its last chunk, or with the connection.
import { LIMITS } from '../config/limits.ts';
import type { Headers } from './headers.ts';
import { BodyFault, trailerFault } from './http1-body-fault.ts';
import type { UnderscoreAction } from './http1-head-fields.ts';
import { HeadScanner, Scan } from './http1-head-scanner.ts';
import type { HeadLimits } from './http1-limits.ts';
import { collectTrailers } from './http1-trailers.ts';

/** Receives a decoded body. `end` with the last bytes; trailers come instead of it where they are passed on. */
export interface BodySink {
  onBodyData(chunk: Buffer, end: boolean): void;
  onBodyTrailers(trailers: Headers): void;
}

const EMPTY = Buffer.alloc(0);

/** Takes bytes of `chunk` from `from` on; returns the index after the last one that it used, or a BodyFault. */
export interface BodyDecoder {
  /** The body has been read whole. */
  readonly done: boolean;
  /** The end of the connection is the end of the body. */
  readonly untilClose: boolean;
  read(chunk: Buffer, from: number, sink: BodySink): number;
}

/** A body of a declared length, for one message after another. */
export class LengthBody implements BodyDecoder {
  readonly untilClose = false;
  #left = 0;

  start(length: number): void {
    this.#left = length;
  }

  get done(): boolean {
    return this.#left === 0;
  }

  read(chunk: Buffer, from: number, sink: BodySink): number {
    const to = Math.min(chunk.length, from + this.#left);
    this.#left -= to - from;
    sink.onBodyData(slice(chunk, from, to), this.#left === 0);
    return to;
  }
}

/** A body that the end of the connection ends. */
export class UntilCloseBody implements BodyDecoder {
  readonly done = false;
  readonly untilClose = true;

  read(chunk: Buffer, from: number, sink: BodySink): number {
    sink.onBodyData(slice(chunk, from, chunk.length), false);
    return chunk.length;
  }
}

/** As copyWithin, whose call costs more than a few bytes. */
function moveDown(chunk: Buffer, target: number, from: number, to: number): void {
  if (to - from > 32) chunk.copyWithin(target, from, to);
  else for (let i = from, k = target; i < to; i++, k++) chunk[k] = chunk[i]!;
}

function slice(chunk: Buffer, from: number, to: number): Buffer {
  return from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to);
}

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const DIGITS_MAX = 13;
/** Data of small chunks is moved together up to this much, so that many small chunks don't make many writes. */
const GATHER_BYTES = 8 * 1024;

/** States of a chunked body, in the order of its bytes (RFC 9112 section 7.1). */
const State = {
  SIZE: 0, // hex digits
  EXTENSION: 1, // after `;`
  SIZE_LF: 2,
  DATA: 3,
  DATA_CR: 4,
  DATA_LF: 5,
  TRAILERS: 6,
  DONE: 7,
} as const;

/** Value of a hex digit by its byte, 255 for other bytes. */
const HEX: Uint8Array = hexTable();

function hexTable(): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (let i = 0; i < 16; i++) {
    const digit = i.toString(16);
    table[digit.charCodeAt(0)] = i;
    table[digit.toUpperCase().charCodeAt(0)] = i;
  }
  return table;
}

/**
 * A chunked body, for one message after another. Only CRLF ends a line, sizes are hex digits and nothing else,
 * extensions are bounded and never passed on (S05-S07). Data of small chunks is moved together inside the buffer that
 * it came in.
 */
export class ChunkedBody implements BodyDecoder {
  readonly untilClose = false;
  readonly #limits: HeadLimits;
  readonly #passTrailers: boolean;
  readonly #underscores: UnderscoreAction;
  #scanner: HeadScanner | undefined = undefined;
  /** Trailer bytes of earlier reads. */
  #held: Buffer = EMPTY;
  #state: number = State.SIZE;
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  #extensionsTotal = 0;
  /** Data of this read that the sink hasn't seen: a range of the chunk. */
  #from = 0;
  #to = 0;

  /** `underscores`: what becomes of such names in trailers. */
  constructor(limits: HeadLimits, passTrailers: boolean, underscores: UnderscoreAction = 'allow') {
    this.#limits = limits;
    this.#passTrailers = passTrailers;
    this.#underscores = underscores;
  }

  start(): void {
    this.#state = State.SIZE;
    this.#size = this.#digits = this.#extensionBytes = this.#extensionsTotal = 0;
    this.#held = EMPTY;
    this.#scanner?.reset();
  }

  get done(): boolean {
    return this.#state === State.DONE;
  }

  read(chunk: Buffer, from: number, sink: BodySink): number {
    this.#from = this.#to = from;
    let i = from;
    while (i < chunk.length) {
      if (this.#state === State.DATA) {
        i = this.#data(chunk, i, sink);
      } else if (this.#state === State.TRAILERS) {
        return this.#trailers(chunk, i, sink);
      } else if (this.#step(chunk[i]!)) {
        i++;
      } else {
        return this.#refuse(chunk, this.#extensionsAreOver ? BodyFault.EXTENSIONS : BodyFault.CHUNK, sink);
      }
    }
    this.#emit(chunk, false, sink);
    return i;
  }

  get #extensionsAreOver(): boolean {
    return this.#extensionBytes > LIMITS.chunkExtensionBytesMax
      || this.#extensionsTotal > LIMITS.chunkExtensionsBytesMax;
  }

  /** What was good before is passed on, as it would have been had it come in a read of its own. */
  #refuse(chunk: Buffer, fault: number, sink: BodySink): number {
    this.#state = State.DONE;
    this.#emit(chunk, false, sink);
    return fault;
  }

  #data(chunk: Buffer, at: number, sink: BodySink): number {
    const to = Math.min(chunk.length, at + this.#size);
    this.#size -= to - at;
    if (this.#size === 0) this.#state = State.DATA_CR;
    const gathered = this.#to - this.#from;
    if (gathered === 0) {
      this.#from = at;
      this.#to = to;
    } else if (gathered + to - at <= GATHER_BYTES) {
      moveDown(chunk, this.#to, at, to);
      this.#to += to - at;
    } else {
      this.#emit(chunk, false, sink);
      this.#from = at;
      this.#to = to;
    }
    return to;
  }

  #emit(chunk: Buffer, end: boolean, sink: BodySink): void {
    const from = this.#from;
    const to = this.#to;
    this.#from = to;
    if (to > from) sink.onBodyData(slice(chunk, from, to), end);
    else if (end) sink.onBodyData(EMPTY, true);
  }

  /** One byte of framing; false when it has no place there. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case State.SIZE:
        return this.#sizeByte(byte);
      case State.EXTENSION:
        return this.#extensionByte(byte);
      case State.SIZE_LF:
        this.#state = this.#size === 0 ? State.TRAILERS : State.DATA;
        return byte === LF;
      case State.DATA_CR:
        this.#state = State.DATA_LF;
        return byte === CR;
      default:
        this.#state = State.SIZE;
        this.#digits = 0;
        return byte === LF;
    }
  }

  #sizeByte(byte: number): boolean {
    const digit = HEX[byte]!;
    if (digit !== 255) {
      this.#size = this.#size * 16 + digit;
      return ++this.#digits <= DIGITS_MAX;
    }
    this.#state = byte === CR ? State.SIZE_LF : State.EXTENSION;
    this.#extensionBytes = 0;
    return this.#digits > 0 && (byte === CR || byte === SEMICOLON);
  }

  #extensionByte(byte: number): boolean {
    if (byte === CR) {
      this.#state = State.SIZE_LF;
      return true;
    }
    const visible = byte >= 0x20 ? byte !== 0x7f : byte === 0x09;
    return visible && ++this.#extensionBytes <= LIMITS.chunkExtensionBytesMax
      && ++this.#extensionsTotal <= LIMITS.chunkExtensionsBytesMax;
  }

  /** The trailer section: mostly an empty line, which needs no scanner. */
  #trailers(chunk: Buffer, at: number, sink: BodySink): number {
    const empty = this.#held.length === 0 && chunk[at] === CR && chunk[at + 1] === LF;
    if (empty) return this.#finish(chunk, undefined, at + 2, sink);
    const scanner = (this.#scanner ??= new HeadScanner(this.#limits, undefined));
    const before = this.#held.length;
    const bytes = before === 0 ? chunk.subarray(at) : Buffer.concat([this.#held, chunk.subarray(at)]);
    const result = scanner.scan(bytes, 0, bytes.length);
    if (result === Scan.DONE) return this.#finish(chunk, bytes, at + scanner.length - before, sink);
    if (result !== Scan.MORE) return this.#refuse(chunk, trailerFault(result), sink);
    this.#emit(chunk, false, sink);
    this.#held = before === 0 ? Buffer.from(bytes) : bytes;
    return chunk.length;
  }

  #finish(chunk: Buffer, section: Buffer | undefined, next: number, sink: BodySink): number {
    this.#state = State.DONE;
    this.#held = EMPTY;
    const pass = section !== undefined && this.#passTrailers;
    const trailers = pass ? collectTrailers(this.#scanner!, section, this.#underscores) : undefined;
    if (pass && trailers === undefined) return this.#refuse(chunk, BodyFault.UNDERSCORE, sink);
    if (trailers === undefined || trailers.count === 0) {
      this.#emit(chunk, true, sink);
      return next;
    }
    this.#emit(chunk, false, sink);
    sink.onBodyTrailers(trailers);
    return next;
  }
}
