// The one place that reaches below net.Socket: the runtime's stream handles, which cost a sixth of a request less.
// They are no public API, so everything used here is looked for first; where it is missing, streams do the work.
import type { Socket } from 'node:net';
import type { ReadBuffer } from './lent-buffer.ts';

/** The handle of a TCP, unix or TLS socket (StreamBase). Methods return 0 or a negative system error number. */
export interface StreamHandle {
  /** Told of every read; what it needs is in the state that `lastReadBytes` reads. */
  /** What it returns is where the next read goes. */
  onread: (this: StreamHandle, buffer: undefined) => Buffer | undefined;
  reading: boolean;
  /** Bytes that the kernel hasn't taken yet. */
  readonly writeQueueSize: number;
  readStart(): number;
  readStop(): number;
  /** Reads go into this buffer, which may be shared: the callback runs before the next read. */
  useUserBuffer(buffer: Uint8Array): void;
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  /** `parts` alternates what is written with its encoding ('buffer' for bytes). */
  writev(request: WriteRequest, parts: readonly (string | Uint8Array)[], allBuffers: boolean): number;
}

/** One write; the handle keeps it while the kernel hasn't taken all of it. */
export interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | undefined;
  /** Whose write it is, and the bytes that must stay alive. */
  owner: unknown;
  bytes: unknown;
  /** The read buffer that they are of. */
  held: ReadBuffer | undefined;
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

const METHODS = [
  'readStart', 'readStop', 'useUserBuffer', 'writeLatin1String', 'writeBuffer', 'writev', 'onread',
] as const;

const binding = findBinding();
const state = binding?.streamBaseState ?? new Int32Array(0);
const readBytesAt = binding?.kReadBytesOrError ?? 0;
const lastWriteAsyncAt = binding?.kLastWriteWasAsync ?? 0;

function findBinding(): StreamBinding | undefined {
  try {
    const { binding: find } = process as unknown as { binding?: (name: string) => Partial<StreamBinding> };
    const found = find?.('stream_wrap');
    const complete = typeof found?.WriteWrap === 'function' && found.streamBaseState instanceof Int32Array
      && typeof found.kReadBytesOrError === 'number' && typeof found.kLastWriteWasAsync === 'number';
    return complete ? (found as StreamBinding) : undefined;
  } catch {
    return undefined;
  }
}

/** The socket's handle, if it has all that is needed. */
export function streamHandleOf(socket: Socket): StreamHandle | undefined {
  if (binding === undefined) return undefined;
  const { _handle: handle } = socket as unknown as { _handle?: Partial<StreamHandle> | null };
  if (handle === undefined || handle === null || typeof handle.writeQueueSize !== 'number') return undefined;
  return METHODS.every((name) => typeof handle[name] === 'function') ? (handle as StreamHandle) : undefined;
}

/** The stream has been given the end already, and mustn't be given it again. */
export function endWasRead(socket: Socket): boolean {
  const { _readableState: readable } = socket as unknown as { _readableState?: { readonly ended?: boolean } };
  return readable?.ended === true;
}

/** In `onread`: how many bytes were read; 0 for none, negative for the end or an error. */
export function lastReadBytes(): number {
  return state[readBytesAt]!;
}

/** For an `onread` that is told later what was read. */
export function setLastReadBytes(bytes: number): void {
  state[readBytesAt] = bytes;
}

/** After a write: whether its request stays in use until `oncomplete`. Otherwise it may serve again. */
export function lastWriteWaits(): boolean {
  return state[lastWriteAsyncAt] !== 0;
}

let spare: WriteRequest | undefined;

/** Most writes are taken by the kernel at once, so that one request serves them all. */
export function writeRequest(): WriteRequest {
  const request = spare ?? new binding!.WriteWrap();
  spare = undefined;
  return request;
}

/** Gives back a request that `lastWriteWaits` says is free. */
export function reuse(request: WriteRequest): void {
  spare = request;
}
