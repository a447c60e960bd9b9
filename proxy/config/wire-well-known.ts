// The messages that proto3 JSON writes in a form of their own: durations, times, wrappers, Struct and its parts.
import type protobuf from 'protobufjs/light.js';

/** How a message appears in JSON; `message` is what has no special form. */
export type WireForm = 'message' | 'text' | 'wrapper' | 'struct' | 'value' | 'list' | 'any';

const PREFIX = '.google.protobuf.';

const FORMS: ReadonlyMap<string, WireForm> = new Map<string, WireForm>([
  ['Any', 'any'],
  ['Duration', 'text'],
  ['Timestamp', 'text'],
  ['FieldMask', 'text'],
  ['Struct', 'struct'],
  ['Value', 'value'],
  ['ListValue', 'list'],
  ...['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes']
    .map((name) => [`${name}Value`, 'wrapper'] as const),
]);

export function formOf(type: protobuf.Type): WireForm {
  const name = type.fullName;
  return name.startsWith(PREFIX) ? (FORMS.get(name.slice(PREFIX.length)) ?? 'message') : 'message';
}

/** `envoy.config.cluster.v3.Cluster` of `type.googleapis.com/envoy.config.cluster.v3.Cluster`. */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

/** What protobufjs makes of 64-bit integers. */
export interface Long {
  toNumber(): number;
  toString(): string;
}

/** A number where it is exact, and the digits as text where it is not. */
export function numberOf(long: Long | number): number | string {
  const value = typeof long === 'number' ? long : long.toNumber();
  return Number.isSafeInteger(value) ? value : long.toString();
}

/** The shortest decimal that means the same float, as protobuf prints it: 0.1 and not 0.10000000149011612. */
export function shortestFloat(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}
