// Protobuf on the wire, proto3 JSON inside: the one place that turns xDS bytes into the model's shape and back.
import type protobuf from 'protobufjs/light.js';
import { ConfigError } from '../base/error.ts';
import { WireReader } from './wire-read.ts';
import type { AnyForm, JsonMessage } from './wire-read.ts';
import { loadSchema } from './wire-schema.ts';
import type { MessageTypes } from './wire-schema.ts';
import { WireWriter } from './wire-write.ts';

export type { AnyForm, JsonMessage } from './wire-read.ts';

/** An Any as it travels. */
export interface EncodedAny {
  readonly typeUrl: string;
  readonly value: Buffer;
}

/** Field numbers are the peer's choice: more of them than this are not remembered and not told. */
const UNKNOWN_MAX = 1000;

/**
 * Encodes and decodes by the full name of a message, such as `envoy.config.cluster.v3.Cluster`. The JSON is proto3's:
 * camelCase names, enums by name, durations as '0.250s', 64-bit integers as text where a number is not exact, bytes in
 * base64, Any inline with '@type'. Importing this file loads protobufjs: do it by `await import` when it is needed.
 */
export class Wire {
  readonly #types: MessageTypes;
  readonly #warn: (line: string) => void;
  readonly #warned = new Set<string>();

  /** `warn` gets one line for each field number that the schema does not know, once per message and number. */
  constructor(warn: (line: string) => void = () => undefined, types: MessageTypes = loadSchema()) {
    this.#types = types;
    this.#warn = warn;
  }

  /** Whether the schema has a message of this name. */
  knows(typeName: string): boolean {
    return this.#types.has(typeName);
  }

  /** Throws a ConfigError with the field path. Equal JSON gives equal bytes. */
  encode(typeName: string, json: unknown): Buffer {
    return new WireWriter(this.#types).encode(this.#type(typeName), json);
  }

  /** Throws a ConfigError for bytes that are no such message. `any` says how an Any in it appears. */
  decode(typeName: string, bytes: Uint8Array, any: AnyForm = 'inline'): JsonMessage {
    const reader = new WireReader(this.#types, any, (type, field) => this.#unknown(type, field));
    return reader.decode(this.#type(typeName), bytes) as JsonMessage;
  }

  /** From `{ '@type', ...fields }`. */
  encodeAny(json: JsonMessage): EncodedAny {
    const typeUrl = json['@type'];
    if (typeof typeUrl !== 'string') throw new ConfigError('', 'needs @type');
    const { '@type': _type, ...fields } = json;
    return { typeUrl, value: this.encode(typeUrl.slice(typeUrl.lastIndexOf('/') + 1), fields) };
  }

  /** To `{ '@type', ...fields }`. */
  decodeAny({ typeUrl, value }: { readonly typeUrl: string; readonly value: Uint8Array }): JsonMessage {
    return { '@type': typeUrl, ...this.decode(typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value) };
  }

  #type(name: string): protobuf.Type {
    const type = this.#types.get(name);
    if (type !== undefined) return type;
    throw new ConfigError('', `'${name}' is not in the schema`);
  }

  #unknown(type: string, field: number): void {
    const key = `${type} ${field}`;
    if (this.#warned.has(key) || this.#warned.size >= UNKNOWN_MAX) return;
    this.#warned.add(key);
    this.#warn(`${type}: field ${field} is not known to this version and is ignored`);
  }
}
