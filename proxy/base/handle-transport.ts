// The transport over a plain socket's handle: no stream between the codec and the kernel. The socket itself still
// connects, ends, closes and reports errors.
import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { SocketSide } from './node-error.ts';
import { SocketLife, WRITE_HIGH_BYTES } from './socket-life.ts';
import type { StreamHandle, WriteRequest } from './stream-handle.ts';
import { endWasRead, lastReadBytes, lastWriteWaits, reuse, writeRequest } from './stream-handle.ts';

/** Every connection of the worker reads into it, and what was read is copied out at once, at its true size. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

export class HandleTransport extends SocketLife {
  readonly #handle: StreamHandle;
  #paused = false;
  /** The socket's stream holds bytes, or the end, that came before this transport. */
  #early = false;
  /** End or error has been read: nothing more comes. */
  #readEnded = false;
  /** Writes that the kernel hasn't taken whole. */
  #waiting = 0;

  constructor(socket: Socket, handle: StreamHandle, side: SocketSide) {
    super(socket, side);
    this.#handle = handle;
  }

  writeLatin1(text: string): boolean {
    if (this.finished) return true;
    const request = writeRequest();
    return this.#sent(request, this.#handle.writeLatin1String(request, text), undefined);
  }

  write(chunk: Buffer): boolean {
    if (this.finished) return true;
    const request = writeRequest();
    return this.#sent(request, this.#handle.writeBuffer(request, chunk), chunk);
  }

  writeAround(before: string, chunk: Buffer, after: string): boolean {
    if (this.finished) return true;
    const request = writeRequest();
    const parts = [before, 'latin1', chunk, 'buffer', after, 'latin1'];
    return this.#sent(request, this.#handle.writev(request, parts, false), chunk);
  }

  get bufferedBytes(): number {
    return this.#waiting === 0 || this.socket.destroyed ? 0 : this.#handle.writeQueueSize;
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
    const endOrError = handle.onread;
    handle.useUserBuffer(READ_BUFFER);
    handle.onread = () => {
      const length = lastReadBytes();
      if (length > 0) {
        const chunk = Buffer.allocUnsafe(length);
        READ_BUFFER.copy(chunk, 0, 0, length);
        this.handler!.onData(chunk);
        return;
      }
      if (length < 0) this.#readEnded = true;
      endOrError.call(handle, undefined);
    };
    this.#readEnded = endWasRead(this.socket);
    this.#early = this.#readEnded || this.socket.readableLength > 0;
    this.#start();
  }

  #start(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    // Before any further read, but not inside of the call that starts it.
    if (this.#early) process.nextTick(() => this.#takeEarly());
    const handle = this.#handle;
    if (handle.reading || this.#readEnded) return;
    handle.reading = true;
    const status = handle.readStart();
    if (status !== 0) socket.destroy(systemError(status, 'read'));
  }

  #takeEarly(): void {
    if (!this.#early || this.#paused || this.socket.destroyed) return;
    this.#early = false;
    const chunk = this.socket.read() as Buffer | null;
    if (chunk !== null) this.handler!.onData(chunk);
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
    request.owner = this;
    request.bytes = bytes;
    request.oncomplete = onComplete;
    this.#waiting++;
    if (this.#handle.writeQueueSize < WRITE_HIGH_BYTES) return true;
    this.blocked = true;
    return false;
  }

  /** For the callback of writes only. */
  written(status: number): void {
    this.#waiting--;
    if (status < 0) this.socket.destroy(systemError(status, 'write'));
    else if (this.#waiting === 0) this.flushed();
  }
}

function onComplete(this: WriteRequest, status: number): void {
  const owner = this.owner as HandleTransport;
  this.bytes = undefined;
  owner.written(status);
}

/** As the runtime's own streams report it. */
function systemError(status: number, call: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`${call} ${code}`), { code, errno: status, syscall: call });
}
