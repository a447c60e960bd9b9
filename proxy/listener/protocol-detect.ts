// Waits for enough first bytes of a connection to tell TLS from plaintext, and HTTP from other plaintext where a
// listener asks for it, then puts them back.
import type { Socket } from 'node:net';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import { RequestLineReader } from './http-inspector.ts';
import type { HttpInspection } from './http-inspector.ts';
import type { ClientHello } from './tls-inspector.ts';
import { HelloReader } from './tls-inspector.ts';

/** A list: protocols of HTTP. `closed`: the peer went away first and the socket is done with. */
export type Detection = ClientHello | readonly string[] | 'not-tls' | 'malformed' | 'timeout' | 'closed';

/** What is looked for, in this order. */
export interface Inspects {
  readonly tls: boolean;
  readonly http: boolean;
}

/** One look at one connection; the callback is called once, with the socket paused and its bytes unread. */
export class ProtocolDetection implements TimerTarget {
  readonly #socket: Socket;
  readonly #timer: Timer;
  readonly #done: (result: Detection) => void;
  #hello: HelloReader | undefined;
  readonly #line: RequestLineReader | undefined;
  readonly #chunks: Buffer[] = [];
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  readonly #onEnd = (): void => this.#ended();

  constructor(socket: Socket, timers: TimerWheel, inspects: Inspects, done: (result: Detection) => void) {
    this.#socket = socket;
    this.#hello = inspects.tls ? new HelloReader() : undefined;
    this.#line = inspects.http ? new RequestLineReader() : undefined;
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
    const tls = this.#hello?.push(chunk) ?? 'not-tls';
    if (tls !== 'not-tls') {
      if (tls !== 'more') this.#finish(tls);
      return;
    }
    const http = this.#httpIn(this.#hello === undefined ? [chunk] : this.#chunks);
    this.#hello = undefined;
    if (http !== 'more') this.#finish(http === 'not-http' ? 'not-tls' : http);
  }

  #httpIn(chunks: readonly Buffer[]): HttpInspection {
    let result: HttpInspection = 'not-http';
    for (const chunk of chunks) {
      result = this.#line?.push(chunk) ?? 'not-http';
      if (result !== 'more') break;
    }
    return result;
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
