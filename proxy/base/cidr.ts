// IP addresses and CIDR ranges as numbers: ranges are parsed at compile, an address once for each question.
import { isIP } from 'node:net';
import { ConfigError } from './error.ts';

/** Four 32-bit words, first to last; an IPv4 address (also in its IPv6-mapped form) has family 4 and only `d`. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

/** envoy.config.core.v3.CidrRange: `prefixLen` absent is 0, which matches every address of the family. */
export interface CidrRangeFields {
  readonly addressPrefix: string;
  readonly prefixLen?: number;
}

const DOT = 0x2e;
const COLON = 0x3a;
const MAPPED = 0xffff;
const MAPPED_BITS = 96;

/** Reads IPv4, IPv6 (zone ids are ignored) or IPv4-mapped IPv6; undefined for anything else. */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(':')) {
    const word = parseIpv4(text, 0, text.length);
    return word === -1 ? undefined : { family: 4, a: 0, b: 0, c: 0, d: word };
  }
  const zone = text.indexOf('%');
  const groups = parseGroups(text, zone === -1 ? text.length : zone);
  if (groups === undefined) return undefined;
  const [a, b, c, d] = [word(groups, 0), word(groups, 2), word(groups, 4), word(groups, 6)];
  if (a === 0 && b === 0 && c === MAPPED) return { family: 4, a: 0, b: 0, c: 0, d };
  return { family: 6, a, b, c, d };
}

function word(groups: readonly number[], at: number): number {
  return groups[at]! * 0x10000 + groups[at + 1]!;
}

/** Dotted decimal without leading zeros (RFC 6943 section 3.1.1 warns of octal readings); -1 when it is none. */
function parseIpv4(text: string, start: number, end: number): number {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (octet === -1 || ++dots > 3) return -1;
      value = value * 256 + octet;
      octet = -1;
      continue;
    }
    if (code < 0x30 || code > 0x39 || octet === 0) return -1;
    octet = (octet === -1 ? 0 : octet * 10) + code - 0x30;
    if (octet > 255) return -1;
  }
  return dots === 3 && octet !== -1 ? value * 256 + octet : -1;
}

/** The eight groups of an IPv6 address (RFC 4291 section 2.2); undefined when it is none. */
function parseGroups(text: string, end: number): number[] | undefined {
  const groups: number[] = [];
  let gap = -1;
  let at = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return undefined;
    gap = 0;
    at = 2;
  }
  while (at < end) {
    const stop = groupEnd(text, at, end);
    if (stop < end && text.charCodeAt(stop) === DOT) {
      const value = parseIpv4(text, at, end);
      if (value === -1) return undefined;
      groups.push(Math.floor(value / 0x10000), value % 0x10000);
      break;
    }
    if (stop === at || stop - at > 4) return undefined;
    groups.push(Number.parseInt(text.slice(at, stop), 16));
    if (stop === end) break;
    if (text.charCodeAt(stop) !== COLON || groups.length > 7) return undefined;
    at = stop + 1;
    if (text.charCodeAt(at) === COLON) {
      if (gap !== -1) return undefined;
      gap = groups.length;
      at++;
    } else if (at === end) return undefined;
  }
  return filled(groups, gap);
}

/** `::` stands for at least one group of zeros. */
function filled(groups: number[], gap: number): number[] | undefined {
  if (gap === -1) return groups.length === 8 ? groups : undefined;
  if (groups.length > 7) return undefined;
  groups.splice(gap, 0, ...new Array<number>(8 - groups.length).fill(0));
  return groups;
}

function groupEnd(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && isHex(text.charCodeAt(at))) at++;
  return at;
}

function isHex(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66);
}

/** A range of addresses of one family. */
export class Cidr {
  readonly family: 4 | 6;
  /** Bits that are compared, in the family's own count: 0-32 or 0-128. */
  readonly prefixLength: number;
  readonly #network: IpAddress;
  readonly #masks: readonly [number, number, number, number];

  constructor(network: IpAddress, prefixLength: number) {
    this.family = network.family;
    this.prefixLength = prefixLength;
    const bits = network.family === 4 ? MAPPED_BITS + prefixLength : prefixLength;
    this.#masks = [maskOf(bits), maskOf(bits - 32), maskOf(bits - 64), maskOf(bits - 96)];
    const [a, b, c, d] = this.#masks;
    const { family } = network;
    this.#network = {
      family, a: kept(network.a, a), b: kept(network.b, b), c: kept(network.c, c), d: kept(network.d, d),
    };
  }

  /** False also for a text that is no address. */
  contains(ipText: string): boolean {
    const ip = parseIp(ipText);
    return ip !== undefined && this.covers(ip);
  }

  covers(ip: IpAddress): boolean {
    const [a, b, c, d] = this.#masks;
    const network = this.#network;
    if (ip.family !== this.family || ((ip.d ^ network.d) & d) !== 0) return false;
    return ip.family === 4 || (((ip.a ^ network.a) & a) | ((ip.b ^ network.b) & b) | ((ip.c ^ network.c) & c)) === 0;
  }

  toString(): string {
    const { a, b, c, d } = this.#network;
    const octets = [d >>> 24, (d >>> 16) & 255, (d >>> 8) & 255, d & 255].join('.');
    const groups = [a, b, c, d].flatMap((w) => [(w >>> 16).toString(16), (w & 0xffff).toString(16)]).join(':');
    return `${this.family === 4 ? octets : groups}/${this.prefixLength}`;
  }
}

function kept(word: number, mask: number): number {
  return (word & mask) >>> 0;
}

function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

/** Compiles a range. Throws ConfigError at `path` for a bad address or length. Bits beyond the length are ignored. */
export function compileCidr(range: CidrRangeFields, path: string): Cidr {
  const network = parseIp(range.addressPrefix);
  if (network === undefined) {
    throw new ConfigError(`${path}.addressPrefix`, `'${range.addressPrefix}' is not an IP address`);
  }
  const mapped = network.family === 4 && range.addressPrefix.includes(':');
  const length = (range.prefixLen ?? 0) - (mapped ? MAPPED_BITS : 0);
  const most = network.family === 4 ? 32 : 128;
  if (!Number.isInteger(length) || length < 0 || length > most) {
    const bounds = mapped ? `${MAPPED_BITS} to 128` : `0 to ${most}`;
    throw new ConfigError(`${path}.prefixLen`, `must be from ${bounds} here`);
  }
  return new Cidr(network, length);
}

/** Reads `10.0.0.0/8`; without a length the address alone. Throws ConfigError. */
export function parseCidr(text: string, path = ''): Cidr {
  const slash = text.indexOf('/');
  const addressPrefix = slash === -1 ? text : text.slice(0, slash);
  const prefixLen = slash === -1 ? (addressPrefix.includes(':') ? 128 : 32) : decimal(text, slash + 1);
  return compileCidr({ addressPrefix, prefixLen }, path);
}

function decimal(text: string, start: number): number {
  const digits = text.slice(start);
  return /^[0-9]{1,3}$/.test(digits) ? Number(digits) : Number.NaN;
}

/** Several ranges asked with address texts; remembers the last one, since a connection's requests share theirs. */
export class CidrSet {
  readonly ranges: readonly Cidr[];
  #lastText = '';
  #lastAnswer = false;

  constructor(ranges: readonly Cidr[]) {
    this.ranges = ranges;
  }

  contains(ipText: string): boolean {
    if (ipText !== this.#lastText) {
      this.#lastText = ipText;
      this.#lastAnswer = this.#ask(ipText);
    }
    return this.#lastAnswer;
  }

  #ask(ipText: string): boolean {
    const ip = parseIp(ipText);
    if (ip === undefined) return false;
    for (const range of this.ranges) if (range.covers(ip)) return true;
    return false;
  }
}

/** 127.0.0.0/8 and ::1, as their usual texts. */
export function isLoopback(ip: string): boolean {
  return ip === '::1' || (isIP(ip) === 4 && ip.startsWith('127.'));
}
