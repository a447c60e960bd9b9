// Where a connection wanted to go before the kernel redirected it here (iptables REDIRECT): a socket option that
// Node has no call for, read through node:ffi.
import type { Socket } from 'node:net';
import { getBuiltinModule } from 'node:process';
import { ipv4At, ipv6At } from '../base/ip-text.ts';

/** The local address of a connection as its client meant it. */
export interface OriginalDestination {
  readonly ip: string;
  readonly port: number;
}

/** Undefined: the connection was not redirected. */
export type FindOriginalDestination = (socket: Socket) => OriginalDestination | undefined;

type GetSockOpt = (fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array) => number;

const SOL_IP = 0;
const SOL_IPV6 = 41;
/** SO_ORIGINAL_DST, and IP6T_SO_ORIGINAL_DST as well. */
const ORIGINAL_DST = 80;
/** Of a sockaddr_in6. */
const ADDRESS_BYTES = 28;

/** Throws an Error of one line where the system has no such option. */
export function originalDestinations(): FindOriginalDestination {
  const { platform } = process;
  if (platform !== 'linux') throw new Error(`connections are redirected on Linux only, not on ${platform}`);
  const getsockopt = loadGetSockOpt();
  const value = Buffer.alloc(ADDRESS_BYTES);
  const length = Buffer.alloc(4);
  return (socket) => {
    const fd = fdOf(socket);
    if (fd === undefined) return undefined;
    const mapped = isIpv4(socket.localAddress);
    new Int32Array(length.buffer, length.byteOffset, 1)[0] = ADDRESS_BYTES;
    if (getsockopt(fd, mapped ? SOL_IP : SOL_IPV6, ORIGINAL_DST, value, length) !== 0) return undefined;
    // In a sockaddr_in the address follows family and port, in a sockaddr_in6 the flow label too.
    const found = { ip: mapped ? ipv4At(value, 4) : ipv6At(value, 8), port: value.readUInt16BE(2) };
    return found.port === socket.localPort && found.ip === plainIp(socket.localAddress ?? '') ? undefined : found;
  };
}

/** A dual-stack socket reports IPv4 peers as ::ffff:1.2.3.4; policies are written for the plain form. */
export function plainIp(ip: string): string {
  return ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip;
}

function isIpv4(address = ''): boolean {
  return !plainIp(address).includes(':');
}

/** What loading it says of experiments is nothing that users can act on. */
function loadGetSockOpt(): GetSockOpt {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    const ffi = getBuiltinModule('node:ffi');
    const { functions } = ffi.dlopen(null, {
      getsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
    });
    return functions.getsockopt as unknown as GetSockOpt;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Of the runtime's handle, which is no public API: looked for, not relied on. */
function fdOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}
