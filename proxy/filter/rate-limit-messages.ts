// What is said to a rate limit service and back (envoy.service.ratelimit.v3), as protobuf.
import protobuf from 'protobufjs/minimal.js';
import { asciiLower } from '../base/ascii.ts';
import type { Descriptor } from '../route/rate-limit-rule.ts';
import { HEADER_VALUE, decodeWhole, number, readLatin1, readMessage, text, writeBytes } from './protobuf-fields.ts';
import type { Fields } from './protobuf-fields.ts';

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

/** RateLimitRequest. */
export function encodeRequest(domain: string, descriptors: readonly Descriptor[]): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(text(1)).string(domain);
  for (const { entries, hits } of descriptors) {
    writer.uint32(text(2)).fork();
    for (let i = 0; i < entries.length; i += 2) {
      writer.uint32(text(1)).fork();
      writeBytes(writer, 1, entries[i]!);
      writeBytes(writer, 2, entries[i + 1]!);
      writer.ldelim();
    }
    if (hits !== 1) writer.uint32(text(3)).fork().uint32(number(1)).uint64(hits).ldelim();
    writer.ldelim();
  }
  return writer.finish();
}

const LIMIT: Fields<DescriptorStatus> = {
  [number(1)]: (reader, into) => (into.limit = reader.uint32()),
  [number(2)]: (reader, into) => (into.unitSeconds = UNIT_SECONDS[reader.uint32()] ?? 0),
  [text(3)]: (reader, into) => (into.name = readLatin1(reader)),
};

const DURATION: Fields<DescriptorStatus> = {
  [number(1)]: (reader, into) => (into.resetSeconds = Number(reader.int64())),
};

const STATUS: Fields<DescriptorStatus> = {
  [text(2)]: (reader, into) => readMessage(reader, into, LIMIT),
  [number(3)]: (reader, into) => (into.remaining = reader.uint32()),
  [text(4)]: (reader, into) => readMessage(reader, into, DURATION),
};

const ANSWER: Fields<RateLimitAnswer> = {
  [number(1)]: (reader, into) => (into.overLimit = reader.int32() === OVER_LIMIT),
  [text(2)]: (reader, { statuses }) => {
    const status = { limit: 0, unitSeconds: 0, name: '', remaining: 0, resetSeconds: 0 };
    statuses.push(readMessage(reader, status, STATUS));
  },
  [text(3)]: (reader, { responseHeaders }) => readHeader(reader, responseHeaders),
  [text(4)]: (reader, { requestHeaders }) => readHeader(reader, requestHeaders),
  [text(5)]: (reader, into) => (into.body = readLatin1(reader)),
};

function readHeader(reader: protobuf.Reader, into: string[]): void {
  const [name, value] = readMessage<[string, string]>(reader, ['', ''], HEADER_VALUE);
  if (name !== '') into.push(asciiLower(name), value);
}

/** RateLimitResponse; undefined for bytes that are none. */
export function decodeAnswer(message: Buffer): RateLimitAnswer | undefined {
  const answer = { overLimit: false, statuses: [], responseHeaders: [], requestHeaders: [], body: '' };
  return decodeWhole<RateLimitAnswer>(message, answer, ANSWER);
}
