// The Transport over net.Socket and tls.TLSSocket, on public socket API only.
import type { Socket } from 'node:net';
import type { ProxyError } from './error.ts';
import { fromNodeError, type SocketSide } from './node-error.ts';
import type { Transport, TransportHandler } from './transport.ts';

/** Bytes that may wait behind the socket before a write asks its caller to hold back (Envoy's edge value). */
export const WRITE_HIGH_BYTES = 32 * 1024;

/**
 * One connected socket. `attach` starts reading; it may be called again to hand the connection to its next owner
 * (protocol detection, then a codec, then a tunnel). No method throws, and each is harmless after the end or close.
 *
 * Half-close: the peer's FIN is told by onEnd and this side goes on sending until `end` or `destroy`. When both
 * directions have ended the socket closes by itself, and onClose is told in any case, exactly once.
 */
export class SocketTransport implements Transport {
  readonly socket: Socket;
  readonly #side: SocketSide;
  #handler: TransportHandler | undefined = undefined;
  #error: ProxyError | undefined = undefined;
  #blocked = false;
  #listening = false;
  #closed = false;
  /** One per connection, so that a write makes no closure. */
  readonly #onFlushed = (): void => this.#flushed();

  constructor(socket: Socket, side: SocketSide = 'downstream') {
    this.socket = socket;
    this.#side = side;
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.on('error', (cause) => {
      this.#error ??= fromNodeError(cause, this.#side, this.socket.connecting);
    });
    socket.on('close', () => this.#onClose());
  }

  attach(handler: TransportHandler): void {
    this.#handler = handler;
    if (this.#listening) return;
    this.#listening = true;
    const socket = this.socket;
    socket.on('end', () => this.#handler?.onEnd());
    socket.on('data', (chunk: Buffer) => this.#handler?.onData(chunk));
    // The socket may have closed while it had no owner.
    if (socket.closed) process.nextTick(() => this.#onClose());
  }

  writeLatin1(text: string): boolean {
    const socket = this.socket;
    if (socket.destroyed || socket.writableEnded) return true;
    if (socket.writableLength > 0 || text.length >= WRITE_HIGH_BYTES) socket.write(text, 'latin1', this.#onFlushed);
    else socket.write(text, 'latin1');
    return this.#accepted();
  }

  write(chunk: Buffer): boolean {
    const socket = this.socket;
    if (socket.destroyed || socket.writableEnded) return true;
    // A write that may have to wait carries the callback; the common one, which leaves at once, does not.
    if (socket.writableLength > 0 || chunk.length >= WRITE_HIGH_BYTES) socket.write(chunk, this.#onFlushed);
    else socket.write(chunk);
    return this.#accepted();
  }

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  cork(): void {
    this.socket.cork();
  }

  uncork(): void {
    this.socket.uncork();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    const socket = this.socket;
    if (!socket.destroyed && !socket.writableEnded) socket.end();
  }

  destroy(reset = false): void {
    const socket = this.socket;
    if (socket.destroyed) return;
    if (!reset) {
      socket.destroy();
      return;
    }
    try {
      socket.resetAndDestroy();
    } catch {
      // Only TCP handles can send RST: TLS and unix sockets close.
      socket.destroy();
    }
  }

  /** Above the mark, the flush callback of the write that was just made will tell onDrain. */
  #accepted(): boolean {
    if (this.socket.writableLength < WRITE_HIGH_BYTES) return true;
    this.#blocked = true;
    return false;
  }

  #flushed(): void {
    if (!this.#blocked || this.socket.writableLength > 0 || this.socket.destroyed) return;
    this.#blocked = false;
    this.#handler?.onDrain();
  }

  #onClose(): void {
    if (this.#closed || this.#handler === undefined) return;
    this.#closed = true;
    this.#handler.onClose(this.#error);
  }
}
