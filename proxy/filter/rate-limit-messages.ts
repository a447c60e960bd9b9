// What is said to a rate limit service and back (envoy.service.ratelimit.v3), as protobuf.
import protobuf from 'protobufjs/minimal.js';
import { asciiLower } from '../base/ascii.ts';
import type { Descriptor } from '../route/rate-limit-rule.ts';

export const SHOULD_RATE_LIMIT = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit';

/** One descriptor's state. */
export interface DescriptorStatus {
  /** Requests for each `unitSeconds`; 0 where the service names no limit. */
  limit: number;
  unitSeconds: number;
  name: string;
  remaining: number;
  resetSeconds: number;
}

export interface RateLimitAnswer {
  overLimit: boolean;
  readonly statuses: DescriptorStatus[];
  /** Names and values in turns. */
  readonly responseHeaders: string[];
  readonly requestHeaders: string[];
  /** One latin1 character for each byte. */
  body: string;
}

const OVER_LIMIT = 2;
/** RateLimitResponse.RateLimit.Unit: none, second, minute, hour, day, month, year. */
const UNIT_SECONDS = [0, 1, 60, 3600, 86_400, 2_592_000, 31_536_000];

/** Tags of protobuf: field number and wire type. */
const text = (field: number): number => field * 8 + 2;
const number = (field: number): number => field * 8;

/** Texts are latin1, as all that comes from requests: their bytes are what they were. */
function bytes(writer: protobuf.Writer, field: number, value: string): void {
  writer.uint32(text(field)).bytes(Buffer.from(value, 'latin1'));
}

/** RateLimitRequest. */
export function encodeRequest(domain: string, descriptors: readonly Descriptor[]): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(text(1)).string(domain);
  for (const { entries, hits } of descriptors) {
    writer.uint32(text(2)).fork();
    for (let i = 0; i < entries.length; i += 2) {
      writer.uint32(text(1)).fork();
      bytes(writer, 1, entries[i]!);
      bytes(writer, 2, entries[i + 1]!);
      writer.ldelim();
    }
    if (hits !== 1) writer.uint32(text(3)).fork().uint32(number(1)).uint64(hits).ldelim();
    writer.ldelim();
  }
  return writer.finish();
}

type Fields<T> = Readonly<Record<number, (reader: protobuf.Reader, into: T) => void>>;

function read<T>(reader: protobuf.Reader, length: number, into: T, fields: Fields<T>): T {
  const end = reader.pos + length;
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = fields[tag];
    if (field === undefined) reader.skipType(tag & 7);
    else field(reader, into);
  }
  if (reader.pos !== end) throw new RangeError('a message that is longer than it says');
  return into;
}

const LIMIT: Fields<DescriptorStatus> = {
  [number(1)]: (reader, into) => (into.limit = reader.uint32()),
  [number(2)]: (reader, into) => (into.unitSeconds = UNIT_SECONDS[reader.uint32()] ?? 0),
  [text(3)]: (reader, into) => (into.name = latin1(reader)),
};

const DURATION: Fields<DescriptorStatus> = {
  [number(1)]: (reader, into) => (into.resetSeconds = Number(reader.int64())),
};

const STATUS: Fields<DescriptorStatus> = {
  [text(2)]: (reader, into) => read(reader, reader.uint32(), into, LIMIT),
  [number(3)]: (reader, into) => (into.remaining = reader.uint32()),
  [text(4)]: (reader, into) => read(reader, reader.uint32(), into, DURATION),
};

/** HeaderValue; `raw_value` stands for `value`. */
const HEADER: Fields<[name: string, value: string]> = {
  [text(1)]: (reader, into) => (into[0] = latin1(reader)),
  [text(2)]: (reader, into) => (into[1] = latin1(reader)),
  [text(3)]: (reader, into) => (into[1] = latin1(reader)),
};

const ANSWER: Fields<RateLimitAnswer> = {
  [number(1)]: (reader, into) => (into.overLimit = reader.int32() === OVER_LIMIT),
  [text(2)]: (reader, { statuses }) => {
    const status = { limit: 0, unitSeconds: 0, name: '', remaining: 0, resetSeconds: 0 };
    statuses.push(read(reader, reader.uint32(), status, STATUS));
  },
  [text(3)]: (reader, { responseHeaders }) => readHeader(reader, responseHeaders),
  [text(4)]: (reader, { requestHeaders }) => readHeader(reader, requestHeaders),
  [text(5)]: (reader, into) => (into.body = latin1(reader)),
};

function readHeader(reader: protobuf.Reader, into: string[]): void {
  const [name, value] = read(reader, reader.uint32(), ['', ''], HEADER);
  if (name !== '') into.push(asciiLower(name), value);
}

function latin1(reader: protobuf.Reader): string {
  return Buffer.from(reader.bytes()).toString('latin1');
}

/** RateLimitResponse; undefined for bytes that are none. */
export function decodeAnswer(message: Buffer): RateLimitAnswer | undefined {
  const answer = { overLimit: false, statuses: [], responseHeaders: [], requestHeaders: [], body: '' };
  try {
    return read(protobuf.Reader.create(message), message.length, answer, ANSWER);
  } catch {
    return undefined;
  }
}
