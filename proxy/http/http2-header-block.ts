// A header block that comes in several frames: bounded in bytes, frames and time while it is gathered (S22).
import { keep } from '../base/lent-buffer.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import { LIMITS } from '../config/limits.ts';

/** At most one is open on a connection, and no other frame may come in between. */
export class HeaderBlock implements TimerTarget {
  readonly #timer: Timer;
  readonly #onTimeout: () => void;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Its stream; 0 while none is open. */
  stream = 0;
  endStream = false;
  /** A fault of its first frame, told once the block is whole: the table must stay in step. */
  dependsOnItself = false;

  constructor(timers: TimerWheel, onTimeout: () => void) {
    this.#timer = new Timer(timers, this);
    this.#onTimeout = onTimeout;
  }

  get open(): boolean {
    return this.stream !== 0;
  }

  begin(stream: number, endStream: boolean, dependsOnItself: boolean): void {
    this.stream = stream;
    this.endStream = endStream;
    this.dependsOnItself = dependsOnItself;
  }

  /** False: too many bytes, or frames. */
  add(bytes: Buffer, start: number, end: number): boolean {
    this.#parts.push(keep(bytes.subarray(start, end)));
    this.#bytes += end - start;
    if (!this.#timer.armed) this.#timer.arm(LIMITS.http2HeaderBlockTimeoutMs);
    return this.#bytes <= LIMITS.http2HeaderBlockBytesMax && this.#parts.length <= LIMITS.http2ContinuationsMax + 1;
  }

  /** The whole block; the next one may begin. */
  take(): Buffer {
    const block = Buffer.concat(this.#parts);
    this.close();
    return block;
  }

  close(): void {
    this.stream = 0;
    this.#parts = [];
    this.#bytes = 0;
    this.#timer.cancel();
  }

  onTimer(): void {
    this.#onTimeout();
  }
}
