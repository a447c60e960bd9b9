// A Transport without a socket: a codec's input is pushed by the test, its output is text.
import type { Socket } from 'node:net';
import type { ProxyError } from '../../proxy/base/error.ts';
import type { Transport, TransportHandler } from '../../proxy/base/transport.ts';

/** Bytes that wait while the test holds the peer's reading (`stalled`), before writes ask to hold back. */
const HIGH_BYTES = 32 * 1024;

export class MemoryTransport implements Transport {
  /** What was written, latin1. */
  written = '';
  /** Number of writes that would be one system call each. */
  writes = 0;
  ended = false;
  destroyed = false;
  /** destroy asked for a reset. */
  reset = false;
  paused = false;
  /** The peer doesn't read: written bytes stay in the buffer. */
  stalled = false;
  bufferedBytes = 0;
  readonly holdsBytes = false;
  readonly encrypts = false;
  #handler: TransportHandler | undefined = undefined;
  #waiting: Buffer[] = [];
  #endWaits = false;
  #closed = false;

  get socket(): Socket {
    throw new Error('a memory transport has no socket');
  }

  attach(handler: TransportHandler): void {
    this.#handler = handler;
  }

  writeLatin1(text: string): boolean {
    return this.#take(text);
  }

  write(chunk: Buffer): boolean {
    return this.#take(chunk.toString('latin1'));
  }

  writeAround(before: string, chunk: Buffer, after: string): boolean {
    return this.#take(before + chunk.toString('latin1') + after);
  }

  #take(text: string): boolean {
    if (this.destroyed || this.ended) return true;
    this.written += text;
    this.writes++;
    if (this.stalled) this.bufferedBytes += text.length;
    return this.bufferedBytes < HIGH_BYTES;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    process.nextTick(() => this.#pump());
  }

  endStalls(): void {
    // The test holds the peer's reading itself.
  }

  end(): void {
    this.ended = true;
  }

  destroy(reset = false): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.reset = reset;
    process.nextTick(() => this.close());
  }

  // --- what the peer does

  /** A copy is pushed, since codecs may write into what they receive. */
  receive(bytes: string | Buffer): void {
    this.#waiting.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes));
    this.#pump();
  }

  receiveEnd(): void {
    this.#endWaits = true;
    this.#pump();
  }

  /** The peer has read everything. */
  drain(): void {
    this.stalled = false;
    this.bufferedBytes = 0;
    if (!this.destroyed) this.#handler?.onDrain();
  }

  close(error?: ProxyError): void {
    this.destroyed = true;
    if (this.#closed) return;
    this.#closed = true;
    this.#handler?.onClose(error);
  }

  #pump(): void {
    while (!this.paused && !this.destroyed && this.#waiting.length > 0) this.#handler?.onData(this.#waiting.shift()!);
    if (this.paused || this.destroyed || !this.#endWaits || this.#waiting.length > 0) return;
    this.#endWaits = false;
    this.#handler?.onEnd();
  }
}

/** Lets everything that waits for the end of the current event happen. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
