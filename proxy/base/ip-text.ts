// IP addresses in network order as text, in the form in which the system writes them.
import { SocketAddress } from 'node:net';

export function ipv4At(bytes: Buffer, at: number): string {
  return bytes.subarray(at, at + 4).join('.');
}

/** In the shortest form (RFC 5952). */
export function ipv6At(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + i * 2).toString(16));
  return ipv6Text(groups.join(':'));
}

/** Of one in any form that `isIPv6` takes, without a zone. */
export function ipv6Text(address: string): string {
  return new SocketAddress({ address, family: 'ipv6' }).address;
}
