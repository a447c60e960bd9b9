// From proto3 JSON to what protobufjs encodes; every error says which field, in the path of what was given.
import protobuf from 'protobufjs/light.js';
import protojson from 'protobufjs/ext/protojson.js';
import { ConfigError } from '../base/error.ts';
import { pathText } from './decode-report.ts';
import { LIMITS } from './limits.ts';
import type { MessageTypes } from './wire-schema.ts';
import { formOf, typeNameOf } from './wire-well-known.ts';

type Json = Record<string, unknown>;

const INTEGERS: ReadonlyMap<string, readonly [bigint, bigint]> = new Map([
  ...['int32', 'sint32', 'sfixed32'].map((type) => [type, [-(2n ** 31n), 2n ** 31n - 1n]] as const),
  ...['uint32', 'fixed32'].map((type) => [type, [0n, 2n ** 32n - 1n]] as const),
  ...['int64', 'sint64', 'sfixed64'].map((type) => [type, [-(2n ** 63n), 2n ** 63n - 1n]] as const),
  ...['uint64', 'fixed64'].map((type) => [type, [0n, 2n ** 64n - 1n]] as const),
]);

/** Encodes one value; equal values give equal bytes, whatever the order of keys in maps. */
export class WireWriter {
  readonly #types: MessageTypes;
  readonly #path: (string | number)[] = [];
  #depth = 0;

  constructor(types: MessageTypes) {
    this.#types = types;
  }

  /** Throws a ConfigError. */
  encode(type: protobuf.Type, json: unknown): Buffer {
    return Buffer.from(type.encode(this.#message(type, json)).finish());
  }

  #message(type: protobuf.Type, json: unknown): Json {
    if (this.#depth > LIMITS.configDepthMax) throw this.#error(`is nested deeper than ${LIMITS.configDepthMax}`);
    this.#depth++;
    const message = this.#form(type, json);
    this.#depth--;
    return message;
  }

  #form(type: protobuf.Type, json: unknown): Json {
    switch (formOf(type)) {
      case 'any': return this.#any(json);
      case 'text': return this.#text(type, json);
      case 'wrapper': return { value: this.#scalar(type.fields['value']!, json) };
      case 'struct': return { fields: this.#map(type.fields['fields']!, json) };
      case 'list': return { values: this.#list(type.fields['values']!, json) };
      case 'value': return this.#value(type, json);
      case 'message': return this.#fields(type, this.#object(json), undefined);
    }
  }

  #fields(type: protobuf.Type, json: Json, typeKey: string | undefined): Json {
    const message: Json = {};
    const chosen = new Map<protobuf.OneOf, string>();
    for (const [key, value] of Object.entries(json)) {
      if (key === typeKey || value === undefined) continue;
      this.#within(key, () => {
        const field = this.#field(type, key);
        if (value === null && field.resolvedType?.fullName !== '.google.protobuf.Value') return;
        const other = field.partOf === null ? undefined : chosen.get(field.partOf);
        if (other !== undefined) throw this.#error(`cannot be set together with ${other}`);
        if (field.partOf !== null) chosen.set(field.partOf, key);
        message[field.name] = this.#content(field, value);
      });
    }
    return message;
  }

  #field(type: protobuf.Type, key: string): protobuf.Field {
    // Names differ from protobufjs's only around digits (consecutive_5xx).
    const alike = type.fields[key];
    const field = alike?.jsonName === key ? alike : type.fieldsArray.find(({ jsonName }) => jsonName === key);
    if (field !== undefined) return field;
    throw this.#error(`is no field of ${type.fullName.slice(1)}`);
  }

  #content(field: protobuf.Field, json: unknown): unknown {
    if (field instanceof protobuf.MapField) return this.#map(field, json);
    return field.repeated ? this.#list(field, json) : this.#single(field, json);
  }

  #map(field: protobuf.Field, json: unknown): Json {
    const map = Object.create(null) as Json;
    const object = this.#object(json);
    for (const key of Object.keys(object).toSorted()) {
      map[key] = this.#within(key, () => this.#single(field, object[key]));
    }
    return map;
  }

  #list(field: protobuf.Field, json: unknown): unknown[] {
    if (!Array.isArray(json)) throw this.#error('must be a list');
    return json.map((item, index) => this.#within(index, () => this.#single(field, item)));
  }

  #single(field: protobuf.Field, json: unknown): unknown {
    const type = field.resolvedType;
    if (type instanceof protobuf.Type) return this.#message(type, json);
    if (type instanceof protobuf.Enum) return this.#enum(type, json);
    return this.#scalar(field, json);
  }

  #enum(type: protobuf.Enum, json: unknown): number {
    if (typeof json === 'number' && Number.isInteger(json)) return json;
    if (typeof json === 'string' && Object.hasOwn(type.values, json)) return type.values[json]!;
    throw this.#error(`must be a name of ${type.fullName.slice(1)}, is ${shown(json)}`);
  }

  #scalar(field: protobuf.Field, json: unknown): unknown {
    switch (field.type) {
      case 'string':
        if (typeof json === 'string') return json;
        throw this.#error(`must be a text, is ${shown(json)}`);
      case 'bool':
        if (typeof json === 'boolean') return json;
        throw this.#error(`must be true or false, is ${shown(json)}`);
      case 'bytes': return this.#bytes(json);
      case 'float': case 'double': return this.#decimal(json);
      default: return this.#integer(field.type, json);
    }
  }

  #bytes(json: unknown): Uint8Array {
    if (json instanceof Uint8Array) return json;
    if (typeof json === 'string') return Buffer.from(json, 'base64');
    throw this.#error(`must be bytes in base64, is ${shown(json)}`);
  }

  #decimal(json: unknown): number {
    if (typeof json === 'number') return json;
    if (json === 'NaN' || json === 'Infinity' || json === '-Infinity') return Number(json);
    throw this.#error(`must be a number, is ${shown(json)}`);
  }

  #integer(type: string, json: unknown): unknown {
    const digits = typeof json === 'number' && Number.isSafeInteger(json) ? String(json) : json;
    if (typeof digits !== 'string' || !/^-?\d{1,20}$/.test(digits)) {
      throw this.#error(`must be a whole number, is ${shown(json)}`);
    }
    const value = BigInt(digits);
    const [least, most] = INTEGERS.get(type)!;
    if (value < least || value > most) throw this.#error(`is out of the range of ${type}: ${digits}`);
    if (most < 2n ** 32n) return Number(value);
    return longOf(value, least === 0n);
  }

  #value(type: protobuf.Type, json: unknown): Json {
    if (json === null) return { nullValue: 0 };
    switch (typeof json) {
      case 'number': return { numberValue: this.#decimal(json) };
      case 'string': return { stringValue: json };
      case 'boolean': return { boolValue: json };
      default: break;
    }
    const key = Array.isArray(json) ? 'listValue' : 'structValue';
    return { [key]: this.#single(type.fields[key]!, json) };
  }

  /** Bytes, or a text where the schema does not know the type, are taken as they are. */
  #any(json: unknown): Json {
    const object = this.#object(json);
    if (Object.keys(object).length === 0) return {};
    const typeUrl = object['@type'];
    if (typeof typeUrl !== 'string' || typeUrl === '') throw this.#error('needs @type');
    const { value } = object;
    if (value instanceof Uint8Array) return { type_url: typeUrl, value };
    const type = this.#types.get(typeNameOf(typeUrl));
    if (type !== undefined) return { type_url: typeUrl, value: this.#inline(type, object) };
    if (typeof value === 'string') return { type_url: typeUrl, value: this.#bytes(value) };
    throw this.#error(`'${typeUrl}' is not in the schema`);
  }

  #inline(type: protobuf.Type, object: Json): Uint8Array {
    const isPlain = formOf(type) === 'message';
    const message = isPlain ? this.#fields(type, object, '@type') : this.#form(type, object['value']);
    return type.encode(message).finish();
  }

  #text(type: protobuf.Type, json: unknown): Json {
    try {
      return protojson.fromJson(type, json) as unknown as Json;
    } catch {
      throw this.#error(`is no ${type.name.toLowerCase()}: ${shown(json)}`);
    }
  }

  #object(json: unknown): Json {
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
    throw this.#error(`must be an object, is ${shown(json)}`);
  }

  #within<T>(segment: string | number, step: () => T): T {
    this.#path.push(segment);
    const result = step();
    this.#path.pop();
    return result;
  }

  #error(reason: string): ConfigError {
    return new ConfigError(pathText(this.#path), reason);
  }
}

/** The two halves are what protobufjs writes. */
function longOf(value: bigint, unsigned: boolean): object {
  const bits = BigInt.asUintN(64, value);
  return { low: Number(bits & 0xffff_ffffn) | 0, high: Number(bits >> 32n) | 0, unsigned };
}

function shown(json: unknown): string {
  const text = JSON.stringify(json) ?? typeof json;
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
