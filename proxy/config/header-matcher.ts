// Matchers of headers and query parameters (envoy.config.route.v3: route_components.proto).
import { RegexMatcher, StringMatcher } from './matcher.ts';
import { Int64Range } from './percent.ts';
import { bool, headerName, string } from './scalar.ts';
import { atMostOne, message, optional, required, type Static } from './schema.ts';

export const HeaderMatcher = message('envoy.config.route.v3.HeaderMatcher', {
  name: required(headerName(), 'Header name without regard to case, or :method, :path, :authority, :scheme.'),
  stringMatch: optional(StringMatcher, 'The value, several values joined by a comma. Without any matcher: present.'),
  rangeMatch: optional(Int64Range, 'The value is a whole number in this range.'),
  presentMatch: optional(bool(), 'true: the header is there; false: it is not.'),
  invertMatch: optional(bool(), 'Turns the result round; an absent header still matches no value. Default false.'),
  treatMissingHeaderAsEmpty: optional(bool(), 'An absent header counts as an empty value. Default false.'),
}, {
  legacy: {
    exactMatch: optional(string(), 'string_match.exact'),
    safeRegexMatch: optional(RegexMatcher, 'string_match.safe_regex'),
    prefixMatch: optional(string({ minLength: 1 }), 'string_match.prefix'),
    suffixMatch: optional(string({ minLength: 1 }), 'string_match.suffix'),
    containsMatch: optional(string({ minLength: 1 }), 'string_match.contains'),
  },
  oneOf: [atMostOne('exact_match', 'safe_regex_match', 'range_match', 'present_match', 'prefix_match', 'suffix_match',
    'contains_match', 'string_match')],
  fold: (value, { exactMatch, safeRegexMatch, prefixMatch, suffixMatch, containsMatch }) => {
    // Envoy takes an empty exact_match for presence.
    if (exactMatch === '') value.presentMatch = true;
    else if (exactMatch !== undefined) value.stringMatch = { exact: exactMatch };
    if (safeRegexMatch !== undefined) value.stringMatch = { safeRegex: safeRegexMatch };
    if (prefixMatch !== undefined) value.stringMatch = { prefix: prefixMatch };
    if (suffixMatch !== undefined) value.stringMatch = { suffix: suffixMatch };
    if (containsMatch !== undefined) value.stringMatch = { contains: containsMatch };
    return undefined;
  },
});
export interface HeaderMatcher extends Static<typeof HeaderMatcher> {}

export const QueryParameterMatcher = message('envoy.config.route.v3.QueryParameterMatcher', {
  name: required(string({ minLength: 1, maxBytes: 1024 }), 'Parameter name, case counts.'),
  stringMatch: optional(StringMatcher, 'The value of the first parameter of that name. Without any matcher: present.'),
  presentMatch: optional(bool(), 'true: the parameter is there; false: it is not.'),
}, {
  oneOf: [atMostOne('string_match', 'present_match')],
});
export interface QueryParameterMatcher extends Static<typeof QueryParameterMatcher> {}
