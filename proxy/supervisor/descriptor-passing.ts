// Open descriptors from one process to another over a unix socket (SCM_RIGHTS), for which Node has no call: sendmsg and
// recvmsg through node:ffi, with the structures of 64-bit Linux.
import type { Socket } from 'node:net';
import { getBuiltinModule } from 'node:process';

/** Of one message; the kernel's bound (SCM_MAX_FD). */
export const DESCRIPTORS_MAX = 253;

/** `again`: the socket has no room, or nothing to read, just now. */
export type Received = { readonly bytes: Buffer; readonly descriptors: readonly number[] } | 'again' | 'ended';

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const EAGAIN = 11;
const MSGHDR_BYTES = 56;
const CMSGHDR_BYTES = 16;
const READ_BYTES = 16_384;

type Call = (fd: number, message: Uint8Array, flags: number) => bigint;

export class DescriptorPassing {
  readonly #fd: number;
  readonly #sendmsg: Call;
  readonly #recvmsg: Call;
  readonly #errno: () => number;
  readonly #address: (buffer: Uint8Array) => bigint;

  /** Of a connected socket that libuv does not read. Throws an Error of one line where the system cannot do it. */
  constructor(socket: Socket) {
    const { platform } = process;
    if (platform !== 'linux') throw new Error(`sockets are handed over on Linux only, not on ${platform}`);
    const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
    if (typeof handle?.fd !== 'number' || handle.fd < 0) throw new Error('a socket\'s number is not told here');
    this.#fd = handle.fd;
    const library = load();
    this.#sendmsg = library.sendmsg;
    this.#recvmsg = library.recvmsg;
    this.#errno = library.errno;
    this.#address = library.address;
  }

  /** False: there is no room just now. Throws for a socket that is gone, or a descriptor that is none. */
  send(bytes: Buffer, descriptors: readonly number[]): boolean {
    const control = Buffer.alloc(CMSGHDR_BYTES + 8 * Math.ceil(descriptors.length / 2));
    control.writeBigUInt64LE(BigInt(CMSGHDR_BYTES + 4 * descriptors.length), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    descriptors.forEach((fd, index) => control.writeInt32LE(fd, CMSGHDR_BYTES + 4 * index));
    const { message, keep } = this.#message(bytes, control);
    const sent = Number(this.#sendmsg(this.#fd, message, MSG_DONTWAIT | MSG_NOSIGNAL));
    if (sent === bytes.length && keep.length > 0) return true;
    const errno = this.#errno();
    if (sent < 0 && errno === EAGAIN) return false;
    throw new Error(`sockets cannot be handed over: ${sent < 0 ? `error ${errno}` : 'a message went in part'}`);
  }

  receive(): Received {
    const bytes = Buffer.alloc(READ_BYTES);
    const control = Buffer.alloc(CMSGHDR_BYTES + 4 * (DESCRIPTORS_MAX + 1));
    const { message, keep } = this.#message(bytes, control);
    const got = Number(this.#recvmsg(this.#fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
    if (got < 0) return this.#errno() === EAGAIN ? 'again' : 'ended';
    if (got === 0 || keep.length === 0) return 'ended';
    return { bytes: bytes.subarray(0, got), descriptors: rightsIn(control, Number(message.readBigUInt64LE(40))) };
  }

  /** A msghdr; `keep` must live as long as the call takes, since it holds addresses only. */
  #message(bytes: Buffer, control: Buffer): { message: Buffer; keep: readonly Buffer[] } {
    const vector = Buffer.alloc(16);
    vector.writeBigUInt64LE(this.#address(bytes), 0);
    vector.writeBigUInt64LE(BigInt(bytes.length), 8);
    const message = Buffer.alloc(MSGHDR_BYTES);
    message.writeBigUInt64LE(this.#address(vector), 16);
    message.writeBigUInt64LE(1n, 24);
    message.writeBigUInt64LE(this.#address(control), 32);
    message.writeBigUInt64LE(BigInt(control.length), 40);
    return { message, keep: [bytes, control, vector] };
  }
}

function rightsIn(control: Buffer, length: number): number[] {
  const [level, type] = [control.readInt32LE(8), control.readInt32LE(12)];
  if (length < CMSGHDR_BYTES || level !== SOL_SOCKET || type !== SCM_RIGHTS) return [];
  const end = Math.min(Number(control.readBigUInt64LE(0)), control.length);
  const found: number[] = [];
  for (let at = CMSGHDR_BYTES; at + 4 <= end; at += 4) found.push(control.readInt32LE(at));
  return found;
}

/** What loading it says of experiments is nothing that users can act on. */
function load(): { sendmsg: Call; recvmsg: Call; errno: () => number; address: (buffer: Uint8Array) => bigint } {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    const ffi = getBuiltinModule('node:ffi');
    const call = { arguments: ['i32', 'pointer', 'i32'], return: 'i64' } as const;
    const { functions } = ffi.dlopen(null, {
      sendmsg: call, recvmsg: call, __errno_location: { arguments: [], return: 'pointer' },
    });
    const location = functions.__errno_location as unknown as () => bigint;
    return {
      sendmsg: functions.sendmsg as unknown as Call, recvmsg: functions.recvmsg as unknown as Call,
      errno: () => ffi.getInt32(location()), address: (buffer) => ffi.getRawPointer(buffer),
    };
  } finally {
    process.emitWarning = emitWarning;
  }
}
