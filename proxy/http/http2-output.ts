// What an HTTP/2 connection sends: frames gather in one buffer while an event lasts, and leave in one write.
import { ByteBuffer } from '../base/byte-buffer.ts';
import type { Transport } from '../base/transport.ts';
import type { Flushable, WriteBatch } from '../base/write-batch.ts';
import { FRAME_BYTES_MAX, FRAME_HEAD_BYTES, FrameFlag, FrameType, SETTING_BYTES } from './http2-frame.ts';
import { writeFrameHead, writeUint32 } from './http2-frame.ts';

/** Output that leaves without waiting for the end of the event. */
const FLUSH_BYTES = 64 * 1024;
/** Buffers that a worker keeps for its next events: connections have none while they say nothing. */
const SPARE_MAX = 16;

const spare: ByteBuffer[] = [];

export class Http2Output implements Flushable {
  readonly #transport: Transport;
  readonly #batch: WriteBatch;
  readonly #shared: boolean;
  #buffer: ByteBuffer | undefined = undefined;
  #queued = false;
  /** The transport asks to hold back: no DATA until `drained`. */
  blocked = false;
  /** Frames that answer the peer's, written while the transport held back (S24). */
  waitingAnswers = 0;

  /** `shared`: many others' events write to it. */
  constructor(transport: Transport, batch: WriteBatch, shared: boolean) {
    this.#transport = transport;
    this.#batch = batch;
    this.#shared = shared;
  }

  preface(bytes: Buffer): void {
    const out = this.#room(bytes.length);
    bytes.copy(out.bytes, out.length);
    out.length += bytes.length;
  }

  /** `values` alternates identifier and value. */
  settings(values: readonly number[]): void {
    const length = (values.length >> 1) * SETTING_BYTES;
    const out = this.#frame(length, FrameType.SETTINGS, 0, 0);
    for (let i = 0; i < values.length; i += 2) {
      out.bytes[out.length] = values[i]! >>> 8;
      out.bytes[out.length + 1] = values[i]!;
      writeUint32(out.bytes, out.length + 2, values[i + 1]!);
      out.length += SETTING_BYTES;
    }
  }

  settingsAck(): void {
    this.#frame(0, FrameType.SETTINGS, FrameFlag.ACK, 0);
    this.#answered();
  }

  ping(payload: Buffer, ack: boolean): void {
    const out = this.#frame(payload.length, FrameType.PING, ack ? FrameFlag.ACK : 0, 0);
    payload.copy(out.bytes, out.length);
    out.length += payload.length;
    if (ack) this.#answered();
  }

  goAway(lastStream: number, error: number): void {
    const out = this.#frame(8, FrameType.GOAWAY, 0, 0);
    writeUint32(out.bytes, out.length, lastStream);
    writeUint32(out.bytes, out.length + 4, error);
    out.length += 8;
  }

  resetStream(stream: number, error: number): void {
    this.#number(FrameType.RST_STREAM, stream, error);
    this.#answered();
  }

  windowUpdate(stream: number, increment: number): void {
    this.#number(FrameType.WINDOW_UPDATE, stream, increment);
  }

  /** Bytes [from, to) of a chunk, at most a frame's worth. */
  data(stream: number, chunk: Buffer, from: number, to: number, endStream: boolean): void {
    const out = this.#frame(to - from, FrameType.DATA, endStream ? FrameFlag.END_STREAM : 0, stream);
    if (to > from) chunk.copy(out.bytes, out.length, from, to);
    out.length += to - from;
    if (out.length >= FLUSH_BYTES) this.flushWrites();
  }

  /** Begins a header block: the caller encodes into the buffer, then calls endHeaders with what this returned. */
  beginHeaders(): ByteBuffer {
    const out = this.#room(FRAME_HEAD_BYTES);
    out.length += FRAME_HEAD_BYTES;
    return out;
  }

  /** `start` is where the block begins. */
  endHeaders(out: ByteBuffer, start: number, stream: number, endStream: boolean): void {
    const length = out.length - start;
    const flags = endStream ? FrameFlag.END_STREAM : 0;
    if (length <= FRAME_BYTES_MAX) {
      const head = start - FRAME_HEAD_BYTES;
      writeFrameHead(out.bytes, head, length, FrameType.HEADERS, flags | FrameFlag.END_HEADERS, stream);
      return;
    }
    this.#splitHeaders(out, start, stream, flags);
  }

  /** Takes back a block that was begun: its head cannot be sent. */
  abandonHeaders(out: ByteBuffer, start: number): void {
    out.length = start - FRAME_HEAD_BYTES;
  }

  flushWrites(): void {
    this.#queued = false;
    const out = this.#buffer;
    if (out === undefined || out.length === 0) return;
    this.#buffer = undefined;
    if (!this.#transport.write(out.bytes.subarray(0, out.length))) this.blocked = true;
    if (this.#transport.holdsBytes || spare.length >= SPARE_MAX || out.bytes.length > 2 * FLUSH_BYTES) return;
    out.length = 0;
    spare.push(out);
  }

  /** The transport has room again. */
  drained(): void {
    this.blocked = false;
    this.waitingAnswers = 0;
  }

  #splitHeaders(out: ByteBuffer, start: number, stream: number, flags: number): void {
    const block = Buffer.from(out.bytes.subarray(start, out.length));
    out.length = start - FRAME_HEAD_BYTES;
    for (let at = 0; at < block.length; at += FRAME_BYTES_MAX) {
      const end = Math.min(block.length, at + FRAME_BYTES_MAX);
      const last = end === block.length ? FrameFlag.END_HEADERS : 0;
      const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
      const to = this.#frame(end - at, type, at === 0 ? flags | last : last, stream);
      block.copy(to.bytes, to.length, at, end);
      to.length += end - at;
    }
  }

  #number(type: number, stream: number, value: number): void {
    const out = this.#frame(4, type, 0, stream);
    writeUint32(out.bytes, out.length, value);
    out.length += 4;
  }

  /** Writes a frame's head; there is room for its payload. */
  #frame(length: number, type: number, flags: number, stream: number): ByteBuffer {
    const out = this.#room(FRAME_HEAD_BYTES + length);
    writeFrameHead(out.bytes, out.length, length, type, flags, stream);
    out.length += FRAME_HEAD_BYTES;
    return out;
  }

  #answered(): void {
    if (this.blocked) this.waitingAnswers++;
  }

  #room(bytes: number): ByteBuffer {
    const out = (this.#buffer ??= spare.pop() ?? new ByteBuffer());
    out.reserve(bytes);
    if (!this.#queued) {
      this.#queued = true;
      if (this.#shared) this.#batch.addLate(this);
      else this.#batch.add(this);
    }
    return out;
  }
}
