// What decoding found: errors and warnings with the path as it was written and the place in its file.
import { ConfigError } from '../base/error.ts';
import { LIMITS } from './limits.ts';
import type { MessageNode } from './schema.ts';

/** Keys and indices from the root of what is decoded, as they are written there. */
export type Path = readonly (string | number)[];

/** `file:line:column` of a path, or of the nearest thing above it; undefined where there is no file. */
export type Locate = (path: Path) => string | undefined;

/** Something that is ignored. `key` names the field in full (`envoy…v3.Cluster.lrs_server`): warn once per key. */
export class ConfigWarning {
  readonly key: string;
  readonly path: string;
  readonly where: string | undefined;
  readonly reason: string;

  constructor(key: string, path: string, reason: string, where: string | undefined) {
    this.key = key;
    this.path = path;
    this.reason = reason;
    this.where = where;
  }

  toString(): string {
    return `${this.where === undefined ? '' : `${this.where}: `}${this.path}: ${this.reason}`;
  }
}

/** A value that may be used, or the errors why there is none. Each warning stands once, with the first place of it. */
export type Decoded<T> =
  | { readonly value: T; readonly errors: readonly []; readonly warnings: readonly ConfigWarning[] }
  | { readonly value: undefined; readonly errors: readonly ConfigError[]; readonly warnings: readonly ConfigWarning[] };

/** Collects what one call of decode finds. */
export class Report {
  readonly errors: ConfigError[] = [];
  /** With those that are not told any more. */
  failures = 0;
  /** Where the decoder is. */
  readonly path: (string | number)[] = [];
  /** Whether names are written in snake_case here; decides the spelling of names in errors. */
  snake = true;
  readonly #prefix: string;
  readonly #locate: Locate | undefined;
  readonly #warnings = new Map<string, ConfigWarning>();

  constructor(prefix: string, locate: Locate | undefined) {
    this.#prefix = prefix;
    this.#locate = locate;
  }

  get warnings(): ConfigWarning[] {
    return [...this.#warnings.values()];
  }

  fail(reason: string, below: Path): void {
    this.failures++;
    if (this.errors.length > LIMITS.configErrorsMax) return;
    const isLast = this.errors.length === LIMITS.configErrorsMax;
    const path = [...this.path, ...below];
    const text = isLast ? 'further errors are left out' : reason;
    this.errors.push(new ConfigError(pathText(path, this.#prefix), text, this.#locate?.(path)));
  }

  warn(key: string, reason: string): void {
    if (this.#warnings.has(key)) return;
    const where = this.#locate?.(this.path);
    this.#warnings.set(key, new ConfigWarning(key, pathText(this.path, this.#prefix), reason, where));
  }

  /** Learns from a key which spelling its writer prefers. */
  noteSpelling(key: string): void {
    if (key.includes('_')) this.snake = true;
    else if (/[a-z][A-Z]/.test(key)) this.snake = false;
  }

  /** A field's name in the writer's spelling. */
  spell(node: MessageNode, key: string): string {
    return this.snake ? (node.spellings.get(key)?.snake ?? key) : key;
  }
}

/** `static_resources.clusters[0].name`; keys with other characters stand in brackets. */
export function pathText(path: Path, prefix = ''): string {
  let text = prefix;
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(segment)) text += text === '' ? segment : `.${segment}`;
    else text += `[${JSON.stringify(segment.length > 80 ? `${segment.slice(0, 80)}…` : segment)}]`;
  }
  return text;
}
