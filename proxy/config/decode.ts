// Turns unknown data into the model: takes both spellings, checks every field, says what is wrong and where.
import { type Decoded, type Locate, Report } from './decode-report.ts';
import { LIMITS } from './limits.ts';
import { findNearest, nearestName } from './nearest-name.ts';
import { Refusal } from './schema.ts';
import type { AnyNode, ListNode, MapNode, MessageNode, Schema, Spelling, UnhonouredField } from './schema.ts';
import { writtenPath } from './written-path.ts';

/** What a value that cannot be decoded gives; the error is in the report. */
const FAILED = Symbol('failed');
/** What an Any gives that may be left out: whoever needs it is left out too. */
const DROPPED = Symbol('dropped');

const TYPE_PREFIX = 'type.googleapis.com/';
const TYPED_STRUCTS: ReadonlySet<string> = new Set(['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct']);

/**
 * Decodes `input` (parsed JSON or YAML, or what wire.ts makes of protobuf). `path` is put before the paths in errors;
 * `locate` finds the place in a file. Nothing of `input` is kept but texts and numbers.
 */
export function decode<T>(schema: Schema<T>, input: unknown, path = '', locate?: Locate): Decoded<T> {
  const decoder = new Decoder(new Report(path, locate));
  const value = decoder.value(schema, input, 0);
  const { errors, warnings } = decoder.report;
  if (value === DROPPED) decoder.report.fail('has nothing that is supported', []);
  if (errors.length === 0) return { value: value as T, errors: [], warnings };
  return { value: undefined, errors, warnings };
}

type Plain = Record<string, unknown>;

class Decoder {
  readonly report: Report;

  constructor(report: Report) {
    this.report = report;
  }

  value(schema: Schema, input: unknown, depth: number): unknown {
    const node = schema['~node'];
    if (depth > LIMITS.configDepthMax) return this.#fail(`is nested deeper than ${LIMITS.configDepthMax}`);
    switch (node.kind) {
      case 'leaf': return this.#leaf(node.read(input));
      case 'list': return this.#list(node, input, depth);
      case 'map': return this.#map(node, input, depth);
      case 'any': return this.#any(node, input, depth);
      case 'recursive': return this.value(node.target(), input, depth);
      case 'message': return isPlain(input) ? this.#message(node, input, depth) : this.#fail(notAn('an object', input));
    }
  }

  #leaf(value: unknown): unknown {
    return value instanceof Refusal ? this.#fail(value.reason) : value;
  }

  #list(node: ListNode, input: unknown, depth: number): unknown {
    if (!Array.isArray(input)) return this.#fail(notAn('a list', input));
    if (input.length < node.min) return this.#fail(`must have at least ${node.min} entries, has ${input.length}`);
    if (input.length > node.max) return this.#fail(`must have at most ${node.max} entries, has ${input.length}`);
    const items: unknown[] = [];
    for (const [index, item] of input.entries()) {
      const value = this.#child(index, () => this.value(node.item, item, depth + 1));
      if (typeof value !== 'symbol') items.push(value);
    }
    return items;
  }

  #map(node: MapNode, input: unknown, depth: number): unknown {
    if (!isPlain(input)) return this.#fail(notAn('an object', input));
    const entries = Object.create(null) as Plain;
    for (const [key, item] of Object.entries(input)) {
      const value = this.#child(key, () =>
        (key === '__proto__' ? this.#fail('is not allowed as a key') : this.value(node.value, item, depth + 1)));
      if (typeof value !== 'symbol') entries[key] = value;
    }
    return entries;
  }

  #any(node: AnyNode, input: unknown, depth: number): unknown {
    if (!isPlain(input)) return this.#fail(notAn('an object with @type', input));
    if (node.messages.size + node.ignored.size === 0) return this.#empty(node, input);
    const type = Object.hasOwn(input, '@type') ? input['@type'] : undefined;
    if (typeof type !== 'string') return this.#fail(`needs '@type', which says what kind of ${node.place} it is`);
    const name = messageName(type);
    if (!TYPED_STRUCTS.has(name)) return this.#typed(node, name, input, depth, '@type');
    const inner = input['type_url'] ?? input['typeUrl'];
    const value = input['value'] ?? {};
    if (typeof inner !== 'string' || !isPlain(value)) return this.#fail('needs type_url and value');
    return this.#child('value', () => this.#typed(node, messageName(inner), value, depth, undefined));
  }

  #empty({ place }: AnyNode, input: Plain): unknown {
    return Object.keys(input).length === 0 ? {} : this.#fail(`must be empty: ${place}`);
  }

  #typed(node: AnyNode, name: string, input: Plain, depth: number, typeKey: string | undefined): unknown {
    const schema = node.messages.get(name);
    if (schema === undefined) return this.#unknownType(node, name);
    const value = this.#message(schema['~node'], input, depth, typeKey);
    return typeof value === 'symbol' ? value : { '@type': TYPE_PREFIX + name, ...(value as Plain) };
  }

  #unknownType(node: AnyNode, name: string): unknown {
    const reason = node.ignored.get(name) ?? node.ignored.get('*');
    if (reason !== undefined) {
      this.report.warn(`${node.place}/${name}`, `${name} is ignored: ${reason}`);
      return DROPPED;
    }
    const known = [...node.messages.keys()];
    // The packages are long and alike: what distinguishes types is the last part.
    const nearest = findNearest(lastPart(name), known.map(lastPart));
    const meant = known.filter((other) => nearest !== undefined && lastPart(other) === nearest);
    const hint = meant.length > 0 ? `did you mean '${meant[0]!}'?` : `supported: ${known.join(', ')}`;
    return this.#fail(`'${name}' is not supported as ${node.place}; ${hint}`);
  }

  #message(node: MessageNode, input: Plain, depth: number, typeKey?: string): unknown {
    const before = this.report.failures;
    const value: Plain = {};
    const legacy: Plain = {};
    const written = new Map<string, string>();
    for (const key of Object.keys(input)) {
      if (key === typeKey) continue;
      this.report.noteSpelling(key);
      const spelling = node.spellings.get(key);
      if (spelling === undefined) this.#unknownField(node, key);
      else this.#field(node, spelling, key, input[key], { value, legacy, written }, depth);
    }
    if (this.#isDropped(node, value)) return DROPPED;
    this.#requireFields(node, value, input);
    this.#checkGroups(node, written);
    if (this.report.failures > before) return FAILED;
    const refusal = node.fold(value, legacy) ?? node.check(value);
    return refusal === undefined ? value : this.#refuse(refusal, input);
  }

  #field(node: MessageNode, spelling: Spelling, key: string, input: unknown, into: Parts, depth: number): void {
    // JSON's null is an absent field in proto3.
    if (input === null || input === undefined) return;
    const twin = into.written.get(spelling.snake);
    if (twin !== undefined) {
      this.#child(key, () => this.#fail(`is given twice, also as ${twin}`));
      return;
    }
    if ('reason' in spelling) {
      if (isDefault(input)) return;
      into.written.set(spelling.snake, key);
      this.#unhonoured(node, spelling, key);
      return;
    }
    into.written.set(spelling.snake, key);
    const { schema } = spelling.field;
    const value = this.#child(key, () => this.value(schema, input, depth + 1));
    if (value === FAILED) return;
    (spelling.kind === 'legacy' ? into.legacy : into.value)[spelling.key] = value;
  }

  #unhonoured(node: MessageNode, spelling: UnhonouredField, key: string): void {
    this.#child(key, () => {
      if (spelling.kind === 'refused') this.#fail(`is not supported: ${spelling.reason}`);
      else this.report.warn(`${node.name}.${spelling.snake}`, `is ignored: ${spelling.reason}`);
    });
  }

  #unknownField(node: MessageNode, key: string): void {
    const names = new Set<string>();
    for (const spelling of node.spellings.values()) names.add(this.report.snake ? spelling.snake : spelling.key);
    const nearest = nearestName(key, names);
    const hint = nearest === '' && node.fields.size > 0 ? `; known: ${this.#fieldNames(node).join(', ')}` : nearest;
    this.#child(key, () => this.#fail(`unknown field of ${node.name}${hint}`));
  }

  #fieldNames(node: MessageNode): string[] {
    const names = [...node.fields.keys()].map((key) => this.report.spell(node, key));
    return names.length > 12 ? [...names.slice(0, 12), '…'] : names;
  }

  /** A message whose needed part is left out (an ignored filter's configuration) is left out as a whole. */
  #isDropped(node: MessageNode, value: Plain): boolean {
    for (const [key, part] of Object.entries(value)) {
      if (part !== DROPPED) continue;
      if (node.fields.get(key)?.required === true) return true;
      delete value[key];
    }
    return false;
  }

  #requireFields(node: MessageNode, value: Plain, input: Plain): void {
    for (const [key, field] of node.fields) {
      if (!field.required || Object.hasOwn(value, key)) continue;
      const spelling = node.spellings.get(key)!;
      // A field that is there and wrong has its own error already.
      if (isSet(input, spelling.key) || isSet(input, spelling.snake)) continue;
      if (node.groups.some((group) => group.required && group.members.includes(spelling.snake))) continue;
      this.#fail(`needs ${this.report.spell(node, key)} (${field.description.replace(/\.$/, '')})`);
    }
  }

  #checkGroups(node: MessageNode, written: ReadonlyMap<string, string>): void {
    for (const { members, required } of node.groups) {
      const set = members.filter((member) => written.has(member)).map((member) => written.get(member)!);
      if (set.length > 1) this.#fail(`must have only one of ${set.join(', ')}`);
      if (set.length > 0 || !required) continue;
      const supported = members.map((member) => node.spellings.get(member)).filter((spelling) => spelling !== undefined)
        .filter(({ kind }) => kind === 'field').map(({ key }) => this.report.spell(node, key));
      this.#fail(supported.length === 1 ? `needs ${supported[0]!}` : `needs one of ${supported.join(', ')}`);
    }
  }

  /** A refusal of a whole message: its path is in the model's spelling and becomes the writer's. */
  #refuse({ reason, at }: Refusal, input: unknown): typeof FAILED {
    this.report.fail(reason, writtenPath(input, at));
    return FAILED;
  }

  #fail(reason: string): typeof FAILED {
    this.report.fail(reason, []);
    return FAILED;
  }

  #child<R>(segment: string | number, step: () => R): R {
    this.report.path.push(segment);
    const result = step();
    this.report.path.pop();
    return result;
  }
}

/** Where a message's fields are collected; `written` maps Envoy's names to the spelling that was used. */
interface Parts {
  readonly value: Plain;
  readonly legacy: Plain;
  readonly written: Map<string, string>;
}

function isPlain(input: unknown): input is Plain {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

function isSet(input: Plain, key: string): boolean {
  return Object.hasOwn(input, key) && input[key] !== null && input[key] !== undefined;
}

/** proto3's default of a scalar says the same as leaving the field out. */
function isDefault(input: unknown): boolean {
  if (Array.isArray(input)) return input.length === 0;
  return input === false || input === 0 || input === '' || input === '0s';
}

function messageName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function notAn(what: string, input: unknown): string {
  if (input === null) return `must be ${what}, is null`;
  if (Array.isArray(input)) return `must be ${what}, is a list`;
  return `must be ${what}, is ${isPlain(input) ? 'an object' : `a ${typeof input}`}`;
}
