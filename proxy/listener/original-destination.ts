// Where a connection wanted to go before the kernel led it here (iptables REDIRECT, TPROXY).
import type { Socket } from 'node:net';
import { ipv4At, ipv6At } from '../base/ip-text.ts';
import { IPV6_ADDRESS_BYTES, SOL_IP, SOL_IPV6 } from '../base/system-socket.ts';
import type { SystemSockets } from '../base/system-socket.ts';

/** The local address of a connection as its client meant it. */
export interface OriginalDestination {
  readonly ip: string;
  readonly port: number;
}

/** Undefined: the connection was not redirected. */
export type FindOriginalDestination = (socket: Socket) => OriginalDestination | undefined;

/** SO_ORIGINAL_DST, and IP6T_SO_ORIGINAL_DST as well. */
const ORIGINAL_DST = 80;

/** `transparent`: what TPROXY leads here keeps the address that it wanted, which is the local one then. */
export function originalDestinations(sockets: SystemSockets, transparent: boolean): FindOriginalDestination {
  const value = Buffer.alloc(IPV6_ADDRESS_BYTES);
  return (socket) => {
    const fd = fdOf(socket);
    if (fd === undefined) return undefined;
    const { localAddress = '', localPort = 0 } = socket;
    const mapped = isIpv4(localAddress);
    const local = { ip: plainIp(localAddress), port: localPort };
    const unchanged = transparent ? local : undefined;
    if (!sockets.read(fd, mapped ? SOL_IP : SOL_IPV6, ORIGINAL_DST, value)) return unchanged;
    // In a sockaddr_in the address follows family and port, in a sockaddr_in6 the flow label too.
    const found = { ip: mapped ? ipv4At(value, 4) : ipv6At(value, 8), port: value.readUInt16BE(2) };
    return found.port === local.port && found.ip === local.ip ? unchanged : found;
  };
}

/** A dual-stack socket reports IPv4 peers as ::ffff:1.2.3.4; policies are written for the plain form. */
export function plainIp(ip: string): string {
  return ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip;
}

function isIpv4(address: string): boolean {
  return !plainIp(address).includes(':');
}

/** Of the runtime's handle, which is no public API: looked for, not relied on. */
function fdOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}
