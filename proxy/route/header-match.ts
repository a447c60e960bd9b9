// One condition on a header of a request or response (envoy.config.route.v3.HeaderMatcher).
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import type { StringMatch } from '../base/string-match.ts';
import { compileStringMatch } from '../base/string-match.ts';
import { SINGLE_IN_REQUESTS, SINGLE_IN_RESPONSES } from '../base/single-field.ts';
import type { HeaderMatcher } from '../config/header-matcher.ts';
import type { StringMatcher } from '../config/matcher.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { compileHeaderReader, isAuthority } from './header-reader.ts';
import type { HeaderReader } from './header-reader.ts';

/** The part of a condition that looks at a value; the rest is about absence and inversion. */
type ValueTest = (value: string) => boolean;

/**
 * Which of several fields of one name must match. `field`: any one of them, as in Envoy. `any` and `every` are for
 * policies (S44): a denial looks into every value and every element of a list, a permission must hold for each value.
 */
export type ValueRule = 'field' | 'any' | 'every';

export class HeaderMatch {
  readonly name: string;
  /** Requests match that have a field of this value, and no others; undefined where it is not so simple. */
  readonly fieldValue: string | undefined;
  readonly #read: HeaderReader | undefined;
  readonly #test: ValueTest;
  readonly #wantsPresence: boolean | undefined;
  readonly #invert: boolean;
  readonly #missingIsEmpty: boolean;
  readonly #text: string;
  readonly #singleInRequests: boolean;

  constructor(matcher: HeaderMatcher, path: string) {
    this.name = matcher.name.toLowerCase();
    this.#read = compileHeaderReader(this.name);
    this.#singleInRequests = SINGLE_IN_REQUESTS.has(this.name);
    this.#invert = matcher.invertMatch === true;
    this.#missingIsEmpty = matcher.treatMissingHeaderAsEmpty === true;
    const { test, text, wantsPresence } = compileTest(matcher, isAuthority(this.name), path);
    this.#test = test;
    this.#wantsPresence = wantsPresence;
    const isField = this.#read === undefined && !this.#singleInRequests;
    this.fieldValue = isField && !this.#invert ? exactValue(matcher) : undefined;
    this.#text = `header ${this.name} ${this.#invert ? 'not ' : ''}${text}`;
  }

  matches(head: RequestHead, rule: ValueRule = 'field'): boolean {
    if (this.#read !== undefined) return this.#decide(this.#read(head));
    if (rule !== 'field') return this.#decideEach(head.headers, rule);
    return this.#singleInRequests ? this.#decide(head.headers.joined(this.name)) : this.#decideFields(head.headers);
  }

  matchesResponse(head: ResponseHead): boolean {
    if (this.name === ':status') return this.#decide(String(head.status));
    if (SINGLE_IN_RESPONSES.has(this.name)) return this.#decide(head.headers.joined(this.name));
    return this.#decideFields(head.headers);
  }

  toString(): string {
    return this.#text;
  }

  /** An absent header fails every condition on its value, inverted or not, unless it counts as empty (as in Envoy). */
  #decide(value: string | undefined): boolean {
    if (value !== undefined || this.#missingIsEmpty) return this.#test(value ?? '') !== this.#invert;
    return this.#wantsPresence !== undefined && this.#wantsPresence === this.#invert;
  }

  #decideFields(headers: Headers): boolean {
    let seen = false;
    for (let i = 0; i < headers.count; i++) {
      if (headers.nameAt(i) !== this.name) continue;
      if (this.#test(headers.valueAt(i))) return !this.#invert;
      seen = true;
    }
    return seen ? this.#invert : this.#decide(undefined);
  }

  #decideEach(headers: Headers, rule: 'any' | 'every'): boolean {
    const joined = headers.joined(this.name);
    if (joined === undefined || this.#wantsPresence !== undefined) return this.#decide(joined);
    // "Not (any value is x)" is "every value is not x": inversion swaps the rules.
    const every = (rule === 'every') !== this.#invert;
    return (every ? this.#everyMatches(headers) : this.#anyMatches(headers, joined)) !== this.#invert;
  }

  #everyMatches(headers: Headers): boolean {
    for (let i = 0; i < headers.count; i++) {
      if (headers.nameAt(i) === this.name && !this.#test(headers.valueAt(i))) return false;
    }
    return true;
  }

  /** A list may come as several fields or as one with commas (RFC 9110 section 5.3): both are looked into. */
  #anyMatches(headers: Headers, joined: string): boolean {
    if (this.#test(joined)) return true;
    for (let i = 0; i < headers.count; i++) {
      if (headers.nameAt(i) === this.name && this.#test(headers.valueAt(i))) return true;
    }
    for (let start = 0; start <= joined.length;) {
      const comma = joined.indexOf(',', start);
      const end = comma === -1 ? joined.length : comma;
      if (this.#test(joined.slice(start, end).trim())) return true;
      start = end + 1;
    }
    return false;
  }
}

/** '' may stand for a missing header. */
function exactValue({ stringMatch }: HeaderMatcher): string | undefined {
  const exact = stringMatch?.ignoreCase === true ? undefined : stringMatch?.exact;
  return exact === undefined || exact === '' ? undefined : wireText(exact);
}

/** Compiles conditions that must all hold. Throws ConfigError below `path`. */
export function compileHeaderMatches(
  matchers: readonly HeaderMatcher[] | undefined,
  path: string,
): readonly HeaderMatch[] {
  return (matchers ?? []).map((matcher, i) => new HeaderMatch(matcher, `${path}[${i}]`));
}

/** Whether all conditions hold. */
export function matchesAll(matches: readonly HeaderMatch[], head: RequestHead): boolean {
  for (const match of matches) if (!match.matches(head)) return false;
  return true;
}

interface CompiledTest {
  readonly test: ValueTest;
  readonly text: string;
  readonly wantsPresence: boolean | undefined;
}

function compileTest(matcher: HeaderMatcher, authority: boolean, path: string): CompiledTest {
  if (matcher.name === '') throw new ConfigError(`${path}.name`, 'must not be empty');
  const { rangeMatch, stringMatch } = matcher;
  if (stringMatch !== undefined) {
    const match = (authority ? compileAuthorityMatch : compileStringMatch)(stringMatch, `${path}.stringMatch`);
    return { test: (value) => match.matches(value), text: String(match), wantsPresence: undefined };
  }
  if (rangeMatch !== undefined) {
    const { start = 0, end = 0 } = rangeMatch;
    const test = (value: string): boolean => inRange(value, start, end);
    return { test, text: `in [${start}, ${end})`, wantsPresence: undefined };
  }
  const wanted = matcher.presentMatch ?? true;
  return { test: () => wanted, text: wanted ? 'present' : 'absent', wantsPresence: wanted };
}

/** Authorities are lower-case when they get here: what configuration asks of them is asked without case (S13). */
function compileAuthorityMatch(matcher: StringMatcher, path: string): StringMatch {
  const regex = matcher.safeRegex?.regex;
  if (regex === undefined) return compileStringMatch({ ...matcher, ignoreCase: true }, path);
  const hasUpper = /[A-Z]/.test(regex.replaceAll(/\\./gs, ''));
  return compileStringMatch({ safeRegex: { regex: hasUpper ? `(?i:${regex})` : regex } }, path);
}

const INT64_MAX = 2 ** 63;

/** The whole value is a decimal number, blanks around it aside; as Envoy reads it. */
function inRange(value: string, start: number, end: number): boolean {
  const text = value.trim();
  const first = text[0] === '-' || text[0] === '+' ? 1 : 0;
  if (text.length === first || text.length > 40) return false;
  for (let i = first; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  const number = Number(text);
  return number >= start && number < end && Math.abs(number) < INT64_MAX;
}
