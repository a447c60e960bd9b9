// Waits for enough first bytes of a connection for somebody to judge it by, then puts them back.
import type { Socket } from 'node:net';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';

/** Judges first bytes as they come; each is given once, and none after a verdict. */
export interface FirstBytesReader<T> {
  push(chunk: Buffer): T | 'more';
  /** Of all bytes so far those that are not put back, because they were for the reader alone. */
  taken(verdict: T): number;
}

/** `closed`: the peer went away first and the socket is done with. */
export type FirstBytesEnd<T> = T | 'timeout' | 'closed';

/** One look at one connection; the callback is called once, with the socket paused and its bytes unread. */
export class FirstBytes<T> implements TimerTarget {
  readonly #socket: Socket;
  readonly #timer: Timer;
  readonly #reader: FirstBytesReader<T>;
  readonly #done: (result: FirstBytesEnd<T>) => void;
  readonly #chunks: Buffer[] = [];
  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    const verdict = this.#reader.push(chunk);
    if (verdict !== 'more') this.#finish(verdict, this.#reader.taken(verdict));
  };
  readonly #onEnd = (): void => {
    this.#finish('closed', 0);
    this.#socket.destroy();
  };

  constructor(
    socket: Socket, timers: TimerWheel, reader: FirstBytesReader<T>, done: (result: FirstBytesEnd<T>) => void,
  ) {
    this.#socket = socket;
    this.#reader = reader;
    this.#timer = new Timer(timers, this);
    this.#done = done;
  }

  /** `timeoutMs` 0 waits for ever. */
  start(timeoutMs: number): void {
    if (timeoutMs > 0) this.#timer.arm(timeoutMs);
    this.#socket.on('data', this.#onData);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('error', this.#onEnd);
    this.#socket.on('close', this.#onEnd);
  }

  onTimer(): void {
    this.#finish('timeout', 0);
  }

  /** Nothing has come yet. */
  get isSilent(): boolean {
    return this.#chunks.length === 0;
  }

  /** Ends the look without a verdict: the callback is not called, and the socket paused with its bytes unread. */
  release(): void {
    this.#release(0);
    this.#socket.removeListener('error', this.#onEnd);
  }

  #finish(result: FirstBytesEnd<T>, taken: number): void {
    this.#release(result === 'closed' ? Infinity : taken);
    if (result !== 'closed') this.#socket.removeListener('error', this.#onEnd);
    this.#done(result);
  }

  /** What is beyond `taken` is put back. */
  #release(taken: number): void {
    this.#timer.cancel();
    this.#socket.pause();
    this.#socket.removeListener('data', this.#onData);
    this.#socket.removeListener('end', this.#onEnd);
    this.#socket.removeListener('close', this.#onEnd);
    const left = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    if (left.length > taken) this.#socket.unshift(left.subarray(taken));
  }
}
