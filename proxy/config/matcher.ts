// Matchers of text (envoy.type.matcher.v3: string.proto, regex.proto, path.proto).
import { ConfigError } from '../base/error.ts';
import { compileRegex } from '../base/regex.ts';
import { bool, headerValue, string } from './scalar.ts';
import { exactlyOne, list, message, optional, Refusal, required, type Static } from './schema.ts';

export const RegexMatcher = message('envoy.type.matcher.v3.RegexMatcher', {
  regex: required(
    string({ minLength: 1 }),
    'RE2 syntax; the whole text must match. It runs in linear time; a prefix or exact match is cheaper still.',
  ),
}, {
  warned: { 'RE2 is the only engine; its program size has weft\'s limit': ['google_re2'] },
  check: ({ regex }) => regexRefusal(regex),
});
export interface RegexMatcher extends Static<typeof RegexMatcher> {}

/** Compiled here only to say at once, with its place, what is wrong with it; whoever matches compiles it again. */
function regexRefusal(regex: string): Refusal | undefined {
  try {
    compileRegex(regex, '');
    return undefined;
  } catch (cause) {
    if (cause instanceof ConfigError) return new Refusal(cause.reason, ['regex']);
    throw cause;
  }
}

export const StringMatcher = message('envoy.type.matcher.v3.StringMatcher', {
  exact: optional(string(), 'The whole text; empty matches the empty text.'),
  prefix: optional(string({ minLength: 1 }), 'How the text begins.'),
  suffix: optional(string({ minLength: 1 }), 'How the text ends.'),
  safeRegex: optional(RegexMatcher, 'Regular expression over the whole text.'),
  contains: optional(string({ minLength: 1 }), 'A part of the text.'),
  ignoreCase: optional(bool(), 'Case of ASCII letters does not count; no effect on safe_regex. Default false.'),
}, {
  refused: { 'string matcher extensions are not supported': ['custom'] },
  oneOf: [exactlyOne('exact', 'prefix', 'suffix', 'safe_regex', 'contains', 'custom')],
});
export interface StringMatcher extends Static<typeof StringMatcher> {}

export const ListStringMatcher = message('envoy.type.matcher.v3.ListStringMatcher', {
  patterns: required(list(StringMatcher, { min: 1 }), 'Any of these.'),
});
export interface ListStringMatcher extends Static<typeof ListStringMatcher> {}

export const PathMatcher = message('envoy.type.matcher.v3.PathMatcher', {
  path: required(StringMatcher, 'Path without query and fragment, after normalisation.'),
});
export interface PathMatcher extends Static<typeof PathMatcher> {}

export const RegexMatchAndSubstitute = message('envoy.type.matcher.v3.RegexMatchAndSubstitute', {
  pattern: required(RegexMatcher, 'Parts that match are replaced, each of them.'),
  substitution: optional(headerValue(), 'The replacement, with \\1 to \\9 for groups and \\0 for the match; default '
    + 'empty.'),
});
export interface RegexMatchAndSubstitute extends Static<typeof RegexMatchAndSubstitute> {}
