// Matchers of what filters write into a request's dynamic metadata (envoy.type.matcher.v3: metadata, value, number).
import { StringMatcher } from './matcher.ts';
import { bool, double, flag, string } from './scalar.ts';
import { exactlyOne, list, message, optional, recursive, required, type Schema, type Static } from './schema.ts';

const DoubleRange = message('envoy.type.v3.DoubleRange', {
  start: optional(double(), 'First number of the range; default 0.'),
  end: optional(double(), 'Where the range ends, itself outside; default 0.'),
});

export const DoubleMatcher = message('envoy.type.matcher.v3.DoubleMatcher', {
  range: optional(DoubleRange, 'A number in this range.'),
  exact: optional(double(), 'This number.'),
}, { oneOf: [exactlyOne('range', 'exact')] });
export interface DoubleMatcher extends Static<typeof DoubleMatcher> {}

export const ListMatcher = message('envoy.type.matcher.v3.ListMatcher', {
  oneOf: required(recursive<ValueMatcher>((): Schema => ValueMatcher), 'At least one member of the list matches.'),
});

export const OrMatcher = message('envoy.type.matcher.v3.OrMatcher', {
  valueMatchers: required(list(recursive<ValueMatcher>((): Schema => ValueMatcher), { min: 2 }), 'Any of these.'),
});

export const ValueMatcher = message('envoy.type.matcher.v3.ValueMatcher', {
  nullMatch: optional(flag(), 'JSON\'s null.'),
  doubleMatch: optional(DoubleMatcher, 'A number.'),
  stringMatch: optional(StringMatcher, 'A text.'),
  boolMatch: optional(bool(), 'This truth value.'),
  presentMatch: optional(bool(), 'true: there is a value of any kind; false never matches, as in Envoy.'),
  listMatch: optional(ListMatcher, 'A list.'),
  orMatch: optional(OrMatcher, 'Any of several.'),
}, {
  oneOf: [exactlyOne('null_match', 'double_match', 'string_match', 'bool_match', 'present_match', 'list_match',
    'or_match')],
});
export interface ValueMatcher extends Static<typeof ValueMatcher> {}

const PathSegment = message('envoy.type.matcher.v3.MetadataMatcher.PathSegment', {
  key: required(string({ minLength: 1 }), 'A name in the object so far.'),
});

export const MetadataMatcher = message('envoy.type.matcher.v3.MetadataMatcher', {
  filter: required(string({ minLength: 1 }), 'Namespace, usually the name of the filter that writes it.'),
  path: required(list(PathSegment, { min: 1 }), 'Names from the outside in; lists are only at the end.'),
  value: required(ValueMatcher, 'What is there must match; nothing there matches nothing.'),
  invert: optional(bool(), 'Matches where it would not. Default false.'),
});
export interface MetadataMatcher extends Static<typeof MetadataMatcher> {}
