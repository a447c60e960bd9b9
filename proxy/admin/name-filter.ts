// Filters by name that a caller sends: RE2 syntax, found anywhere in the name or over the whole of it.
import { compileRegex } from '../base/regex.ts';

export type NameFilter = (name: string) => boolean;

const EVERYTHING: NameFilter = () => true;

/** Characters that make a text more than a plain word. */
const SYNTAX = /[\\^$.|?*+()[\]{}]/;

/** Names in which the pattern is found. Throws ConfigError for one that is not valid, or over the limits. */
export function searchFilter(pattern: string | null): NameFilter {
  if (pattern === null || pattern === '') return EVERYTHING;
  if (!SYNTAX.test(pattern)) return (name) => name.includes(pattern);
  const regex = compileRegex(`.*(?:${pattern}).*`, 'filter');
  return (name) => regex.matches(name);
}

/** Names that the pattern matches as a whole. */
export function matchFilter(pattern: string | null): NameFilter {
  if (pattern === null || pattern === '') return EVERYTHING;
  const regex = compileRegex(pattern, 'name_regex');
  return (name) => regex.matches(name);
}
