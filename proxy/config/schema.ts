// How a resource is declared: one declaration gives its static type, its validator (decode.ts) and its JSON Schema.
import type { TUnsafe } from 'typebox';

/** What the decoder does with a value; hidden from the JSON Schema, as TypeBox hides its own marks. */
export type Node = LeafNode | ListNode | MapNode | MessageNode | AnyNode | RecursiveNode;

/** A TypeBox schema of static type T with the decoder's node on it. */
export interface Schema<T = unknown> extends TUnsafe<T> {
  readonly '~node': Node;
}

/** The type of the values that a schema admits. */
export type Static<S extends { '~unsafe': unknown }> = S['~unsafe'];

/** Why a value is refused; `at` is the path below the value, when the fault lies deeper. */
export class Refusal {
  readonly reason: string;
  readonly at: readonly (string | number)[];

  constructor(reason: string, at: readonly (string | number)[] = []) {
    this.reason = reason;
    this.at = at;
  }

  /** The same refusal, seen from further up. */
  under(...path: (string | number)[]): Refusal {
    return new Refusal(this.reason, [...path, ...this.at]);
  }
}

export interface LeafNode {
  readonly kind: 'leaf';
  /** The value in its one canonical form, or why it is none. */
  read(input: unknown): unknown;
}

export interface ListNode {
  readonly kind: 'list';
  readonly item: Schema;
  readonly min: number;
  readonly max: number;
}

export interface MapNode {
  readonly kind: 'map';
  readonly value: Schema;
}

export interface RecursiveNode {
  readonly kind: 'recursive';
  target(): Schema;
}

export interface AnyNode {
  readonly kind: 'any';
  /** What stands here, for errors: 'HTTP filter'. */
  readonly place: string;
  readonly messages: ReadonlyMap<string, MessageSchema>;
  /** Full names that may stand here and are dropped, each with the reason why that is harmless. */
  readonly ignored: ReadonlyMap<string, string>;
}

export interface MessageNode {
  readonly kind: 'message';
  readonly name: string;
  readonly fields: ReadonlyMap<string, Field>;
  /** Every known spelling of every field, to what is known of it. */
  readonly spellings: ReadonlyMap<string, Spelling>;
  readonly groups: readonly OneOf[];
  check(value: Record<string, unknown>): Refusal | undefined;
  fold(value: Record<string, unknown>, legacy: Record<string, unknown>): Refusal | undefined;
}

/** One name that may be written: a field, an old spelling of one, or a field of Envoy's that weft does not honour. */
export type Spelling = KnownField | UnhonouredField;

export interface KnownField {
  readonly kind: 'field' | 'legacy';
  readonly key: string;
  readonly snake: string;
  readonly field: Field;
}

export interface UnhonouredField {
  readonly kind: 'warned' | 'refused';
  readonly key: string;
  readonly snake: string;
  readonly reason: string;
}

/** One field of a message. `snake` is Envoy's spelling where it cannot be derived from the camelCase key. */
export interface Field<T = unknown, Required extends boolean = boolean> {
  readonly schema: Schema<T>;
  readonly description: string;
  readonly required: Required;
  readonly snake: string | undefined;
  /** Never printed. */
  readonly secret: boolean;
}

/** Fields of which at most one, or exactly one, is set; named in Envoy's spelling. */
export interface OneOf {
  readonly members: readonly string[];
  readonly required: boolean;
}

export type Fields = Record<string, Field>;

type RequiredKeys<F> = { [K in keyof F]: F[K] extends Field<unknown, true> ? K : never }[keyof F];
type ValueOf<F> = F extends Field<infer T> ? T : never;

/** The plain object that a message decodes to. */
export type MessageValue<F> =
  & { [K in RequiredKeys<F>]: ValueOf<F[K]> }
  & { [K in Exclude<keyof F, RequiredKeys<F>>]?: ValueOf<F[K]> };

/** A message; `Name` is its full protobuf name. */
export interface MessageSchema<Name extends string = string, T = unknown> extends Schema<T> {
  readonly '~name': Name;
  readonly '~node': MessageNode;
}

/** Names by reason: `{ 'HTTP/3 is not supported': ['http3_protocol_options'] }`. */
export type NamesByReason = Readonly<Record<string, readonly string[]>>;

export interface MessageOptions<F, L> {
  /** Fields of Envoy's that are ignored with a warning, because nothing but comfort is lost; by reason. */
  readonly warned?: NamesByReason;
  /** Fields of Envoy's that are refused, because ignoring them would change behaviour or security; by reason. */
  readonly refused?: NamesByReason;
  readonly oneOf?: readonly OneOf[];
  /** Old spellings: decoded, then folded into the current fields, so that nobody else knows them. */
  readonly legacy?: L;
  fold?(value: MessageValue<F>, legacy: MessageValue<L>): Refusal | undefined;
  /** Rules that involve several fields. */
  check?(value: MessageValue<F>): Refusal | undefined;
}

export function optional<T>(schema: Schema<T>, description: string, snake?: string): Field<T, false> {
  return { schema, description, required: false, snake, secret: false };
}

export function required<T>(schema: Schema<T>, description: string, snake?: string): Field<T, true> {
  return { schema, description, required: true, snake, secret: false };
}

/** Marks a field whose value config_dump must not show. */
export function secret<F extends Field>(field: F): F {
  return { ...field, secret: true };
}

export function exactlyOne(...members: string[]): OneOf {
  return { members, required: true };
}

export function atMostOne(...members: string[]): OneOf {
  return { members, required: false };
}

/**
 * What TypeBox's `Type.Unsafe` makes of the keywords, with its node on it; loading TypeBox for that would cost every
 * process 17 MB. Used by this file and scalar.ts only.
 */
export function schemaOf<T, N extends Node>(keywords: object, node: N): Schema<T> & { readonly '~node': N } {
  const marks = { '~unsafe': { value: null, configurable: true, writable: true }, '~node': { value: node } };
  return Object.defineProperties({ ...keywords }, marks) as Schema<T> & { readonly '~node': N };
}

export function list<T>(item: Schema<T>, bounds: { min?: number; max?: number } = {}): Schema<T[]> {
  const { min = 0, max = Infinity } = bounds;
  const keywords = { type: 'array', ...(min > 0 && { minItems: min }), ...(max < Infinity && { maxItems: max }) };
  return schemaOf(keywords, { kind: 'list', item, min, max });
}

/** A map with foreign keys: a null-prototype object after decode. Read it with Object.entries, not by foreign names. */
export function map<T>(value: Schema<T>): Schema<Record<string, T>> {
  return schemaOf({ type: 'object' }, { kind: 'map', value });
}

/** A schema that is declared later in the file; T must be an interface, which TypeScript resolves late. */
export function recursive<T>(target: () => Schema): Schema<T> {
  return schemaOf({}, { kind: 'recursive', target });
}

/** The value of an Any that holds one of these messages: `{ '@type': …, ...fields }`. */
export type AnyValue<M> = M extends MessageSchema<infer Name, infer T>
  ? { '@type': `type.googleapis.com/${Name}` } & T
  : never;

/**
 * `place` says what stands here; `ignored` lists full names that may stand here and are dropped, with the reason; `*`
 * is all that nobody knows.
 */
export function any<const M extends readonly MessageSchema[]>(
  place: string,
  messages: M,
  ignored: Readonly<Record<string, string>> = {},
): Schema<AnyValue<M[number]>> {
  const byName = new Map(messages.map((message) => [message['~name'], message]));
  const node: AnyNode = { kind: 'any', place, messages: byName, ignored: new Map(Object.entries(ignored)) };
  return schemaOf({ type: 'object' }, node);
}

/** An Any that must be there and hold nothing. */
export function emptyAny(place: string): Schema<Record<string, never>> {
  return any(place, []) as Schema<Record<string, never>>;
}

/** Declares a message by its full protobuf name, its fields in camelCase. */
export function message<const Name extends string, F extends Fields, L extends Fields = Record<never, never>>(
  name: Name,
  fields: F,
  options: MessageOptions<F, L> = {},
): MessageSchema<Name, { [K in keyof MessageValue<F>]: MessageValue<F>[K] }> {
  const node: MessageNode = {
    kind: 'message',
    name,
    fields: new Map(Object.entries(fields)),
    spellings: spellingsOf(fields, options),
    groups: options.oneOf ?? [],
    check: (value) => options.check?.(value as MessageValue<F>),
    fold: (value, legacy) => options.fold?.(value as MessageValue<F>, legacy as MessageValue<L>),
  };
  const schema = schemaOf<MessageValue<F>, MessageNode>({ type: 'object', title: name }, node);
  return Object.defineProperty(schema, '~name', { value: name }) as unknown as
    MessageSchema<Name, { [K in keyof MessageValue<F>]: MessageValue<F>[K] }>;
}

function spellingsOf<F extends Fields, L extends Fields>(
  fields: F,
  options: MessageOptions<F, L>,
): Map<string, Spelling> {
  const spellings = new Map<string, Spelling>();
  const add = (spelling: Spelling): void => {
    spellings.set(spelling.key, spelling);
    spellings.set(spelling.snake, spelling);
  };
  for (const [kind, reasons] of [['warned', options.warned], ['refused', options.refused]] as const) {
    for (const [reason, names] of Object.entries(reasons ?? {})) {
      for (const snake of names) add({ kind, key: camelCase(snake), snake, reason });
    }
  }
  for (const [kind, declared] of [['legacy', options.legacy], ['field', fields]] as const) {
    for (const [key, field] of Object.entries(declared ?? {})) {
      add({ kind, key, snake: field.snake ?? snakeCase(key), field });
    }
  }
  return spellings;
}

/** `http2_protocol_options` -> `http2ProtocolOptions`, as protobuf's JSON names. */
export function camelCase(snake: string): string {
  return snake.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** The reverse, which cannot know an underscore before a digit: such fields declare their spelling. */
export function snakeCase(camel: string): string {
  return camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
