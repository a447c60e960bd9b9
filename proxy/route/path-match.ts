// The path condition of a route (envoy.config.route.v3.RouteMatch.path_specifier), compared in place, without copies.
import { asciiLower, hasAtIgnoringCase, wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import type { Regex } from '../base/regex.ts';
import { compileRegex } from '../base/regex.ts';
import type { RouteMatch } from '../config/route-match.ts';
import { UriTemplate } from './uri-template.ts';

export type PathKind = 'prefix' | 'exact' | 'separated' | 'regex' | 'connect';

const SLASH = 0x2f;

/** Where the path ends and the query begins. */
export function pathEnd(path: string): number {
  const query = path.indexOf('?');
  return query === -1 ? path.length : query;
}

/** One class for all kinds, so that the loop over a host's routes has one shape. */
export class PathMatch {
  readonly kind: PathKind;
  /** The literal that is compared; '' for `regex` and `connect`. Prefix rewrites replace this many characters. */
  readonly text: string;
  /** What the pattern of a `regex` was made from, for rewrites. */
  readonly template: UriTemplate | undefined;
  readonly #caseSensitive: boolean;
  readonly #regex: Regex | undefined;
  /** Routes of one host tend to begin alike: the last character tells them apart first. */
  readonly #lastCode: number;

  constructor(kind: PathKind, text: string, caseSensitive: boolean, regex?: Regex, template?: UriTemplate) {
    this.kind = kind;
    this.template = template;
    this.text = caseSensitive ? wireText(text) : asciiLower(wireText(text));
    this.#caseSensitive = caseSensitive;
    this.#regex = regex;
    this.#lastCode = this.text.charCodeAt(this.text.length - 1);
  }

  /** What every path that matches begins with, or is where the kind is `exact`; '' when that is not known. */
  get literal(): string {
    return this.#regex?.prefix ?? (this.#caseSensitive ? this.text : '');
  }

  /** `end` is pathEnd of `path`; a CONNECT without a path has '' and only fits `connect`. */
  matches(method: string, path: string, end: number): boolean {
    switch (this.kind) {
      case 'connect': return method === 'CONNECT';
      case 'prefix': return path !== '' && this.#begins(path, end);
      case 'exact': return end === this.text.length && path !== '' && this.#begins(path, end);
      case 'separated': return this.#begins(path, end) && this.#endsAtSeparator(path, end);
      case 'regex': return path !== '' && this.#fits(path, end);
    }
  }

  #begins(path: string, end: number): boolean {
    const { length } = this.text;
    if (end < length) return false;
    if (!this.#caseSensitive) return hasAtIgnoringCase(path, this.text, 0);
    return length === 0 || (path.charCodeAt(length - 1) === this.#lastCode && path.startsWith(this.text));
  }

  /** The path is cut from its query only for patterns that may match. */
  #fits(path: string, end: number): boolean {
    const regex = this.#regex!;
    return path.startsWith(regex.prefix) && regex.matches(end === path.length ? path : path.slice(0, end));
  }

  #endsAtSeparator(path: string, end: number): boolean {
    return end === this.text.length || path.charCodeAt(this.text.length) === SLASH;
  }
}

/** Compiles the path condition. Throws ConfigError below `path`. */
export function compilePathMatch(match: RouteMatch, path: string): PathMatch {
  const caseSensitive = match.caseSensitive ?? true;
  if (match.prefix !== undefined) return new PathMatch('prefix', match.prefix, caseSensitive);
  if (match.path !== undefined) return new PathMatch('exact', match.path, caseSensitive);
  if (match.pathSeparatedPrefix !== undefined) return compileSeparated(match.pathSeparatedPrefix, caseSensitive, path);
  if (match.pathMatchPolicy !== undefined) {
    const { pathTemplate } = match.pathMatchPolicy.typedConfig;
    const template = new UriTemplate(pathTemplate, `${path}.pathMatchPolicy.typedConfig.pathTemplate`);
    return new PathMatch('regex', '', true, template.regex, template);
  }
  if (match.connectMatcher !== undefined) return new PathMatch('connect', '', true);
  if (match.safeRegex === undefined) {
    const kinds = 'prefix, path, safeRegex, pathSeparatedPrefix, pathMatchPolicy and connectMatcher';
    throw new ConfigError(path, `needs one of ${kinds}`);
  }
  return new PathMatch('regex', '', true, compileRegex(match.safeRegex.regex, `${path}.safeRegex.regex`));
}

function compileSeparated(text: string, caseSensitive: boolean, path: string): PathMatch {
  if (!/^[^?#]+[^?#/]$/.test(text)) {
    const reason = `'${text}' must be longer than one character, without ? or #, and not end in /`;
    throw new ConfigError(`${path}.pathSeparatedPrefix`, reason);
  }
  return new PathMatch('separated', text, caseSensitive);
}
