// What both kinds of transport share: the socket's end, its close and its error.
import type { Socket } from 'node:net';
import { ProxyError } from './error.ts';
import { fromNodeError, type SocketSide } from './node-error.ts';
import type { TimerWheel } from './timers.ts';
import type { StallOwner, Transport, TransportHandler } from './transport.ts';
import type { StallingConnection } from './write-stall.ts';
import { WriteStall } from './write-stall.ts';

/** Bytes that may wait behind the socket before a write asks its caller to hold back (Envoy's edge value). */
export const WRITE_HIGH_BYTES = 32 * 1024;

/**
 * One connected socket. `attach` starts reading; it may be called again to hand the connection to its next owner
 * (protocol detection, then a codec, then a tunnel). No method throws, and each is harmless after the end or close.
 *
 * Half-close: the peer's FIN is told by onEnd and this side goes on sending until `end` or `destroy`. When both
 * directions have ended the socket closes by itself, and onClose is told in any case, exactly once.
 */
export abstract class SocketLife implements Transport, StallingConnection {
  readonly socket: Socket;
  readonly encrypts: boolean;
  protected handler: TransportHandler | undefined = undefined;
  /** A write has asked its caller to hold back. */
  #blocked = false;
  #stall: WriteStall | undefined = undefined;
  #stallOwner: StallOwner | undefined = undefined;
  readonly #side: SocketSide;
  #error: ProxyError | undefined = undefined;
  #listening = false;
  #closed = false;

  constructor(socket: Socket, side: SocketSide) {
    this.socket = socket;
    this.#side = side;
    this.encrypts = 'encrypted' in socket;
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.on('error', (cause) => {
      this.#error ??= fromNodeError(cause, this.#side, this.socket.connecting);
    });
    socket.on('close', () => this.#onClose());
  }

  abstract readonly bufferedBytes: number;
  abstract readonly holdsBytes: boolean;
  abstract writeLatin1(text: string): boolean;
  abstract write(chunk: Buffer): boolean;
  abstract writeAround(before: string, chunk: Buffer, after: string): boolean;
  abstract pause(): void;
  abstract resume(): void;
  protected abstract startReading(): void;

  attach(handler: TransportHandler): void {
    this.handler = handler;
    if (this.#listening) return;
    this.#listening = true;
    const { socket } = this;
    socket.on('end', () => this.handler?.onEnd());
    // The socket may have closed while it had no owner.
    if (socket.closed) process.nextTick(() => this.#onClose());
    else if (!socket.destroyed) this.startReading();
  }

  end(): void {
    if (!this.finished) this.socket.end();
  }

  destroy(reset = false): void {
    const { socket } = this;
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

  /** Nothing can be written any more. */
  protected get finished(): boolean {
    return this.socket.destroyed || this.socket.writableEnded;
  }

  endStalls(timers: TimerWheel, timeoutMs: number, owner: StallOwner): void {
    this.#stall = new WriteStall(this, timers, timeoutMs);
    this.#stallOwner = owner;
  }

  onStall(): void {
    this.#error ??= new ProxyError('stream-idle-timeout', this.#side, 'write_stall');
    this.#stallOwner!.onWriteStall();
    this.destroy();
  }

  /** A write has to ask its caller to hold back. Always false. */
  protected block(): false {
    this.#blocked = true;
    this.#stall?.begin();
    return false;
  }

  /** Everything written has reached the kernel. */
  protected flushed(): void {
    if (!this.#blocked || this.socket.destroyed) return;
    this.#blocked = false;
    this.#stall?.end();
    this.handler?.onDrain();
  }

  /** Nothing is read or written any more. */
  protected onClosed(): void {
    // Nothing to give back.
  }

  #onClose(): void {
    this.#stall?.end();
    this.onClosed();
    if (this.#closed || this.handler === undefined) return;
    this.#closed = true;
    this.handler.onClose(this.#error);
  }
}
