// The one door between codecs and sockets, so that the kind of socket underneath can be swapped and measured.
import type { Socket } from 'node:net';
import type { ProxyError } from './error.ts';
import type { TimerWheel } from './timers.ts';

/** What the owner of a connection is told. After onClose nothing more is called. */
export interface TransportHandler {
  /** Bytes that it holds after `onData` it takes by `keep` (lent-buffer.ts). Otherwise every chunk is its own. */
  readonly borrows?: boolean;
  onData(chunk: Buffer): void;
  /** The peer has finished sending (half-close). */
  onEnd(): void;
  /** Everything written has reached the kernel after a write returned false. */
  onDrain(): void;
  onClose(error: ProxyError | undefined): void;
}

export interface StallOwner {
  onWriteStall(): void;
}

/** A byte stream over TCP or TLS. Writes return false when the caller should wait for onDrain. */
export interface Transport {
  readonly socket: Socket;
  /** Starts reading, or hands the connection to its next owner. */
  attach(handler: TransportHandler): void;
  writeLatin1(text: string): boolean;
  write(chunk: Buffer): boolean;
  /** Text (latin1, may be ''), bytes and text in one write, without a copy of the bytes. */
  writeAround(before: string, chunk: Buffer, after: string): boolean;
  /** Bytes accepted but not yet in the kernel. */
  readonly bufferedBytes: number;
  /** Bytes of an earlier write are still read where they are: the last writer may not change them yet. */
  readonly holdsBytes: boolean;
  /** Over TLS: that a write is in the kernel is known one turn of the event loop later only. */
  readonly encrypts: boolean;
  pause(): void;
  resume(): void;
  /** Finishes sending after what is buffered; reading goes on. */
  end(): void;
  /** A peer that takes nothing of what waits for `timeoutMs` is given up, and `owner` told before onClose. */
  endStalls(timers: TimerWheel, timeoutMs: number, owner: StallOwner): void;
  /** Ends both directions at once; `reset` sends RST. Idempotent. */
  destroy(reset?: boolean): void;
}
