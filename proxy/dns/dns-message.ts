// DNS messages as far as the proxy looks into them: a query's one question, and answers of its own (RFC 1035, 6891).
import { encode } from 'dns-packet';
import type { Answer, StringAnswer } from 'dns-packet';

export const HEADER_BYTES = 12;
/** What a client without EDNS takes by UDP, and what we give at most to one that says it takes more. */
const UDP_BYTES = 512;
const UDP_BYTES_MAX = 1232;
/** Of a name on the wire. */
const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;

const TYPE_OPT = 41;
const CLASS_IN = 1;
const FLAG_RESPONSE = 0x8000;
const OPCODE_MASK = 0x7800;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const FLAG_AUTHORITATIVE = 0x0400;

export const TYPE_A = 1;
export const TYPE_AAAA = 28;

export const RCODES = { formatError: 1, serverFailure: 2, refused: 5 } as const;

export interface Query {
  readonly id: number;
  /** As it was asked, without the last dot; undefined where it holds what no host name does. */
  readonly name: string | undefined;
  readonly type: number;
  /** A standard query of class IN. */
  readonly isPlain: boolean;
  /** End of the question. */
  readonly end: number;
  readonly hasEdns: boolean;
  /** What the client takes by UDP. */
  readonly udpBytes: number;
}

/** Undefined for what is no query of one question. Never throws. */
export function readQuery(bytes: Buffer): Query | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(4) !== 1) return undefined;
  const flags = bytes.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) !== 0) return undefined;
  const nameEnd = endOfName(bytes, HEADER_BYTES);
  if (nameEnd === undefined || nameEnd + 4 > bytes.length) return undefined;
  const end = nameEnd + 4;
  const udpBytes = ednsBytes(bytes, end);
  return {
    id: bytes.readUInt16BE(0), name: hostName(bytes, nameEnd), type: bytes.readUInt16BE(nameEnd), end,
    isPlain: (flags & OPCODE_MASK) === 0 && bytes.readUInt16BE(nameEnd + 2) === CLASS_IN,
    hasEdns: udpBytes !== undefined,
    udpBytes: Math.min(UDP_BYTES_MAX, Math.max(UDP_BYTES, udpBytes ?? 0)),
  };
}

/** After a name that is written out; undefined for one that is not, or ends beyond the message. */
function endOfName(bytes: Buffer, start: number): number | undefined {
  let at = start;
  for (let length = bytes[at]; length !== undefined; length = bytes[at]) {
    if (length === 0) return at + 1;
    at += length + 1;
    if (length > LABEL_BYTES_MAX || at - start >= NAME_BYTES_MAX) return undefined;
  }
  return undefined;
}

function hostName(bytes: Buffer, end: number): string | undefined {
  const labels: string[] = [];
  for (let at = HEADER_BYTES; at < end - 1; at += bytes[at]! + 1) {
    const label = bytes.toString('latin1', at + 1, at + 1 + bytes[at]!);
    if (!/^[-_A-Za-z0-9]+$/.test(label)) return undefined;
    labels.push(label);
  }
  return labels.join('.');
}

/** Of a query whose only other record is OPT, as resolvers write it. */
function ednsBytes(bytes: Buffer, at: number): number | undefined {
  const isAlone = bytes.readUInt16BE(6) === 0 && bytes.readUInt16BE(8) === 0 && bytes.readUInt16BE(10) === 1;
  if (!isAlone || at + 11 > bytes.length || bytes[at] !== 0) return undefined;
  return bytes.readUInt16BE(at + 1) === TYPE_OPT ? bytes.readUInt16BE(at + 3) : undefined;
}

/** The head and the question alone, with what went wrong. */
export function failure(query: Buffer, end: number, rcode: number): Buffer {
  const answer = Buffer.from(query.subarray(0, end));
  const asked = query.readUInt16BE(2) & (OPCODE_MASK | FLAG_RECURSION_DESIRED);
  answer.writeUInt16BE(FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | asked | rcode, 2);
  answer.fill(0, 6, HEADER_BYTES);
  if (end === HEADER_BYTES) answer.writeUInt16BE(0, 4);
  return answer;
}

/** What is said of a name of the mesh. */
export interface Meaning {
  readonly addresses: readonly string[];
  /** The name that the one asked for stands for. */
  readonly alias: string | undefined;
  readonly ttl: number;
}

/** Without addresses: the name exists and has none of this family. By UDP it is cut to what the client takes. */
export function answer(bytes: Buffer, query: Query, { addresses, alias, ttl }: Meaning, isUdp: boolean): Buffer {
  const asked = query.name ?? '';
  const name = alias ?? asked;
  const type = query.type === TYPE_A ? 'A' : 'AAAA';
  const records = addresses.map((data): StringAnswer => ({ type, name, ttl, data }));
  const cname: StringAnswer[] = alias === undefined || records.length === 0 ? []
    : [{ type: 'CNAME', name: asked, ttl, data: alias }];
  const whole = write(bytes, query, [...cname, ...records]);
  if (!isUdp || whole.length <= query.udpBytes) return whole;
  const cut = write(bytes, query, []);
  cut.writeUInt16BE(cut.readUInt16BE(2) | FLAG_TRUNCATED, 2);
  return cut;
}

function write(bytes: Buffer, { id, name = '', type, hasEdns }: Query, answers: readonly Answer[]): Buffer {
  const edns = { type: 'OPT', name: '.', udpPayloadSize: UDP_BYTES_MAX, flags: 0, options: [] } as const;
  const recursion = bytes.readUInt16BE(2) & FLAG_RECURSION_DESIRED;
  return encode({
    id, type: 'response', flags: recursion | FLAG_RECURSION_AVAILABLE | FLAG_AUTHORITATIVE,
    questions: [{ name, type: type === TYPE_A ? 'A' : 'AAAA' }], answers: [...answers],
    ...(hasEdns && { additionals: [{ ...edns, options: [], extendedRcode: 0, ednsVersion: 0, flag_do: false }] }),
  });
}

/** Whether bytes from a server answer this very query: its id is `id`, and its question the same, letter by letter. */
export function isAnswerTo(response: Buffer, query: Buffer, end: number, id: number): boolean {
  return response.length >= end && response.readUInt16BE(0) === id
    && (response.readUInt16BE(2) & FLAG_RESPONSE) !== 0 && response.readUInt16BE(4) === 1
    && response.compare(query, HEADER_BYTES, end, HEADER_BYTES, end) === 0;
}

export function rcodeOf(response: Buffer): number {
  return response.readUInt16BE(2) & 0xf;
}
