// A response that goes out no faster than a rate (HTTPFault.response_rate_limit): bytes wait for their time.
import { keep } from '../base/lent-buffer.ts';
import type { Clock } from '../base/clock.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { Headers } from '../http/headers.ts';

/** As in Envoy: bytes come free in slices of this, of which a second's are saved up at most. */
const SLICE_MS = 50;
const SLICES_MAX = 20;
const KIB = 1024;
const SECOND_MS = 1000;

/** The stream, beyond its pace. */
export interface PacedStream {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly bufferBytesMax: number;
  /** False: hold back until `resume`. */
  sendPaced(chunk: Buffer, endStream: boolean): boolean;
  sendPacedTrailers(trailers: Headers): void;
  /** There is room for more. */
  onPaceRoom(): void;
}

export class ResponsePace implements TimerTarget {
  readonly #stream: PacedStream;
  readonly #sliceBytes: number;
  readonly #timer: Timer;
  #slices = 1;
  #lastMs: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #ended = false;
  #trailers: Headers | undefined = undefined;
  #blocked = false;
  #full = false;

  constructor(kibPerSecond: number, stream: PacedStream) {
    this.#stream = stream;
    this.#sliceBytes = Math.max(1, Math.floor((kibPerSecond * KIB * SLICE_MS) / SECOND_MS));
    this.#timer = new Timer(stream.timers, this);
    this.#lastMs = stream.clock.nowMs();
  }

  /** False: hold back until there is room. */
  take(chunk: Buffer, endStream: boolean): boolean {
    if (chunk.length > 0) this.#held.push(keep(chunk));
    this.#heldBytes += chunk.length;
    this.#ended ||= endStream;
    if (!this.#timer.armed) this.#send();
    this.#full = this.#heldBytes > this.#stream.bufferBytesMax;
    return !this.#full;
  }

  takeTrailers(trailers: Headers): void {
    if (this.#held.length === 0) this.#stream.sendPacedTrailers(trailers);
    else this.#trailers = trailers;
  }

  /** The client can take more. */
  resume(): void {
    this.#blocked = false;
    if (!this.#timer.armed) this.#send();
  }

  cancel(): void {
    this.#timer.cancel();
    this.#held = [];
  }

  onTimer(): void {
    this.#send();
  }

  /** As much as has come free; the stream may end in it. */
  #send(): void {
    if (this.#blocked) return;
    this.#earn();
    const bytes = Math.min(this.#heldBytes, this.#slices * this.#sliceBytes);
    this.#slices -= Math.ceil(bytes / this.#sliceBytes);
    this.#heldBytes -= bytes;
    if (this.#heldBytes > 0) this.#timer.arm(SLICE_MS);
    if (bytes > 0 || (this.#ended && this.#held.length === 0)) this.#pass(this.#cut(bytes));
    if (this.#trailers !== undefined && this.#heldBytes === 0) this.#stream.sendPacedTrailers(this.#trailers);
    else if (this.#full && this.#heldBytes <= this.#stream.bufferBytesMax / 2) this.#makeRoom();
  }

  #earn(): void {
    const earned = Math.floor((this.#stream.clock.nowMs() - this.#lastMs) / SLICE_MS);
    this.#lastMs += earned * SLICE_MS;
    this.#slices = Math.min(SLICES_MAX, this.#slices + earned);
  }

  #pass(chunk: Buffer): void {
    const last = this.#ended && this.#heldBytes === 0;
    this.#blocked = !this.#stream.sendPaced(chunk, last) && !last;
  }

  #makeRoom(): void {
    this.#full = false;
    if (!this.#ended) this.#stream.onPaceRoom();
  }

  /** Takes so many bytes off what is held. */
  #cut(bytes: number): Buffer {
    const taken: Buffer[] = [];
    let left = bytes;
    while (left > 0) {
      const first = this.#held[0]!;
      taken.push(first.subarray(0, left));
      if (first.length > left) this.#held[0] = first.subarray(left);
      else this.#held.shift();
      left -= Math.min(left, first.length);
    }
    return taken.length === 1 ? taken[0]! : Buffer.concat(taken);
  }
}
