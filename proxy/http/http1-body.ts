// How a body's end is found: by length, by chunks, by the end of the connection. Each takes bytes and says what is left.
import { CHUNK_EXTENSIONS_BYTES_MAX, CHUNK_LINE_BYTES_MAX } from './http1-limits.ts';

/** What a body decoder tells its codec. */
export interface BodyTarget {
  onBodyData(chunk: Buffer): void;
  /** `trailers` is the text of the trailer section with its last CRLF, '' for none. */
  onBodyEnd(trailers: string): void;
}

/** Takes bytes; returns how many were used, or a text that says why the framing is refused. */
export interface BodyDecoder {
  feed(bytes: Buffer, target: BodyTarget): number | string;
  /** The connection ended: true when the body is complete by that. */
  readonly endsWithConnection: boolean;
}

export class LengthBody implements BodyDecoder {
  readonly endsWithConnection = false;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  feed(bytes: Buffer, target: BodyTarget): number {
    const used = Math.min(this.#left, bytes.length);
    this.#left -= used;
    if (used > 0) target.onBodyData(used === bytes.length ? bytes : bytes.subarray(0, used));
    if (this.#left === 0) target.onBodyEnd('');
    return used;
  }
}

export class UntilCloseBody implements BodyDecoder {
  readonly endsWithConnection = true;

  feed(bytes: Buffer, target: BodyTarget): number {
    target.onBodyData(bytes);
    return bytes.length;
  }
}

const CR = 13;
const LF = 10;

/** `size` line -> `data` -> `data-end` CRLF -> `size` …; a size of 0 leads to `trailers`. */
type ChunkState = 'size' | 'data' | 'data-end' | 'trailers' | 'done';

/** RFC 9112 section 7.1, strictly: hex digits at once, bounded extensions, CRLF only (S05-S07). */
export class ChunkedBody implements BodyDecoder {
  readonly endsWithConnection = false;
  readonly #trailerBytesMax: number;
  #state: ChunkState = 'size';
  /** The current line as far as it came, when it is cut between reads. */
  #line = '';
  #left = 0;
  #extensionBytes = 0;
  #trailers = '';

  constructor(trailerBytesMax: number) {
    this.#trailerBytesMax = trailerBytesMax;
  }

  feed(bytes: Buffer, target: BodyTarget): number | string {
    let at = 0;
    while (at < bytes.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        at = this.#data(bytes, at, target);
        continue;
      }
      const next = this.#takeLine(bytes, at);
      if (typeof next === 'string') return next;
      at = next.at;
      if (next.line === undefined) return at;
      const fault = this.#onLine(next.line, target);
      if (fault !== undefined) return fault;
    }
    return at;
  }

  #data(bytes: Buffer, at: number, target: BodyTarget): number {
    const used = Math.min(this.#left, bytes.length - at);
    this.#left -= used;
    if (this.#left === 0) this.#state = 'data-end';
    target.onBodyData(bytes.subarray(at, at + used));
    return at + used;
  }

  /** One line without its CRLF; undefined while it is incomplete. */
  #takeLine(bytes: Buffer, at: number): { at: number; line: string | undefined } | string {
    const max = this.#state === 'trailers' ? this.#trailerBytesMax : CHUNK_LINE_BYTES_MAX + 16;
    const lf = bytes.indexOf(LF, at);
    const end = lf === -1 ? bytes.length : lf + 1;
    if (this.#line.length + end - at > max + 2) return this.#state === 'trailers' ? 'trailers_too_large' : 'chunk_line_too_long';
    const line = this.#line + bytes.toString('latin1', at, end);
    const cr = line.indexOf('\r');
    if (lf === -1) {
      if (cr !== -1 && cr !== line.length - 1) return 'bare_cr_in_chunk';
      this.#line = line;
      return { at: end, line: undefined };
    }
    if (cr !== line.length - 2 || line.charCodeAt(line.length - 2) !== CR) return 'bare_lf_in_chunk';
    this.#line = '';
    return { at: end, line: line.slice(0, -2) };
  }

  #onLine(line: string, target: BodyTarget): string | undefined {
    if (this.#state === 'data-end') {
      if (line !== '') return 'chunk_data_not_terminated';
      this.#state = 'size';
      return undefined;
    }
    return this.#state === 'size' ? this.#onSize(line) : this.#onTrailer(line, target);
  }

  #onSize(line: string): string | undefined {
    const semicolon = line.indexOf(';');
    const digits = semicolon === -1 ? line : line.slice(0, semicolon);
    if (digits.length === 0 || digits.length > 13 || !/^[0-9a-fA-F]+$/.test(digits)) return 'invalid_chunk_size';
    if (semicolon !== -1) {
      this.#extensionBytes += line.length - semicolon;
      if (line.length - semicolon > CHUNK_LINE_BYTES_MAX || this.#extensionBytes > CHUNK_EXTENSIONS_BYTES_MAX) return 'chunk_extensions_too_large';
    }
    this.#left = Number.parseInt(digits, 16);
    if (this.#left > Number.MAX_SAFE_INTEGER) return 'invalid_chunk_size';
    this.#state = this.#left === 0 ? 'trailers' : 'data';
    return undefined;
  }

  #onTrailer(line: string, target: BodyTarget): string | undefined {
    if (line === '') {
      this.#state = 'done';
      target.onBodyEnd(this.#trailers);
      return undefined;
    }
    this.#trailers += `${line}\r\n`;
    return this.#trailers.length > this.#trailerBytesMax ? 'trailers_too_large' : undefined;
  }
}
