// Conditions of a VirtualService rule as a route match.
import type { HeaderMatcher, QueryParameterMatcher } from '../../proxy/config/header-matcher.ts';
import type { StringMatcher } from '../../proxy/config/matcher.ts';
import type { RouteMatch } from '../../proxy/config/route-match.ts';
import type { HttpMatch } from '../model/http-route.ts';
import { isPresence, type StringMatch } from '../model/string-match.ts';

/** Every request. */
export const ANY_PATH: RouteMatch = { prefix: '/' };

export function routeMatch(match: HttpMatch | undefined): RouteMatch {
  if (match === undefined) return ANY_PATH;
  const headers = headerMatchers(match);
  const query = Object.entries(match.queryParams ?? {}).map(([name, value]) => queryMatcher(name, value));
  return {
    ...pathMatch(match.uri),
    ...(match.ignoreUriCase === true && { caseSensitive: false }),
    ...(headers.length > 0 && { headers }),
    ...(query.length > 0 && { queryParameters: query }),
  };
}

function pathMatch(uri: StringMatch | undefined): RouteMatch {
  if (uri?.exact !== undefined) return { path: uri.exact };
  if (uri?.prefix !== undefined) return { prefix: uri.prefix };
  if (uri?.regex !== undefined) return { safeRegex: { regex: uri.regex } };
  return ANY_PATH;
}

/** In the order of their names, so that the order in the file changes nothing. */
function headerMatchers(match: HttpMatch): HeaderMatcher[] {
  const named = Object.entries(match.headers ?? {}).map(([name, value]) => headerMatcher(name.toLowerCase(), value));
  const without = Object.entries(match.withoutHeaders ?? {})
    .map(([name, value]) => exclusion(name.toLowerCase(), value));
  const pseudo = ([[':method', match.method], [':authority', match.authority], [':scheme', match.scheme]] as const)
    .flatMap(([name, value]) => (value === undefined ? [] : [headerMatcher(name, value)]));
  return [...[...named, ...without].sort((a, b) => (a.name < b.name ? -1 : 1)), ...pseudo];
}

function headerMatcher(name: string, match: StringMatch): HeaderMatcher {
  return isPresence(match) ? { name, presentMatch: true } : { name, stringMatch: stringMatcher(match) };
}

/** An absent header counts as empty, so that `withoutHeaders` lets it through unless an empty value would match. */
function exclusion(name: string, match: StringMatch): HeaderMatcher {
  if (isPresence(match)) return { name, presentMatch: true, invertMatch: true };
  return { name, stringMatch: stringMatcher(match), invertMatch: true, treatMissingHeaderAsEmpty: true };
}

function queryMatcher(name: string, match: StringMatch): QueryParameterMatcher {
  return isPresence(match) ? { name, presentMatch: true } : { name, stringMatch: stringMatcher(match) };
}

export function stringMatcher(match: StringMatch): StringMatcher {
  if (match.exact !== undefined) return { exact: match.exact };
  return match.prefix === undefined ? { safeRegex: { regex: match.regex ?? '' } } : { prefix: match.prefix };
}
