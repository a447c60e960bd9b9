// Sockets made and set by the system's own calls, through node:ffi: what Node has no calls for (iptables' REDIRECT and
// TPROXY).
import { Socket } from 'node:net';
import type { SocketConstructorOpts } from 'node:net';
import { getBuiltinModule } from 'node:process';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { parseIp } from './cidr.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const SO_MARK = 36;
export const SOL_IP = 0;
const IP_TRANSPARENT = 19;
export const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_TRANSPARENT = 75;
/** Of a sockaddr_in and a sockaddr_in6. */
const IPV4_ADDRESS_BYTES = 16;
export const IPV6_ADDRESS_BYTES = 28;

const I32 = 'i32';
const POINTER = 'pointer';
const CALLS = {
  getsockopt: { arguments: [I32, I32, I32, POINTER, POINTER], return: I32 },
  setsockopt: { arguments: [I32, I32, I32, POINTER, I32], return: I32 },
  socket: { arguments: [I32, I32, I32], return: I32 },
  bind: { arguments: [I32, POINTER, I32], return: I32 },
  close: { arguments: [I32], return: I32 },
  __errno_location: { arguments: [], return: POINTER },
} as const;

interface Calls {
  readonly getsockopt: (fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array) => number;
  readonly setsockopt: (fd: number, level: number, option: number, value: Uint8Array, bytes: number) => number;
  readonly socket: (family: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array, bytes: number) => number;
  readonly close: (fd: number) => number;
  readonly __errno_location: () => bigint;
}

export interface BindAddress {
  /** An address, not a name. */
  readonly host: string;
  readonly port: number;
  /** Of an IPv6 address: it takes no IPv4 connections. */
  readonly ipv6Only: boolean;
  /** Several sockets may have it. */
  readonly reusePort: boolean;
}

export class SystemSockets {
  readonly #calls: Calls;
  readonly #errno: () => number;
  readonly #value = Buffer.alloc(4);
  readonly #length = Buffer.alloc(4);

  /** Throws an Error of one line where the system has no such calls. */
  constructor() {
    const { platform } = process;
    if (platform !== 'linux') throw new Error(`connections are redirected on Linux only, not on ${platform}`);
    const { calls, readInt32 } = load();
    this.#calls = calls;
    this.#errno = () => readInt32(calls.__errno_location());
  }

  /** False where there is no such value. */
  read(fd: number, level: number, option: number, value: Uint8Array): boolean {
    this.#length.writeInt32LE(value.length);
    return this.#calls.getsockopt(fd, level, option, value, this.#length) === 0;
  }

  /** The number of a socket that is bound, does not listen yet, and takes connections to other hosts' addresses. */
  bindTransparent(place: BindAddress): number {
    return this.#bindTo(place, (fd, isIpv6) => this.#beTransparent(fd, isIpv6));
  }

  /** Throws as Node does where nobody could listen there; nobody does, so that nobody connects meanwhile. */
  tryBind(place: BindAddress): void {
    this.#close(this.#bindTo(place, () => {}));
  }

  #bindTo({ host, port, ipv6Only, reusePort }: BindAddress, prepare: (fd: number, isIpv6: boolean) => void): number {
    const { isIpv6, bytes } = socketAddress(host, port);
    return this.#open(isIpv6, (fd) => {
      this.#set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      if (reusePort) this.#set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
      if (isIpv6) this.#set(fd, SOL_IPV6, IPV6_V6ONLY, ipv6Only ? 1 : 0);
      prepare(fd, isIpv6);
      this.#check('bind', this.#calls.bind(fd, bytes, bytes.length));
    });
  }

  /** A socket that connects from `source`, whosever address it is. What fails is told by its event `error`. */
  socketFrom(source: string, mark: number, options: SocketConstructorOpts): Socket {
    try {
      const { isIpv6, bytes } = socketAddress(source, 0);
      const fd = this.#open(isIpv6, (made) => {
        this.#beTransparent(made, isIpv6);
        if (mark !== 0) this.#set(made, SOL_SOCKET, SO_MARK, mark);
        this.#check('bind', this.#calls.bind(made, bytes, bytes.length));
      });
      // It does not read before it is connected.
      return new Socket({ ...options, fd, manualStart: true } as SocketConstructorOpts);
    } catch (cause) {
      return new Socket(options).destroy(cause as Error);
    }
  }

  #open(isIpv6: boolean, prepare: (fd: number) => void): number {
    const fd = this.#check('socket', this.#calls.socket(
      isIpv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    try {
      prepare(fd);
      return fd;
    } catch (cause) {
      this.#close(fd);
      throw cause;
    }
  }

  /** Not by node:fs, which warns of what it has not opened itself when a worker closes it. */
  #close(fd: number): void {
    this.#calls.close(fd);
  }

  #beTransparent(fd: number, isIpv6: boolean): void {
    if (isIpv6) this.#set(fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
    else this.#set(fd, SOL_IP, IP_TRANSPARENT, 1);
  }

  #set(fd: number, level: number, option: number, value: number): void {
    this.#value.writeUInt32LE(value);
    this.#check('setsockopt', this.#calls.setsockopt(fd, level, option, this.#value, this.#value.length));
  }

  /** Errors are as Node's own are. */
  #check(syscall: string, result: number): number {
    if (result >= 0) return result;
    const errno = -this.#errno();
    const code = getSystemErrorName(errno);
    throw Object.assign(new Error(`${syscall} ${code}: ${getSystemErrorMessage(errno)}`), { errno, code, syscall });
  }
}

/** Throws where `host` is no address. */
function socketAddress(host: string, port: number): { readonly isIpv6: boolean; readonly bytes: Buffer } {
  const ip = parseIp(host);
  if (ip === undefined) throw new Error(`"${host}" is no address`);
  const isIpv6 = ip.family === 6;
  const bytes = Buffer.alloc(isIpv6 ? IPV6_ADDRESS_BYTES : IPV4_ADDRESS_BYTES);
  // The family alone is in the machine's order.
  bytes.writeUInt16LE(isIpv6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  const words = isIpv6 ? [ip.a, ip.b, ip.c, ip.d] : [ip.d];
  for (const [i, word] of words.entries()) bytes.writeUInt32BE(word >>> 0, (isIpv6 ? 8 : 4) + 4 * i);
  return { isIpv6, bytes };
}

/** What loading it says of experiments is nothing that users can act on. */
function load(): { readonly calls: Calls; readonly readInt32: (pointer: bigint) => number } {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    const ffi = getBuiltinModule('node:ffi');
    const { functions } = ffi.dlopen(null, CALLS);
    return { calls: functions as unknown as Calls, readInt32: (pointer) => ffi.getInt32(pointer) };
  } finally {
    process.emitWarning = emitWarning;
  }
}
