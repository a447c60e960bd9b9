// The sending side of an HTTP/2 connection: header blocks in order, DATA as windows and the transport let it out.
import { keep } from '../base/lent-buffer.ts';
import { WaitingLine } from '../base/waiting-line.ts';
import type { Headers } from './headers.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { FRAME_BYTES_MAX, WINDOW_DEFAULT, WINDOW_MAX } from './http2-frame.ts';
import type { FlushUser } from './http2-flush-deadline.ts';
import { FlushDeadline } from './http2-flush-deadline.ts';
import type { Http2Options } from './http2-options.ts';
import type { Http2Output } from './http2-output.ts';
import { encodeFields } from './http2-serializer.ts';
import type { Http2Stream } from './http2-stream.ts';

/** Who is told of streams. */
export interface SenderUser {
  /** Its last frame has been written. */
  onLocalEnd(stream: Http2Stream): void;
  /** The peer gave it no window for flushTimeoutMs. */
  onStalled(stream: Http2Stream): void;
}

const EMPTY = Buffer.alloc(0);

export class Http2Sender implements FlushUser {
  readonly output: Http2Output;
  readonly encoder = new HpackEncoder();
  readonly #user: SenderUser;
  readonly #deadline: FlushDeadline;
  /** Streams with something in their queue, in the order of their turns. */
  readonly #queued = new WaitingLine<Http2Stream>();
  /** Streams who have sent all they had, and wait to hear of room. */
  readonly #hopeful = new WaitingLine<Http2Stream>();
  #window = WINDOW_DEFAULT;
  /** DATA frames that were sent: a peer answers each with few WINDOW_UPDATEs. */
  dataFrames = 0;

  constructor(
    output: Http2Output, { timers, flushTimeoutMs }: Pick<Http2Options, 'timers' | 'flushTimeoutMs'>, user: SenderUser,
  ) {
    this.output = output;
    this.#user = user;
    this.#deadline = new FlushDeadline(this.#queued, timers, flushTimeoutMs, this);
  }

  get blocked(): boolean {
    return this.output.blocked;
  }

  onStalled(stream: Http2Stream): void {
    this.#user.onStalled(stream);
  }

  close(): void {
    this.#deadline.close();
  }

  /** False asks to hold back until onSendRoom; the chunk is kept in any case. */
  data(stream: Http2Stream, chunk: Buffer, endStream: boolean): boolean {
    if (stream.queueEmpty) {
      const sent = this.#write(stream, chunk, 0, endStream);
      if (stream.localEnded) return true;
      if (sent === chunk.length && !endStream) return this.#room(stream);
      if (chunk.length > 0) stream.queue = [keep(chunk)];
      stream.queueOffset = sent;
    } else if (chunk.length > 0) {
      (stream.queue ??= []).push(keep(chunk));
    }
    stream.queueEnd = endStream;
    stream.waits = true;
    if (stream.line === this.#queued) return false;
    stream.stalledLooks = 0;
    this.#queued.push(stream);
    this.#deadline.begin();
    return false;
  }

  trailers(stream: Http2Stream, trailers: Headers): void {
    if (stream.queueEmpty) {
      this.#writeTrailers(stream, trailers);
      return;
    }
    stream.queueTrailers = trailers;
  }

  /** The stream is gone. */
  forget(stream: Http2Stream): void {
    if (stream.line === undefined) return;
    stream.line.remove(stream);
    stream.queue = stream.queueTrailers = undefined;
    stream.queueEnd = stream.waits = false;
  }

  /** False: the window has grown beyond what there is. */
  widen(increment: number): boolean {
    this.#window += increment;
    return this.#window <= WINDOW_MAX;
  }

  /** Sends what may leave now, a frame of each stream in turn, then tells those who have room. */
  pump(): void {
    const queued = this.#queued;
    let stuck = 0;
    while (queued.first !== undefined && stuck < queued.size && !this.output.blocked) {
      const stream = queued.first;
      if (this.#turn(stream)) stuck = stream.stalledLooks = 0;
      else stuck++;
      if (stream.line === queued) (stream.queueEmpty ? this.#hopeful : queued).push(stream);
    }
    while (this.#hopeful.first !== undefined && !this.output.blocked) this.#tellRoom(this.#hopeful.first);
  }

  #tellRoom(stream: Http2Stream): void {
    this.#hopeful.remove(stream);
    stream.waits = false;
    stream.onSendRoom();
  }

  #room(stream: Http2Stream): boolean {
    if (!this.output.blocked) return true;
    if (stream.line === undefined) this.#hopeful.push(stream);
    stream.waits = true;
    return false;
  }

  /** A frame's worth of a stream's queue, and its end if that is next. Whether anything was sent. */
  #turn(stream: Http2Stream): boolean {
    const { queue } = stream;
    if (queue !== undefined) {
      const chunk = queue[0]!;
      const end = Math.min(chunk.length, stream.queueOffset + FRAME_BYTES_MAX);
      const last = queue.length === 1 && stream.queueEnd && end === chunk.length;
      const sent = this.#write(stream, end === chunk.length ? chunk : chunk.subarray(0, end), stream.queueOffset, last);
      const moved = sent > stream.queueOffset;
      stream.queueOffset = sent;
      if (sent === chunk.length) {
        stream.queueOffset = 0;
        if (queue.length === 1) stream.queue = undefined;
        else queue.shift();
      }
      if (stream.queue !== undefined) return moved;
    }
    if (stream.queueTrailers !== undefined) this.#writeTrailers(stream, stream.queueTrailers);
    else if (stream.queueEnd && !stream.localEnded) this.#write(stream, EMPTY, 0, true);
    return true;
  }

  /** Bytes of `chunk` from `at` on; the position up to which they were sent. */
  #write(stream: Http2Stream, chunk: Buffer, from: number, endStream: boolean): number {
    const { output } = this;
    let at = from;
    while (at < chunk.length && !output.blocked) {
      const room = Math.min(this.#window, stream.sendWindow, FRAME_BYTES_MAX);
      if (room <= 0) return at;
      const to = Math.min(chunk.length, at + room);
      this.#window -= to - at;
      stream.sendWindow -= to - at;
      this.#frame(stream, chunk, at, to, endStream && to === chunk.length);
      at = to;
    }
    if (endStream && chunk.length === 0) this.#frame(stream, chunk, 0, 0, true);
    return at;
  }

  #frame(stream: Http2Stream, chunk: Buffer, from: number, to: number, endStream: boolean): void {
    this.dataFrames++;
    this.output.data(stream.id, chunk, from, to, endStream);
    if (endStream) this.#end(stream);
  }

  #writeTrailers(stream: Http2Stream, trailers: Headers): void {
    const out = this.output.beginHeaders();
    const start = out.length;
    this.encoder.begin(out);
    encodeFields(this.encoder, out, trailers);
    this.output.endHeaders(out, start, stream.id, true);
    this.#end(stream);
  }

  #end(stream: Http2Stream): void {
    stream.queue = stream.queueTrailers = undefined;
    stream.queueEnd = false;
    stream.line?.remove(stream);
    stream.waits = false;
    this.#user.onLocalEnd(stream);
  }
}
