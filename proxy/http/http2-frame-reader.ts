// Cuts what a connection sends into frames. DATA passes on as it comes; every other frame is told when it is whole.
import { keep } from '../base/lent-buffer.ts';
import { FRAME_BYTES_MAX, FRAME_HEAD_BYTES, FrameFlag, FrameType, Http2Error, readUint31 } from './http2-frame.ts';

/** What a reader tells. Each call but `onFrameFault` says whether reading may go on. */
export interface FrameSink {
  /** A frame other than DATA, whole: its payload is bytes[start..end). */
  onFrame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): boolean;
  /** A DATA frame begins; `length` counts for flow control, `padding` bytes of it (with their count) are none. */
  onDataFrame(stream: number, length: number, padding: number, endStream: boolean): boolean;
  /** A piece of it; `last` with the end of its data. A frame without data has one empty piece. */
  onDataPiece(piece: Buffer, last: boolean): boolean;
  /** A connection error. */
  onFrameFault(error: number): void;
}

const EMPTY = Buffer.alloc(0);

/** After a call said no, or a fault, `read` must not be called again. */
export class FrameReader {
  readonly #sink: FrameSink;
  /** The beginning of a frame that isn't whole. */
  #held: Buffer | undefined = undefined;
  /** Bytes of the current DATA frame that are still to come. */
  #dataLeft = 0;
  #paddingLeft = 0;
  #inData = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Pieces are parts of `chunk`, which must stay as it is. */
  read(chunk: Buffer): void {
    const held = this.#held;
    this.#held = undefined;
    const bytes = held === undefined ? chunk : Buffer.concat([held, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const next = this.#inData ? this.#readData(bytes, at) : this.#readFrame(bytes, at);
      if (next === at) {
        this.#held = keep(at === 0 ? bytes : bytes.subarray(at));
        return;
      }
      if (next < 0) return;
      at = next;
    }
  }

  /** The position after it; the same position when it isn't whole; -1 to stop. */
  #readFrame(bytes: Buffer, at: number): number {
    if (bytes.length - at < FRAME_HEAD_BYTES) return at;
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    if (length > FRAME_BYTES_MAX) return this.#fault(Http2Error.FRAME_SIZE_ERROR);
    const type = bytes[at + 3]!;
    const flags = bytes[at + 4]!;
    const stream = readUint31(bytes, at + 5);
    const start = at + FRAME_HEAD_BYTES;
    if (type === FrameType.DATA) return this.#beginData(bytes, at, length, flags, stream);
    if (bytes.length - start < length) return at;
    return this.#sink.onFrame(type, flags, stream, bytes, start, start + length) ? start + length : -1;
  }

  #beginData(bytes: Buffer, at: number, length: number, flags: number, stream: number): number {
    let start = at + FRAME_HEAD_BYTES;
    let padding = 0;
    if ((flags & FrameFlag.PADDED) !== 0) {
      if (length === 0) return this.#fault(Http2Error.FRAME_SIZE_ERROR);
      if (start === bytes.length) return at;
      padding = bytes[start]! + 1;
      if (padding > length) return this.#fault(Http2Error.PROTOCOL_ERROR);
      start++;
    }
    this.#dataLeft = length - padding;
    this.#paddingLeft = Math.max(0, padding - 1);
    if (!this.#sink.onDataFrame(stream, length, padding, (flags & FrameFlag.END_STREAM) !== 0)) return -1;
    if (this.#dataLeft === 0 && !this.#sink.onDataPiece(EMPTY, true)) return -1;
    this.#inData = this.#dataLeft > 0 || this.#paddingLeft > 0;
    return start;
  }

  #readData(bytes: Buffer, at: number): number {
    let next = at;
    if (this.#dataLeft > 0) {
      next = Math.min(bytes.length, at + this.#dataLeft);
      this.#dataLeft -= next - at;
      const whole = at === 0 && next === bytes.length;
      if (!this.#sink.onDataPiece(whole ? bytes : bytes.subarray(at, next), this.#dataLeft === 0)) return -1;
    }
    const padding = Math.min(bytes.length - next, this.#paddingLeft);
    this.#paddingLeft -= padding;
    this.#inData = this.#dataLeft > 0 || this.#paddingLeft > 0;
    return next + padding;
  }

  #fault(error: number): number {
    this.#sink.onFrameFault(error);
    return -1;
  }
}
