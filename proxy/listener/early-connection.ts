// A connection that its server is asked about before its client has said a word: of its kind is who speaks first.
import type { Socket } from 'node:net';
import { openTransport } from '../base/socket-transport.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { StallOwner, Transport, TransportHandler } from '../base/transport.ts';
import type { EarlyConnection } from '../network/network-filter.ts';

export interface EarlyOwner {
  /** The server has spoken, or gone: the socket must be left without listeners. */
  onServerFirst(): void;
  /** It is the filter's from now on. */
  onKept(): void;
}

/**
 * The transport that the filter has meanwhile. Nothing is read from the socket until it is settled: by the server's
 * first word, which makes it the filter's at once, or by `settle`. From then on it stands for the socket.
 */
export class EarlyTransport implements Transport {
  readonly socket: Socket;
  readonly #owner: EarlyOwner;
  #real: Transport | undefined = undefined;
  #handler: TransportHandler | undefined = undefined;
  #isPaused = false;
  #isAbandoned = false;
  /** Set before anything can be settled. */
  connection: EarlyConnection | undefined = undefined;

  constructor(socket: Socket, owner: EarlyOwner) {
    this.socket = socket;
    this.#owner = owner;
  }

  /** The filter keeps it, or has to forget it. */
  settle(isKept: boolean): void {
    if (this.#real !== undefined || this.#isAbandoned) return;
    if (isKept) {
      this.#open();
      return;
    }
    this.#isAbandoned = true;
    this.connection?.settle(false);
    this.#handler?.onClose(undefined);
  }

  attach(handler: TransportHandler): void {
    this.#handler = handler;
    this.#real?.attach(handler);
  }

  writeLatin1(text: string): boolean {
    return this.#isAbandoned || this.#opened().writeLatin1(text);
  }

  write(chunk: Buffer): boolean {
    return this.#isAbandoned || this.#opened().write(chunk);
  }

  writeAround(before: string, chunk: Buffer, after: string): boolean {
    return this.#isAbandoned || this.#opened().writeAround(before, chunk, after);
  }

  get bufferedBytes(): number {
    return this.#real?.bufferedBytes ?? 0;
  }

  get holdsBytes(): boolean {
    return this.#real?.holdsBytes ?? false;
  }

  get encrypts(): boolean {
    return false;
  }

  pause(): void {
    this.#isPaused = true;
    this.#real?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#real?.resume();
  }

  end(): void {
    if (!this.#isAbandoned) this.#opened().end();
  }

  endStalls(timers: TimerWheel, timeoutMs: number, owner: StallOwner): void {
    this.#opened().endStalls(timers, timeoutMs, owner);
  }

  /** A server that cannot be reached, or goes, has said as much. */
  destroy(reset?: boolean): void {
    if (!this.#isAbandoned) this.#opened().destroy(reset);
  }

  #opened(): Transport {
    if (this.#real === undefined) {
      this.#owner.onServerFirst();
      this.#open();
    }
    return this.#real!;
  }

  #open(): void {
    const real = openTransport(this.socket);
    this.#real = real;
    this.#owner.onKept();
    this.connection?.settle(true);
    if (this.#handler !== undefined) real.attach(this.#handler);
    if (this.#isPaused) real.pause();
  }
}
