// From decoded protobuf messages to proto3 JSON: names, texts and plain objects instead of numbers and classes.
import protobuf from 'protobufjs/light.js';
import protojson from 'protobufjs/ext/protojson.js';
import { ConfigError, messageOf } from '../base/error.ts';
import { LIMITS } from './limits.ts';
import type { MessageTypes } from './wire-schema.ts';
import { formOf, numberOf, shortestFloat, typeNameOf } from './wire-well-known.ts';
import type { Long } from './wire-well-known.ts';

/** A message in proto3 JSON; maps inside it have no prototype. */
export type JsonMessage = Record<string, unknown>;

/** How Any appears: `inline` as `{ '@type', ...fields }`, `opaque` as `{ '@type', value }` with the bytes that came. */
export type AnyForm = 'inline' | 'opaque';

/** Told of a field number that the schema does not know: a newer peer's. */
export type OnUnknown = (typeName: string, field: number) => void;

type Message = Record<string, unknown>;

/** Reads one message and what is in it. Throws a ConfigError for what cannot be told. */
export class WireReader {
  readonly #types: MessageTypes;
  readonly #anyForm: AnyForm;
  readonly #onUnknown: OnUnknown;

  constructor(types: MessageTypes, anyForm: AnyForm, onUnknown: OnUnknown) {
    this.#types = types;
    this.#anyForm = anyForm;
    this.#onUnknown = onUnknown;
  }

  /** `depth` counts messages around this one, across Any too. */
  decode(type: protobuf.Type, bytes: Uint8Array, depth = 0): unknown {
    const reader = protobuf.Reader.create(bytes);
    reader.discardUnknown = false;
    let message: protobuf.Message;
    try {
      message = type.decode(reader);
    } catch (cause) {
      throw new ConfigError('', `is not a valid ${type.fullName.slice(1)}: ${messageOf(cause)}`);
    }
    return this.#message(type, message as unknown as Message, depth);
  }

  #message(type: protobuf.Type, message: Message, depth: number): unknown {
    if (depth > LIMITS.configDepthMax) throw new ConfigError('', `is nested deeper than ${LIMITS.configDepthMax}`);
    this.#reportUnknown(type, message);
    switch (formOf(type)) {
      case 'any': return this.#any(message, depth);
      case 'text': return text(type, message);
      case 'wrapper': return this.#scalar(type.fields['value']!, message['value']);
      case 'struct': return this.#map(type.fields['fields']!, message['fields'] ?? {}, depth);
      case 'list': return this.#list(type.fields['values']!, message['values'] ?? [], depth);
      case 'value': return this.#value(type, message, depth);
      case 'message': return this.#fields(type, message, depth);
    }
  }

  #fields(type: protobuf.Type, message: Message, depth: number): JsonMessage {
    const json: JsonMessage = {};
    for (const key of Object.keys(message)) {
      const field = type.fields[key];
      const value = message[key];
      if (field === undefined || value === null || value === undefined) continue;
      const name = field.jsonName!;
      if (field instanceof protobuf.MapField) {
        if (Object.keys(value).length > 0) json[name] = this.#map(field, value, depth);
      } else if (field.repeated) {
        if ((value as unknown[]).length > 0) json[name] = this.#list(field, value, depth);
      } else {
        json[name] = this.#single(field, value, depth);
      }
    }
    return json;
  }

  #map(field: protobuf.Field, value: unknown, depth: number): JsonMessage {
    const json = Object.create(null) as JsonMessage;
    for (const [key, item] of Object.entries(value as Message)) json[key] = this.#single(field, item, depth);
    return json;
  }

  #list(field: protobuf.Field, value: unknown, depth: number): unknown[] {
    return (value as unknown[]).map((item) => this.#single(field, item, depth));
  }

  #single(field: protobuf.Field, value: unknown, depth: number): unknown {
    const type = field.resolvedType;
    if (type instanceof protobuf.Type) return this.#message(type, (value ?? {}) as Message, depth + 1);
    if (type instanceof protobuf.Enum) return type.valuesById[value as number] ?? value;
    return this.#scalar(field, value);
  }

  #scalar(field: protobuf.Field, present: unknown): unknown {
    const value = present ?? field.typeDefault as unknown;
    switch (field.type) {
      case 'bytes': return Buffer.from(value as Uint8Array).toString('base64');
      case 'int64': case 'uint64': case 'sint64': case 'fixed64': case 'sfixed64': return numberOf(value as Long);
      case 'float': return finite(value as number) ?? shortestFloat(value as number);
      case 'double': return finite(value as number) ?? value;
      default: return value;
    }
  }

  /** google.protobuf.Value is the JSON value itself. */
  #value(type: protobuf.Type, message: Message, depth: number): unknown {
    const key = Object.keys(message).find((name) => type.fields[name] !== undefined) ?? 'nullValue';
    return key === 'nullValue' ? null : this.#single(type.fields[key]!, message[key], depth);
  }

  /** A type that the schema does not know stays as bytes, so that whoever validates can refuse it by its name. */
  #any(message: Message, depth: number): JsonMessage {
    const typeUrl = (message['type_url'] ?? '') as string;
    const bytes = (message['value'] ?? Buffer.alloc(0)) as Uint8Array;
    if (typeUrl === '' && bytes.length === 0) return {};
    if (this.#anyForm === 'opaque') return { '@type': typeUrl, value: bytes };
    const type = this.#types.get(typeNameOf(typeUrl));
    if (type === undefined) return { '@type': typeUrl, value: Buffer.from(bytes).toString('base64') };
    const value = this.decode(type, bytes, depth + 1);
    return formOf(type) === 'message' ? { '@type': typeUrl, ...(value as JsonMessage) } : { '@type': typeUrl, value };
  }

  #reportUnknown(type: protobuf.Type, message: Message): void {
    const unknowns = message['$unknowns'];
    if (!Array.isArray(unknowns)) return;
    for (const bytes of unknowns as Uint8Array[]) {
      this.#onUnknown(type.fullName.slice(1), protobuf.Reader.create(bytes).uint32() >>> 3);
    }
  }
}

/** JSON has no such numbers; proto3 JSON writes them as texts. */
function finite(value: number): string | undefined {
  return Number.isFinite(value) ? undefined : String(value);
}

function text(type: protobuf.Type, message: Message): unknown {
  try {
    return protojson.toJson(type, message);
  } catch (cause) {
    throw new ConfigError('', messageOf(cause));
  }
}
