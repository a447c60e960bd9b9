// Header changes of one level of configuration (envoy.config.core.v3.HeaderValueOption, lists of names to remove).
import { ConfigError } from '../base/error.ts';
import { SINGLE_IN_REQUESTS, SINGLE_IN_RESPONSES } from '../base/single-field.ts';
import type { HeaderValueOption } from '../config/header-value-option.ts';
import type { Headers } from '../http/headers.ts';
import type { CompiledFormat } from '../telemetry/formatter.ts';
import { compileFormat } from '../telemetry/formatter.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { HeaderOperations } from './route-entry.ts';

/** Made anew by each hop's codec (RFC 9110 section 7.6.1, RFC 9112 section 6); configuration cannot set them. */
export const FRAMING: ReadonlySet<string> = new Set([
  'connection', 'content-length', 'expect', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding',
  'upgrade',
]);

const Action = { append: 0, addIfAbsent: 1, overwrite: 2, overwriteIfExists: 3 } as const;
type Action = (typeof Action)[keyof typeof Action];

const ACTIONS: Readonly<Record<NonNullable<HeaderValueOption['appendAction']>, Action>> = {
  APPEND_IF_EXISTS_OR_ADD: Action.append,
  ADD_IF_ABSENT: Action.addIfAbsent,
  OVERWRITE_IF_EXISTS_OR_ADD: Action.overwrite,
  OVERWRITE_IF_EXISTS: Action.overwriteIfExists,
};

interface Addition {
  readonly name: string;
  readonly action: Action;
  /** Appending joins with what is there. */
  readonly joins: boolean;
  readonly keepEmpty: boolean;
  readonly value: CompiledFormat;
}

/** The lists of a level, on requests and on responses. */
export interface HeaderChangeFields {
  readonly requestHeadersToAdd?: readonly HeaderValueOption[];
  readonly requestHeadersToRemove?: readonly string[];
  readonly responseHeadersToAdd?: readonly HeaderValueOption[];
  readonly responseHeadersToRemove?: readonly string[];
}

/** Compiles a level's changes of requests; undefined when there are none. Throws ConfigError below `path`. */
export function compileRequestHeaders(fields: HeaderChangeFields, path: string): HeaderOperations | undefined {
  const at = fieldPath(path, 'requestHeadersTo');
  return compileOperations(fields.requestHeadersToAdd, fields.requestHeadersToRemove, SINGLE_IN_REQUESTS, at);
}

/** As compileRequestHeaders, of responses. */
export function compileResponseHeaders(fields: HeaderChangeFields, path: string): HeaderOperations | undefined {
  const at = fieldPath(path, 'responseHeadersTo');
  return compileOperations(fields.responseHeadersToAdd, fields.responseHeadersToRemove, SINGLE_IN_RESPONSES, at);
}

/** `''` is the resource itself. */
function fieldPath(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}

function compileOperations(
  add: readonly HeaderValueOption[] | undefined,
  remove: readonly string[] | undefined,
  joined: ReadonlySet<string>,
  path: string,
): HeaderOperations | undefined {
  const additions = (add ?? []).map((option, i) => compileAddition(option, joined, `${path}Add[${i}].header`));
  const removals = (remove ?? []).map((name, i) => checkedName(name, `${path}Remove[${i}]`));
  return additions.length + removals.length === 0 ? undefined : new CompiledOperations(additions, removals);
}

function compileAddition(option: HeaderValueOption, joined: ReadonlySet<string>, path: string): Addition {
  const name = checkedName(option.header.key, `${path}.key`);
  const value = checkedValue(option.header.value ?? '', `${path}.value`);
  return {
    name,
    joins: joined.has(name),
    action: ACTIONS[option.appendAction ?? 'APPEND_IF_EXISTS_OR_ADD'],
    keepEmpty: option.keepEmptyValue === true,
    value: compileFormat(value, { path: `${path}.value`, omitEmptyValues: true }),
  };
}

function checkedName(name: string, path: string): string {
  const lower = name.toLowerCase();
  if (lower === 'host' || lower.startsWith(':')) {
    throw new ConfigError(path, `'${name}' is no header here: use hostRewriteLiteral, prefixRewrite or regexRewrite`);
  }
  if (FRAMING.has(lower)) throw new ConfigError(path, `'${name}' belongs to one connection: the proxy makes it anew`);
  if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(lower)) throw new ConfigError(path, `'${name}' is not an HTTP header name`);
  return lower;
}

function checkedValue(value: string, path: string): string {
  // oxlint-disable-next-line no-control-regex -- what ends a header line must not be in one (S49)
  if (/[\0\r\n]/.test(value)) throw new ConfigError(path, 'must have no NUL, CR or LF');
  return value;
}

class CompiledOperations implements HeaderOperations {
  readonly dynamic: boolean;
  readonly retypes: boolean;
  readonly #additions: readonly Addition[];
  readonly #removals: readonly string[];
  /** One addition asks for a header that another one changes. */
  readonly #foresees: boolean;

  constructor(additions: readonly Addition[], removals: readonly string[]) {
    this.#additions = additions;
    this.#foresees = additions.some((one) => isConditional(one)
      && additions.some((other) => other !== one && other.name === one.name));
    this.#removals = removals;
    this.retypes = removals.includes('content-type') || additions.some(({ name }) => name === 'content-type');
    this.dynamic = additions.some(({ value }) => value.dynamic);
  }

  /** Removes, then overwrites, then adds, as Envoy does. */
  apply(headers: Headers, info: StreamInfo): void {
    for (const name of this.#removals) headers.remove(name);
    // Values that read headers are all made before one is changed: they are about the message as it came.
    const values = this.dynamic ? this.#additions.map(({ value }) => value.format(info)) : undefined;
    // So is what is there or not.
    const wanted = this.#foresees ? this.#additions.map((addition) => isWanted(headers, addition)) : undefined;
    this.#pass(headers, info, values, wanted, true);
    this.#pass(headers, info, values, wanted, false);
  }

  #pass(
    headers: Headers, info: StreamInfo, values: readonly string[] | undefined, wanted: readonly boolean[] | undefined,
    overwriting: boolean,
  ): void {
    for (let i = 0; i < this.#additions.length; i++) {
      const addition = this.#additions[i]!;
      if (addition.action >= Action.overwrite !== overwriting) continue;
      if (!(wanted === undefined ? isWanted(headers, addition) : wanted[i])) continue;
      const value = values === undefined ? addition.value.format(info) : values[i]!;
      if (value !== '' || addition.keepEmpty) change(headers, addition, value);
    }
  }
}

function isConditional({ action }: Addition): boolean {
  return action === Action.addIfAbsent || action === Action.overwriteIfExists;
}

function isWanted(headers: Headers, { name, action }: Addition): boolean {
  if (action === Action.addIfAbsent) return !headers.has(name);
  return action !== Action.overwriteIfExists || headers.has(name);
}

function change(headers: Headers, { name, action, joins }: Addition, value: string): void {
  if (action >= Action.overwrite) headers.set(name, value);
  else if (joins) join(headers, name, value);
  else headers.append(name, value);
}

function join(headers: Headers, name: string, value: string): void {
  const before = headers.joined(name);
  headers.set(name, before === undefined || before === '' ? value : value === '' ? before : `${before},${value}`);
}
