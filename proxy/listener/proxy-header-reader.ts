// Reads the header of the PROXY protocol at the beginning of a connection (haproxy.org, proxy-protocol.txt): whole or
// not at all, however it is cut (S48).
import { isIP } from 'node:net';
import { ipv4At, ipv6At, ipv6Text } from '../base/ip-text.ts';
import {
  V1_BYTES_MAX, V1_PREFIX, V2_ADDRESS_BYTES, V2_HEAD_BYTES, V2_LOCAL, V2_PROXY, V2_SIGNATURE, V2_TCP4,
} from '../base/proxy-protocol.ts';
import type { ProxiedAddresses, ProxyTlv, ProxyVersion } from '../base/proxy-protocol.ts';
import { LIMITS } from '../config/limits.ts';

/** A header. `addresses` undefined: it says that the connection is the sender's own, or of an unknown kind. */
export interface ProxyHeader {
  readonly version: ProxyVersion;
  readonly addresses: ProxiedAddresses | undefined;
  readonly tlvs: readonly ProxyTlv[];
}

/** `none`: these bytes are no beginning of a header. `malformed`: they were, and went wrong. */
export type HeaderVerdict = ProxyHeader | 'more' | 'none' | 'malformed';

const CR = 0x0d;
const LF = 0x0a;

export class ProxyHeaderReader {
  readonly #versions: readonly ProxyVersion[];
  /** Grows to the length that a header of version 2 says. */
  #bytes: Buffer = Buffer.alloc(V1_BYTES_MAX);
  #length = 0;
  /** As its first byte tells. */
  version: ProxyVersion | undefined = undefined;

  /** Headers of other versions are not looked for. */
  constructor(versions: readonly ProxyVersion[]) {
    this.#versions = versions;
  }

  /** Bytes of the header so far; with a verdict those that are not the application's. */
  get consumed(): number {
    return this.#length;
  }

  /** Reads no byte that comes after the header. */
  push(chunk: Buffer): HeaderVerdict {
    for (const byte of chunk) {
      const verdict = this.#take(byte);
      if (verdict !== 'more') return verdict;
    }
    return 'more';
  }

  #take(byte: number): HeaderVerdict {
    const at = this.#length;
    if (at === 0) this.version = this.#versionOf(byte);
    if (this.version === undefined) return 'none';
    const signature = this.version === 'V1' ? V1_PREFIX : V2_SIGNATURE;
    if (at < signature.length && byte !== signature[at]) return 'none';
    this.#bytes[at] = byte;
    this.#length++;
    return this.version === 'V1' ? this.#line(byte) : this.#binary();
  }

  #versionOf(byte: number): ProxyVersion | undefined {
    const version = byte === V1_PREFIX[0] ? 'V1' : byte === V2_SIGNATURE[0] ? 'V2' : undefined;
    return version !== undefined && this.#versions.includes(version) ? version : undefined;
  }

  #line(byte: number): HeaderVerdict {
    if (byte === LF) {
      if (this.#bytes[this.#length - 2] !== CR) return 'malformed';
      return parseLine(this.#bytes.toString('latin1', V1_PREFIX.length, this.#length - 2));
    }
    // A carriage return ends the line, or it is none.
    const wasReturn = this.#length > 1 && this.#bytes[this.#length - 2] === CR;
    return wasReturn || this.#length === V1_BYTES_MAX ? 'malformed' : 'more';
  }

  #binary(): HeaderVerdict {
    if (this.#length < V2_HEAD_BYTES) return 'more';
    const total = V2_HEAD_BYTES + this.#bytes.readUInt16BE(14);
    if (this.#length === V2_HEAD_BYTES) {
      if (!this.#isSound()) return 'malformed';
      if (total > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes.subarray(0, V2_HEAD_BYTES)], total);
    }
    return this.#length < total ? 'more' : parseBinary(this.#bytes.subarray(0, total));
  }

  /** Before anything is waited for that the header says is to come. */
  #isSound(): boolean {
    const [command = 0, family = 0] = this.#bytes.subarray(12, 14);
    const length = this.#bytes.readUInt16BE(14);
    if (V2_HEAD_BYTES + length > LIMITS.proxyHeaderBytesMax) return false;
    if (command === V2_LOCAL) return true;
    const needed = V2_ADDRESS_BYTES[family];
    return command === V2_PROXY && needed !== undefined && length >= needed;
  }
}

/** What follows `PROXY `, each field after one space. */
function parseLine(line: string): HeaderVerdict {
  const [family, ...fields] = line.split(' ');
  if (family === 'UNKNOWN') return { version: 'V1', addresses: undefined, tlvs: [] };
  const [sourceIp = '', destinationIp = '', source = '', destination = ''] = fields;
  const wanted = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : undefined;
  if (wanted === undefined || fields.length !== 4) return 'malformed';
  if (isIP(sourceIp) !== wanted || isIP(destinationIp) !== wanted || line.includes('%')) return 'malformed';
  const [sourcePort, destinationPort] = [portOf(source), portOf(destination)];
  if (sourcePort === undefined || destinationPort === undefined) return 'malformed';
  const plain = wanted === 4 ? (ip: string): string => ip : ipv6Text;
  const addresses = {
    sourceIp: plain(sourceIp), sourcePort, destinationIp: plain(destinationIp), destinationPort };
  return { version: 'V1', addresses, tlvs: [] };
}

function portOf(text: string): number | undefined {
  const value = Number(text);
  // As a number writes itself: without signs, leading zeros and the like.
  return value >= 0 && value <= 65_535 && String(Math.trunc(value)) === text ? value : undefined;
}

/** Lengths were looked at before, but for those of TLVs. */
function parseBinary(bytes: Buffer): HeaderVerdict {
  const family = bytes[13]!;
  const isLocal = bytes[12] === V2_LOCAL;
  // A local header may still have addresses, which say nothing, and TLVs behind them.
  const addressBytes = Math.min(V2_ADDRESS_BYTES[family] ?? 0, bytes.length - V2_HEAD_BYTES);
  if (isLocal && V2_ADDRESS_BYTES[family] === undefined) return { version: 'V2', addresses: undefined, tlvs: [] };
  const tlvs = parseTlvs(bytes, V2_HEAD_BYTES + addressBytes);
  if (tlvs === undefined) return 'malformed';
  return { version: 'V2', addresses: isLocal ? undefined : addressesOf(bytes, family), tlvs };
}

function addressesOf(bytes: Buffer, family: number): ProxiedAddresses {
  const at = V2_HEAD_BYTES;
  const isV4 = family === V2_TCP4;
  const size = isV4 ? 4 : 16;
  const ipAt = isV4 ? ipv4At : ipv6At;
  return {
    sourceIp: ipAt(bytes, at), destinationIp: ipAt(bytes, at + size),
    sourcePort: bytes.readUInt16BE(at + size * 2), destinationPort: bytes.readUInt16BE(at + size * 2 + 2),
  };
}

/** Undefined where one would reach beyond the header, or what is left is none. */
function parseTlvs(bytes: Buffer, start: number): ProxyTlv[] | undefined {
  const tlvs: ProxyTlv[] = [];
  for (let at = start; at < bytes.length;) {
    if (at + 3 > bytes.length) return undefined;
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) return undefined;
    tlvs.push({ type: bytes[at]!, value: bytes.subarray(at + 3, end) });
    at = end;
  }
  return tlvs;
}
