// Conditions of a VirtualService rule as a route match.
import type { HeaderMatcher, QueryParameterMatcher } from '../../proxy/config/header-matcher.ts';
import type { StringMatcher } from '../../proxy/config/matcher.ts';
import type { MetadataMatcher } from '../../proxy/config/metadata-matcher.ts';
import type { RouteMatch } from '../../proxy/config/route-match.ts';
import type { HttpMatch } from '../model/http-route.ts';
import { isPresence, type StringMatch } from '../model/string-match.ts';
import { claimMatcher, claimPresence, routeClaimPath } from './claim-match.ts';

/** Every request. */
export const ANY_PATH: RouteMatch = { prefix: '/' };

export function routeMatch(match: HttpMatch | undefined): RouteMatch {
  if (match === undefined) return ANY_PATH;
  const headers = headerMatchers(match);
  const claims = claimMatchers(match);
  const query = Object.entries(match.queryParams ?? {}).map(([name, value]) => queryMatcher(name, value));
  return {
    ...pathMatch(match.uri),
    ...(match.ignoreUriCase === true && { caseSensitive: false }),
    ...(headers.length > 0 && { headers }),
    ...(claims.length > 0 && { dynamicMetadata: claims }),
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
  const named = ofHeaders(match.headers).map(([name, value]) => headerMatcher(name.toLowerCase(), value));
  const without = ofHeaders(match.withoutHeaders)
    .map(([name, value]) => exclusion(name.toLowerCase(), value));
  const pseudo = ([[':method', match.method], [':authority', match.authority], [':scheme', match.scheme]] as const)
    .flatMap(([name, value]) => (value === undefined ? [] : [headerMatcher(name, value)]));
  return [...[...named, ...without].sort((a, b) => (a.name < b.name ? -1 : 1)), ...pseudo];
}

function ofHeaders(headers: HttpMatch['headers'] = {}): [string, StringMatch][] {
  return Object.entries(headers).filter(([name]) => !name.startsWith('@'));
}

/** `@request.auth.claims…` among the headers; those of withoutHeaders turned round. */
function claimMatchers({ headers = {}, withoutHeaders = {} }: HttpMatch): MetadataMatcher[] {
  const of = (entries: Record<string, StringMatch>, invert: boolean): MetadataMatcher[] =>
    Object.entries(entries).toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([name, value]) => {
      const path = routeClaimPath(name);
      if (path === undefined) return [];
      const matcher = isPresence(value) ? claimPresence(path) : claimMatcher(path, stringMatcher(value));
      return [invert ? { ...matcher, invert } : matcher];
    });
  return [...of(headers, false), ...of(withoutHeaders, true)];
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
