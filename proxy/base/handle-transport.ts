// The transport over a socket's handle: no stream between the codec and the kernel, or TLS. The socket itself still
// connects, ends, closes and reports errors.
import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { ReadBuffer } from './lent-buffer.ts';
import {
  READ_BYTES, endLending, giveReadBuffer, hold, keep, lend, release, takeLargeBuffer, takeReadBuffer,
} from './lent-buffer.ts';
import type { SocketSide } from './node-error.ts';
import { SocketLife, WRITE_HIGH_BYTES } from './socket-life.ts';
import type { StreamHandle, WriteRequest } from './stream-handle.ts';
import { endWasRead, lastReadBytes, lastWriteWaits, reuse, setLastReadBytes, writeRequest } from './stream-handle.ts';

/** Every connection of the worker reads into it, and what was read is copied out at once, at its true size. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);
/** A read of so much is one of many. */
const GROW_BYTES = READ_BYTES / 2;

export class HandleTransport extends SocketLife {
  readonly #handle: StreamHandle;
  #paused = false;
  /** The socket's stream holds bytes, or the end, that came before this transport. */
  #early = false;
  /** End or error has been read: nothing more comes. */
  #readEnded = false;
  /** TLS gives all records of one read, whether it is paused meanwhile or not: they wait here, then the end. */
  #kept: Buffer[] | undefined = undefined;
  #keptEnd = 0;
  #endOrError: StreamHandle['onread'];
  /** A connection that reads much has a buffer of its own, which is lent; others share one and get copies. */
  #own: ReadBuffer | undefined = undefined;
  /** Writes that the kernel hasn't taken whole. */
  #waiting = 0;
  /** TLS takes one write at a time, and its end after it. Alternates what is to be written with its encoding. */
  #held: (string | Buffer)[] | undefined = undefined;
  #heldBytes = 0;
  #ending = false;

  constructor(socket: Socket, handle: StreamHandle, side: SocketSide) {
    super(socket, side);
    this.#handle = handle;
    this.#endOrError = handle.onread;
  }

  writeLatin1(text: string): boolean {
    if (this.finished) return true;
    if (this.encrypts && this.#waiting > 0) return this.#hold(text, 'latin1');
    const request = writeRequest();
    return this.#sent(request, this.#handle.writeLatin1String(request, text), undefined);
  }

  write(chunk: Buffer): boolean {
    if (this.finished) return true;
    if (this.encrypts && this.#waiting > 0) return this.#hold(chunk, 'buffer');
    const request = writeRequest();
    return this.#sent(request, this.#handle.writeBuffer(request, chunk), chunk);
  }

  writeAround(before: string, chunk: Buffer, after: string): boolean {
    if (this.finished) return true;
    const parts = [before, 'latin1', chunk, 'buffer', after, 'latin1'];
    if (!this.encrypts || this.#waiting === 0) return this.#writeParts(parts, chunk);
    this.#hold(before, 'latin1');
    this.#hold(chunk, 'buffer');
    return this.#hold(after, 'latin1');
  }

  get bufferedBytes(): number {
    if (this.#waiting === 0 || this.socket.destroyed) return 0;
    // What TLS has taken isn't counted by its handle until it is encrypted: it is more than nothing.
    return Math.max(1, this.#handle.writeQueueSize) + this.#heldBytes;
  }

  /** TLS encrypts what it is given before the call returns; only what it couldn't be given yet stays. */
  get holdsBytes(): boolean {
    return this.encrypts ? this.#held !== undefined : this.#waiting > 0;
  }

  override end(): void {
    if (this.encrypts && this.#waiting > 0) this.#ending = true;
    else super.end();
  }

  protected override get finished(): boolean {
    return this.#ending || super.finished;
  }

  pause(): void {
    this.#paused = true;
    const handle = this.#handle;
    if (!handle.reading || this.socket.destroyed) return;
    handle.reading = false;
    handle.readStop();
  }

  resume(): void {
    this.#paused = false;
    if (this.handler !== undefined) this.#start();
  }

  protected startReading(): void {
    const handle = this.#handle;
    this.#endOrError = handle.onread;
    handle.useUserBuffer(READ_BUFFER);
    handle.onread = () => {
      const length = lastReadBytes();
      if (length > 0) return this.#own === undefined ? this.#readShared(length) : this.#readOwn(this.#own, length);
      this.#takeEnd(length);
      return undefined;
    };
    this.#readEnded = endWasRead(this.socket);
    this.#early = this.#readEnded || this.socket.readableLength > 0;
    this.#start();
  }

  #readShared(length: number): Buffer | undefined {
    if (length >= GROW_BYTES && this.handler!.borrows === true) {
      const own = takeReadBuffer();
      READ_BUFFER.copy(own.bytes, 0, 0, length);
      return this.#readOwn(own, length);
    }
    const chunk = Buffer.allocUnsafe(length);
    READ_BUFFER.copy(chunk, 0, 0, length);
    this.#deliver(chunk);
    return undefined;
  }

  #readOwn(own: ReadBuffer, length: number): Buffer {
    if (this.handler!.borrows === true) lend(own);
    else own.keep();
    this.#deliver(own.bytes.subarray(0, length));
    if (endLending(own)) giveReadBuffer(own);
    this.#own = length < GROW_BYTES ? undefined : this.#nextOwn(length === own.bytes.length || own.large);
    return this.#own?.bytes ?? READ_BUFFER;
  }

  /** Who waits for the other side has a buffer of its own only if it is one of the few large ones. */
  #nextOwn(much: boolean): ReadBuffer | undefined {
    if (this.socket.destroyed) return undefined;
    return (much ? takeLargeBuffer() : undefined) ?? (this.#paused ? undefined : takeReadBuffer());
  }

  protected override onClosed(): void {
    if (this.#own !== undefined) giveReadBuffer(this.#own);
    this.#own = undefined;
  }

  #deliver(chunk: Buffer): void {
    if (this.#paused) (this.#kept ??= []).push(keep(chunk));
    else this.handler!.onData(chunk);
  }

  #start(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    // Before any further read, but not inside of the call that starts it.
    if (this.#early || this.#kept !== undefined) process.nextTick(() => this.#takeEarly());
    const handle = this.#handle;
    if (handle.reading || this.#readEnded) return;
    handle.reading = true;
    const status = handle.readStart();
    if (status !== 0) socket.destroy(systemError(status, 'read'));
  }

  #takeEarly(): void {
    if (this.#early && !this.#paused && !this.socket.destroyed) {
      this.#early = false;
      const chunk = this.socket.read() as Buffer | null;
      if (chunk !== null) this.handler!.onData(chunk);
    }
    while (this.#kept !== undefined && !this.#paused && !this.socket.destroyed) {
      const chunk = this.#kept.shift();
      if (chunk === undefined) this.#kept = undefined;
      else this.handler!.onData(chunk);
    }
    if (this.#keptEnd === 0 || this.#kept !== undefined || this.socket.destroyed) return;
    setLastReadBytes(this.#keptEnd);
    this.#keptEnd = 0;
    this.#endOrError.call(this.#handle, undefined);
  }

  #takeEnd(status: number): void {
    if (status < 0) this.#readEnded = true;
    if (this.#kept === undefined) this.#endOrError.call(this.#handle, undefined);
    else this.#keptEnd = status;
  }

  /** The kernel takes nearly every write at once; the rest of the others waits in the handle. */
  #sent(request: WriteRequest, status: number, bytes: Buffer | undefined): boolean {
    if (status !== 0) {
      this.socket.destroy(systemError(status, 'write'));
      return true;
    }
    if (!lastWriteWaits()) {
      reuse(request);
      return true;
    }
    // TLS has taken a copy; the kernel will read the rest where it is.
    if (!this.encrypts && bytes !== undefined) request.held = hold(bytes);
    request.owner = this;
    request.bytes = bytes;
    request.oncomplete = onComplete;
    this.#waiting++;
    return this.#room();
  }

  /** `bytes`: the part that the kernel may have to read later. */
  #writeParts(parts: readonly (string | Buffer)[], bytes: Buffer | undefined): boolean {
    const request = writeRequest();
    return this.#sent(request, this.#handle.writev(request, parts, false), bytes);
  }

  #hold(data: string | Buffer, encoding: string): boolean {
    if (data.length > 0) (this.#held ??= []).push(typeof data === 'string' ? data : keep(data), encoding);
    this.#heldBytes += data.length;
    return this.#room();
  }

  /** What the kernel doesn't take at once has found its buffers full: another read could only wait behind it. */
  #room(): boolean {
    if (this.bufferedBytes < (this.encrypts ? WRITE_HIGH_BYTES : 1)) return true;
    return this.block();
  }

  /** One write of all that was held; then, if it was asked for, the end. */
  #writeHeld(parts: readonly (string | Buffer)[]): void {
    this.#held = undefined;
    this.#heldBytes = 0;
    this.#writeParts(parts, undefined);
  }

  /** For the callback of writes only. */
  written(status: number): void {
    this.#waiting--;
    if (status < 0) {
      this.socket.destroy(systemError(status, 'write'));
      return;
    }
    if (this.#held !== undefined && !this.socket.destroyed) this.#writeHeld(this.#held);
    if (this.#waiting > 0) return;
    if (this.#ending && !super.finished) this.socket.end();
    this.flushed();
  }
}

function onComplete(this: WriteRequest, status: number): void {
  const owner = this.owner as HandleTransport;
  const { held } = this;
  this.bytes = undefined;
  this.held = undefined;
  if (held !== undefined) release(held);
  owner.written(status);
}

/** As the runtime's own streams report it. */
function systemError(status: number, call: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`${call} ${code}`), { code, errno: status, syscall: call });
}
