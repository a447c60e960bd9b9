// Leaves of the data model: proto3's scalars and well-known types in their JSON form, with Envoy's constraints.
import { DURATION_SECONDS_MAX, durationMs } from './duration.ts';
import { Refusal, schemaOf, type Schema } from './schema.ts';

export interface StringRules {
  readonly minLength?: number;
  /** In bytes of UTF-8. */
  readonly maxBytes?: number;
  /** Any text that is not this is refused with this word for what was expected. */
  readonly form?: StringForm;
  readonly oneOf?: readonly string[];
}

/** `header-name`: an HTTP token, or a pseudo-header; `header-value`: no NUL, CR or LF. */
export type StringForm = 'header-name' | 'header-value';

export interface NumberRules {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

/** Bounds in seconds. */
export interface DurationRules {
  readonly above?: number;
  readonly atLeast?: number;
}

export interface EnumRules {
  /** Values of Envoy's that weft does not honour, with the reason. */
  readonly refused?: Readonly<Record<string, string>>;
  /** First number, where the enum does not count from 0. */
  readonly numbers?: Readonly<Record<string, number>>;
}

function leaf<T>(keywords: object, read: (input: unknown) => unknown): Schema<T> {
  return schemaOf<T, { kind: 'leaf'; read: typeof read }>(keywords, { kind: 'leaf', read });
}

/** Envoy's YAML does not tell true from "true". */
export function bool(): Schema<boolean> {
  return leaf({ type: 'boolean' }, (input) => {
    if (input === 'true' || input === 'false') return input === 'true';
    return typeof input === 'boolean' ? input : expected('true or false', input);
  });
}

export function string(rules: StringRules = {}): Schema<string> {
  const { minLength = 0, maxBytes = Infinity, form, oneOf } = rules;
  const keywords = {
    type: 'string',
    ...(minLength > 0 && { minLength }),
    ...(maxBytes < Infinity && { maxLength: maxBytes }),
    ...(oneOf !== undefined && { enum: oneOf }),
  };
  return leaf(keywords, (input) => {
    // The value is not shown: it may be a password that looks like a number.
    if (typeof input !== 'string') return new Refusal(`must be text; a ${typeof input} must be quoted`);
    if (input.length < minLength) return new Refusal('must not be empty');
    if (Buffer.byteLength(input) > maxBytes) return new Refusal(`is longer than ${maxBytes} bytes`);
    if (oneOf !== undefined && !oneOf.includes(input)) return new Refusal(`must be one of ${oneOf.join(', ')}`);
    if (form === undefined || FORMS[form].test(input)) return input;
    return new Refusal(`is not a valid HTTP ${form.replace('-', ' ')}`);
  });
}

const FORMS: Readonly<Record<StringForm, RegExp>> = {
  'header-name': /^:?[!#$%&'*+\-.^_`|~0-9A-Za-z]*$/,
  // oxlint-disable-next-line no-control-regex -- these three are what must not be there
  'header-value': /^[^\0\r\n]*$/,
};

/** HTTP header name; Envoy's HTTP_HEADER_NAME. */
export function headerName(): Schema<string> {
  return string({ minLength: 1, form: 'header-name' });
}

export function headerValue(): Schema<string> {
  return string({ form: 'header-value' });
}

export function uint32(rules: NumberRules = {}): Schema<number> {
  return integer({ minimum: 0, maximum: 4_294_967_295, ...rules });
}

export function int32(rules: NumberRules = {}): Schema<number> {
  return integer({ minimum: -2_147_483_648, maximum: 2_147_483_647, ...rules });
}

/** Beyond 2^53 a number is refused rather than rounded. */
export function uint64(rules: NumberRules = {}): Schema<number> {
  return integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, ...rules });
}

export function int64(): Schema<number> {
  return integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });
}

function integer(rules: NumberRules): Schema<number> {
  return leaf({ type: 'integer', ...rules }, (input) => {
    const value = typeof input === 'string' && /^-?(0|[1-9][0-9]{0,19})$/.test(input) ? Number(input) : input;
    if (typeof value !== 'number' || !Number.isInteger(value)) return expected('a whole number', input);
    return outside(value, rules) ?? (value === 0 ? 0 : value);
  });
}

export function double(rules: NumberRules = {}): Schema<number> {
  return leaf({ type: 'number', ...rules }, (input) => {
    const value = typeof input === 'string' && /^-?[0-9]{1,20}(\.[0-9]{1,20})?$/.test(input) ? Number(input) : input;
    if (typeof value !== 'number' || !Number.isFinite(value)) return expected('a number', input);
    return outside(value, rules) ?? value;
  });
}

function outside(value: number, rules: NumberRules): Refusal | undefined {
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum = -Infinity } = rules;
  if (value < minimum) return new Refusal(`must be at least ${minimum}, is ${value}`);
  if (value <= exclusiveMinimum) return new Refusal(`must be more than ${exclusiveMinimum}, is ${value}`);
  return value > maximum ? new Refusal(`must be at most ${maximum}, is ${value}`) : undefined;
}

/** The names of a protobuf enum in the order of their numbers, from 0; numbers are accepted and become names. */
export function enumeration<const V extends readonly string[]>(names: V, rules: EnumRules = {}): Schema<V[number]> {
  const { refused = {}, numbers = {} } = rules;
  const byNumber = new Map(Object.entries(numbers).map(([name, number]) => [number, name]));
  if (byNumber.size === 0) names.forEach((name, number) => byNumber.set(number, name));
  return leaf({ type: 'string', enum: names }, (input) => {
    const name = typeof input === 'number' ? byNumber.get(input) : input;
    if (typeof name !== 'string') return expected(`one of ${names.join(', ')}`, input);
    if (names.includes(name)) return name;
    if (Object.hasOwn(refused, name)) return new Refusal(`${name} is not supported: ${refused[name]!}`);
    return new Refusal(`unknown value '${clip(name)}'; must be one of ${names.join(', ')}`);
  });
}

/** `1.5s`. Negative ones are refused everywhere, as by Envoy. */
export function duration(rules: DurationRules = {}): Schema<string> {
  const { above, atLeast = 0 } = rules;
  const keywords = { type: 'string', pattern: '^[0-9]+(\\.[0-9]{1,9})?s$' };
  return leaf(keywords, (input) => {
    const ms = typeof input === 'string' ? durationMs(input) : undefined;
    if (ms === undefined) return expected(`a duration in seconds like '1.5s', up to ${DURATION_SECONDS_MAX}s`, input);
    if (above !== undefined && ms <= above * 1000) return new Refusal(`must be longer than ${above}s`);
    if (ms < atLeast * 1000) return new Refusal(`must be at least ${atLeast}s`);
    return input;
  });
}

/** Base64, standard or URL-safe; canonical is standard with padding. */
export function bytes(): Schema<string> {
  return leaf({ type: 'string', contentEncoding: 'base64' }, (input) => {
    // What is wrong is not shown: it may be a key.
    const isBase64 = typeof input === 'string' && /^[A-Za-z0-9+/\-_]*={0,2}$/.test(input);
    return isBase64 ? Buffer.from(input, 'base64').toString('base64') : new Refusal('must be base64 text');
  });
}

/** google.protobuf.Struct: any JSON object, kept as it is with null-prototype objects. */
export function struct(): Schema<Record<string, unknown>> {
  return leaf({ type: 'object' }, (input) => {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) return expected('an object', input);
    return copyJson(input, 0);
  });
}

const STRUCT_DEPTH_MAX = 60;

function copyJson(input: unknown, depth: number): unknown {
  if (depth > STRUCT_DEPTH_MAX) return new Refusal(`is nested deeper than ${STRUCT_DEPTH_MAX}`);
  if (Array.isArray(input)) return collect(input.map((item) => copyJson(item, depth + 1)));
  if (typeof input !== 'object' || input === null) {
    return typeof input === 'bigint' || input === undefined ? expected('JSON', input) : input;
  }
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(input)) {
    if (key === '__proto__') return new Refusal(`must not have a key '__proto__'`);
    const member = copyJson(value, depth + 1);
    if (member instanceof Refusal) return member;
    copy[key] = member;
  }
  return copy;
}

function collect(items: unknown[]): unknown {
  return items.find((item) => item instanceof Refusal) ?? items;
}

/** An empty message, whose presence is the value. */
export function flag(): Schema<Record<string, never>> {
  return leaf({ type: 'object', maxProperties: 0 }, (input) => {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) return expected('an empty object', input);
    const [first] = Object.keys(input);
    return first === undefined ? {} : new Refusal(`has no fields, but '${clip(first)}' is set`);
  });
}

function expected(what: string, input: unknown): Refusal {
  return new Refusal(`must be ${what}, is ${shown(input)}`);
}

/** A value in an error message. */
function shown(input: unknown): string {
  if (typeof input === 'string') return `'${clip(input)}'`;
  if (Array.isArray(input)) return 'a list';
  return typeof input === 'object' && input !== null ? 'an object' : String(input);
}

function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
