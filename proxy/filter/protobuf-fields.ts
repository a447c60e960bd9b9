// Messages of services in protobuf, written and read field by field; what is foreign is skipped. Loaded with such a
// service.
import protobuf from 'protobufjs/minimal.js';

/** Tags: field number and wire type. */
export const text = (field: number): number => field * 8 + 2;
export const number = (field: number): number => field * 8;
export const double = (field: number): number => field * 8 + 1;

/** Texts are latin1, as all that comes from requests: their bytes are what they were. */
export function writeBytes(writer: protobuf.Writer, field: number, value: string): void {
  writer.uint32(text(field)).bytes(Buffer.from(value, 'latin1'));
}

export type Fields<T> = Readonly<Record<number, (reader: protobuf.Reader, into: T) => unknown>>;

/** Throws RangeError where a message is longer than it says. */
export function readFields<T>(reader: protobuf.Reader, length: number, into: T, fields: Fields<T>): T {
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

export function readLatin1(reader: protobuf.Reader): string {
  return Buffer.from(reader.bytes()).toString('latin1');
}

/** A message inside a message. */
export function readMessage<T>(reader: protobuf.Reader, into: T, fields: Fields<T>): T {
  return readFields(reader, reader.uint32(), into, fields);
}

/** HeaderValue; `raw_value` stands for `value`. */
export const HEADER_VALUE: Fields<[name: string, value: string]> = {
  [text(1)]: (reader, into) => (into[0] = readLatin1(reader)),
  [text(2)]: (reader, into) => (into[1] = readLatin1(reader)),
  [text(3)]: (reader, into) => (into[1] = readLatin1(reader)),
};

/** Undefined for bytes that are no such message. */
export function decodeWhole<T>(message: Uint8Array, into: T, fields: Fields<T>): T | undefined {
  try {
    return readFields(protobuf.Reader.create(message), message.length, into, fields);
  } catch {
    return undefined;
  }
}
