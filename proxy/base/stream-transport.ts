// The transport over a socket's public stream, for a runtime whose handles aren't as expected.
import type { Socket } from 'node:net';
import { keep } from './lent-buffer.ts';
import type { SocketSide } from './node-error.ts';
import { SocketLife, WRITE_HIGH_BYTES } from './socket-life.ts';

export class StreamTransport extends SocketLife {
  /** One per connection, so that a write makes no closure. */
  readonly #onFlushed = (): void => {
    if (this.socket.writableLength === 0) this.flushed();
  };

  constructor(socket: Socket, side: SocketSide) {
    super(socket, side);
  }

  writeLatin1(text: string): boolean {
    const { socket } = this;
    if (this.finished) return true;
    // A write that may have to wait carries the callback; the common one, which leaves at once, does not.
    if (socket.writableLength > 0 || text.length >= WRITE_HIGH_BYTES) socket.write(text, 'latin1', this.#onFlushed);
    else socket.write(text, 'latin1');
    return this.#room();
  }

  write(chunk: Buffer): boolean {
    const { socket } = this;
    if (this.finished) return true;
    keep(chunk);
    if (socket.writableLength > 0 || chunk.length >= WRITE_HIGH_BYTES) socket.write(chunk, this.#onFlushed);
    else socket.write(chunk);
    return this.#room();
  }

  writeAround(before: string, chunk: Buffer, after: string): boolean {
    const { socket } = this;
    if (this.finished) return true;
    socket.cork();
    if (before !== '') socket.write(before, 'latin1');
    socket.write(keep(chunk), after === '' ? this.#onFlushed : undefined);
    if (after !== '') socket.write(after, 'latin1', this.#onFlushed);
    socket.uncork();
    return this.#room();
  }

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  get holdsBytes(): boolean {
    return this.bufferedBytes > 0;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  protected startReading(): void {
    this.socket.on('data', (chunk: Buffer) => this.handler?.onData(chunk));
  }

  /** Above the mark, the flush callback of the write that was just made will tell onDrain. */
  #room(): boolean {
    if (this.socket.writableLength < WRITE_HIGH_BYTES) return true;
    return this.block();
  }
}
