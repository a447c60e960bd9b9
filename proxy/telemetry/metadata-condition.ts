// Conditions on dynamic metadata (envoy.type.matcher.v3.MetadataMatcher), compiled; policies and routes ask them.
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import { compileStringMatch } from '../base/string-match.ts';
import type { MetadataMatcher, ValueMatcher } from '../config/metadata-matcher.ts';
import type { MetadataHolder } from './dynamic-metadata.ts';
import { metadataAt } from './dynamic-metadata.ts';

/** One JSON value; undefined is none. It prints itself. */
interface ValueRule {
  matches(value: unknown): boolean;
  toString(): string;
}

export class MetadataCondition {
  readonly #namespace: string;
  readonly #path: readonly string[];
  readonly #value: ValueRule;
  readonly #invert: boolean;

  /** Throws ConfigError below `path`. */
  constructor(matcher: MetadataMatcher, path: string) {
    this.#namespace = matcher.filter;
    this.#path = matcher.path.map(({ key }) => key);
    this.#value = compileValue(matcher.value, `${path}.value`);
    this.#invert = matcher.invert ?? false;
  }

  holds(info: Readonly<MetadataHolder>): boolean {
    return this.#value.matches(metadataAt(info, this.#namespace, this.#path)) !== this.#invert;
  }

  toString(): string {
    const name = `metadata ${[this.#namespace, ...this.#path].map((key) => JSON.stringify(key)).join('.')}`;
    return this.#invert ? `not ${name} ${String(this.#value)}` : `${name} ${String(this.#value)}`;
  }
}

function compileValue(matcher: ValueMatcher, path: string): ValueRule {
  const { nullMatch, stringMatch, boolMatch, presentMatch, listMatch, orMatch } = matcher;
  if (nullMatch !== undefined) return rule('null', (value) => value === null);
  if (boolMatch !== undefined) return rule(String(boolMatch), (value) => value === boolMatch);
  if (presentMatch !== undefined) {
    return rule(presentMatch ? 'present' : 'never', (value) => presentMatch && value !== undefined);
  }
  if (stringMatch !== undefined) {
    const text = compileStringMatch(stringMatch, `${path}.stringMatch`);
    return rule(String(text), (value) => typeof value === 'string' && text.matches(wireText(value)));
  }
  if (listMatch !== undefined) {
    const one = compileValue(listMatch.oneOf, `${path}.listMatch.oneOf`);
    return rule(`has ${String(one)}`, (value) => Array.isArray(value) && value.some((member) => one.matches(member)));
  }
  if (orMatch !== undefined) {
    const any = orMatch.valueMatchers.map((one, i) => compileValue(one, `${path}.orMatch.valueMatchers[${i}]`));
    return rule(`(${any.join(' or ')})`, (value) => any.some((one) => one.matches(value)));
  }
  return compileNumber(matcher, path);
}

function compileNumber({ doubleMatch }: ValueMatcher, path: string): ValueRule {
  if (doubleMatch?.exact !== undefined) return rule(`is ${doubleMatch.exact}`, (value) => value === doubleMatch.exact);
  if (doubleMatch?.range === undefined) throw new ConfigError(path, 'is not a value matcher that is known');
  const { start = 0, end = 0 } = doubleMatch.range;
  return rule(`in [${start}, ${end})`, (value) => typeof value === 'number' && value >= start && value < end);
}

function rule(text: string, matches: (value: unknown) => boolean): ValueRule {
  return { matches, toString: () => text };
}
