// google.protobuf.Struct: JSON values in protobuf, both ways.
import type protobuf from 'protobufjs/minimal.js';
import { isStruct } from '../telemetry/dynamic-metadata.ts';
import type { MetadataStruct } from '../telemetry/dynamic-metadata.ts';
import { double, number, readMessage, text } from './protobuf-fields.ts';
import type { Fields } from './protobuf-fields.ts';

/** Deeper ones are not read: each level is a call. */
const DEPTH_MAX = 64;

/** Fields of a Struct, without its length. */
export function writeStruct(writer: protobuf.Writer, values: MetadataStruct): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    writer.uint32(text(1)).fork().uint32(text(1)).string(name).uint32(text(2)).fork();
    writeValue(writer, value);
    writer.ldelim().ldelim();
  }
}

function writeValue(writer: protobuf.Writer, value: unknown): void {
  if (typeof value === 'number') writer.uint32(double(2)).double(value);
  else if (typeof value === 'string') writer.uint32(text(3)).string(value);
  else if (typeof value === 'boolean') writer.uint32(number(4)).bool(value);
  else if (Array.isArray(value)) writeList(writer, value);
  else if (isStruct(value)) {
    writer.uint32(text(5)).fork();
    writeStruct(writer, value);
    writer.ldelim();
  } else writer.uint32(number(1)).int32(0);
}

function writeList(writer: protobuf.Writer, values: readonly unknown[]): void {
  writer.uint32(text(6)).fork();
  for (const value of values) {
    writer.uint32(text(1)).fork();
    writeValue(writer, value);
    writer.ldelim();
  }
  writer.ldelim();
}

interface Slot {
  value: unknown;
  readonly depth: number;
}

interface Entry extends Slot {
  name: string;
}

interface Level {
  readonly members: [string, unknown][];
  readonly depth: number;
}

const VALUE: Fields<Slot> = {
  [number(1)]: (reader, into) => {
    reader.int32();
    into.value = null;
  },
  [double(2)]: (reader, into) => (into.value = reader.double()),
  [text(3)]: (reader, into) => (into.value = reader.string()),
  [number(4)]: (reader, into) => (into.value = reader.bool()),
  [text(5)]: (reader, into) => (into.value = structAt(reader, into.depth + 1)),
  [text(6)]: (reader, into) => {
    const list: Level = { members: [], depth: into.depth + 1 };
    readMessage(reader, list, LIST);
    into.value = list.members.map(([, value]) => value);
  },
};

const ENTRY: Fields<Entry> = {
  [text(1)]: (reader, into) => (into.name = reader.string()),
  [text(2)]: (reader, into) => readMessage<Slot>(reader, into, VALUE),
};

const STRUCT: Fields<Level> = {
  [text(1)]: (reader, { members, depth }) => {
    const entry = readMessage<Entry>(reader, { name: '', value: null, depth }, ENTRY);
    members.push([entry.name, entry.value]);
  },
};

const LIST: Fields<Level> = {
  [text(1)]: (reader, { members, depth }) => {
    members.push(['', readMessage<Slot>(reader, { value: null, depth }, VALUE).value]);
  },
};

function structAt(reader: protobuf.Reader, depth: number): MetadataStruct {
  if (depth > DEPTH_MAX) throw new RangeError('a struct that is too deep');
  return Object.fromEntries(readMessage<Level>(reader, { members: [], depth }, STRUCT).members);
}

/** Throws RangeError for bytes that are none. Own properties only, whatever their names. */
export function readStruct(reader: protobuf.Reader): MetadataStruct {
  return structAt(reader, 0);
}
