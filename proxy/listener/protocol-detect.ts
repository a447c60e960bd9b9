// Waits for enough first bytes of a connection to tell TLS from plaintext, then puts them back.
import type { Socket } from 'node:net';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { ClientHello } from './tls-inspector.ts';
import { HelloReader } from './tls-inspector.ts';

/** `closed`: the peer went away first and the socket is done with. */
export type Detection = ClientHello | 'not-tls' | 'malformed' | 'timeout' | 'closed';

/** One look at one connection; the callback is called once, with the socket paused and its bytes unread. */
export class ProtocolDetection implements TimerTarget {
  readonly #socket: Socket;
  readonly #timer: Timer;
  readonly #done: (result: Detection) => void;
  readonly #reader = new HelloReader();
  readonly #chunks: Buffer[] = [];
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  readonly #onEnd = (): void => this.#ended();

  constructor(socket: Socket, timers: TimerWheel, done: (result: Detection) => void) {
    this.#socket = socket;
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
    this.#finish('timeout');
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    const result = this.#reader.push(chunk);
    if (result !== 'more') this.#finish(result);
  }

  #ended(): void {
    this.#finish('closed');
    this.#socket.destroy();
  }

  #finish(result: Detection): void {
    this.#timer.cancel();
    this.#socket.pause();
    this.#socket.removeListener('data', this.#onData);
    this.#socket.removeListener('end', this.#onEnd);
    this.#socket.removeListener('close', this.#onEnd);
    if (result !== 'closed') {
      this.#socket.removeListener('error', this.#onEnd);
      if (this.#chunks.length > 0) this.#socket.unshift(Buffer.concat(this.#chunks));
    }
    this.#done(result);
  }
}
