// What the PROXY protocol says of a connection, and how it is written (haproxy.org, proxy-protocol.txt).
import { isIPv6 } from 'node:net';
import { parseIp } from './cidr.ts';

export type ProxyVersion = 'V1' | 'V2';

/** A field that follows the addresses in version 2. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Buffer;
}

/** Both ends of a connection as its first proxy saw them. */
export interface ProxiedAddresses {
  readonly sourceIp: string;
  readonly sourcePort: number;
  readonly destinationIp: string;
  readonly destinationPort: number;
}

export const V1_PREFIX = Buffer.from('PROXY ', 'latin1');
export const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Of a header of version 1, its CRLF included. */
export const V1_BYTES_MAX = 107;
/** Of version 2: signature, version and command, family, length. */
export const V2_HEAD_BYTES = 16;
export const V2_LOCAL = 0x20;
export const V2_PROXY = 0x21;
export const V2_TCP4 = 0x11;
export const V2_TCP6 = 0x21;
/** Addresses and ports of a family. */
export const V2_ADDRESS_BYTES: Readonly<Record<number, number>> = { [V2_TCP4]: 12, [V2_TCP6]: 36 };
const V2_LENGTH_MAX = 65_535;
const TLV_HEAD_BYTES = 3;

/** `addresses` undefined: the connection is the proxy's own. TLVs that do not fit are left out, from the first such. */
export function proxyHeader(
  version: ProxyVersion, addresses: ProxiedAddresses | undefined, tlvs: readonly ProxyTlv[] = [],
): Buffer {
  if (version === 'V1') return Buffer.from(v1Line(addresses), 'latin1');
  const parts = addresses === undefined ? [] : addressBytes(addresses);
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = Buffer.alloc(V2_HEAD_BYTES);
  V2_SIGNATURE.copy(head);
  head[12] = addresses === undefined ? V2_LOCAL : V2_PROXY;
  head[13] = addresses === undefined ? 0 : isMixed(addresses) ? V2_TCP6 : V2_TCP4;
  for (const { type, value } of tlvs) {
    if (length + TLV_HEAD_BYTES + value.length > V2_LENGTH_MAX) break;
    parts.push(Buffer.from([type, value.length >> 8, value.length & 0xff]), value);
    length += TLV_HEAD_BYTES + value.length;
  }
  head.writeUInt16BE(length, 14);
  return Buffer.concat([head, ...parts]);
}

function v1Line(addresses: ProxiedAddresses | undefined): string {
  if (addresses === undefined) return 'PROXY UNKNOWN\r\n';
  const { sourceIp, sourcePort, destinationIp, destinationPort } = addresses;
  const [family, write] = isMixed(addresses) ? ['TCP6', asIpv6] : ['TCP4', (ip: string): string => ip];
  return `PROXY ${family} ${write(sourceIp)} ${write(destinationIp)} ${sourcePort} ${destinationPort}\r\n`;
}

/** Where one of both is of IPv6 both are written so. */
function isMixed({ sourceIp, destinationIp }: ProxiedAddresses): boolean {
  return isIPv6(sourceIp) || isIPv6(destinationIp);
}

function asIpv6(ip: string): string {
  return isIPv6(ip) ? ip : `::ffff:${ip}`;
}

function addressBytes(addresses: ProxiedAddresses): Buffer[] {
  const { sourceIp, sourcePort, destinationIp, destinationPort } = addresses;
  const bytesOf = isMixed(addresses) ? ipv6Bytes : ipv4Bytes;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(sourcePort, 0);
  ports.writeUInt16BE(destinationPort, 2);
  return [bytesOf(sourceIp), bytesOf(destinationIp), ports];
}

function ipv4Bytes(ip: string): Buffer {
  return words(parseIp(ip)?.d ?? 0);
}

function ipv6Bytes(ip: string): Buffer {
  const found = parseIp(ip);
  if (found?.family !== 6) return words(0, 0, 0xffff, found?.d ?? 0);
  return words(found.a, found.b, found.c, found.d);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32BE(value >>> 0, i * 4));
  return bytes;
}
