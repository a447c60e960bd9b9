// Envoy's StringMatcher, compiled: literals stay comparisons and are never made into patterns (S45).
import { asciiLower, hasAtIgnoringCase, wireText } from './ascii.ts';
import { ConfigError } from './error.ts';
import type { Regex } from './regex.ts';
import { compileRegex } from './regex.ts';

/** envoy.type.matcher.v3.StringMatcher: exactly one of the first five. `ignoreCase` has no effect on `safeRegex`. */
export interface StringMatcherFields {
  readonly exact?: string;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly contains?: string;
  readonly safeRegex?: { readonly regex: string };
  readonly ignoreCase?: boolean;
}

/** A compiled matcher; texts are bytes (latin1). It prints itself as `prefix "/api"`. */
export interface StringMatch {
  matches(text: string): boolean;
  toString(): string;
}

type LiteralKind = 'exact' | 'prefix' | 'suffix' | 'contains';

const LITERAL_KINDS: readonly LiteralKind[] = ['exact', 'prefix', 'suffix', 'contains'];

/** Compiles a matcher. Throws ConfigError at `path`, or below it, for an empty pattern or a bad regular expression. */
export function compileStringMatch(matcher: StringMatcherFields, path: string): StringMatch {
  const kinds = LITERAL_KINDS.filter((kind) => matcher[kind] !== undefined);
  const regex = matcher.safeRegex;
  if (kinds.length + (regex === undefined ? 0 : 1) !== 1) {
    throw new ConfigError(path, `needs exactly one of ${LITERAL_KINDS.join(', ')} and safeRegex`);
  }
  if (regex !== undefined) return new RegexMatch(compileRegex(regex.regex, `${path}.safeRegex.regex`));
  const kind = kinds[0]!;
  const text = matcher[kind]!;
  if (kind !== 'exact' && text === '') throw new ConfigError(`${path}.${kind}`, 'must not be empty');
  return matcher.ignoreCase === true ? new CaselessMatch(kind, text) : new LiteralMatch(kind, text);
}

class LiteralMatch implements StringMatch {
  readonly #kind: LiteralKind;
  readonly #text: string;

  constructor(kind: LiteralKind, text: string) {
    this.#kind = kind;
    this.#text = wireText(text);
  }

  matches(text: string): boolean {
    switch (this.#kind) {
      case 'exact': return text === this.#text;
      case 'prefix': return text.startsWith(this.#text);
      case 'suffix': return text.endsWith(this.#text);
      case 'contains': return text.includes(this.#text);
    }
  }

  toString(): string {
    return `${this.#kind} ${JSON.stringify(this.#text)}`;
  }
}

/** ASCII letters compare without case; nothing else does (S96). */
class CaselessMatch implements StringMatch {
  readonly #kind: LiteralKind;
  readonly #lower: string;

  constructor(kind: LiteralKind, text: string) {
    this.#kind = kind;
    this.#lower = asciiLower(wireText(text));
  }

  matches(text: string): boolean {
    const lower = this.#lower;
    switch (this.#kind) {
      case 'exact': return text.length === lower.length && hasAtIgnoringCase(text, lower, 0);
      case 'prefix': return hasAtIgnoringCase(text, lower, 0);
      case 'suffix': return hasAtIgnoringCase(text, lower, text.length - lower.length);
      case 'contains': return asciiLower(text).includes(lower);
    }
  }

  toString(): string {
    return `${this.#kind} ${JSON.stringify(this.#lower)} (any case)`;
  }
}

class RegexMatch implements StringMatch {
  readonly #regex: Regex;

  constructor(regex: Regex) {
    this.#regex = regex;
  }

  matches(text: string): boolean {
    return this.#regex.matches(text);
  }

  toString(): string {
    return `regex ${JSON.stringify(this.#regex.source)}`;
  }
}
