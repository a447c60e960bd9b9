// Whether whatever one condition of a VirtualService admits, an earlier one has taken already.
import type { HttpMatch } from '../model/http-route.ts';
import { isPresence, type StringMatch } from '../model/string-match.ts';

/** No condition at all: every request. */
export type Condition = HttpMatch | undefined;

/** True only where it is certain: expressions are compared as text. */
export function covers(wide: Condition, narrow: Condition): boolean {
  if (wide === undefined) return true;
  const other: HttpMatch = narrow ?? {};
  return coversUri(wide, other)
    && (['scheme', 'method', 'authority'] as const).every((field) => coversText(wide[field], other[field]))
    && coversEach(wide.headers, other.headers)
    && coversEach(wide.queryParams, other.queryParams)
    && sameEach(wide.withoutHeaders, other.withoutHeaders)
    && (wide.port === undefined || wide.port === other.port)
    && coversProxies(wide, other);
}

function coversUri(wide: HttpMatch, narrow: HttpMatch): boolean {
  if (wide.uri === undefined || wide.uri.prefix === '/') return true;
  if (narrow.uri === undefined) return false;
  if (wide.ignoreUriCase === true) return coversText(lower(wide.uri), lower(narrow.uri));
  return narrow.ignoreUriCase !== true && coversText(wide.uri, narrow.uri);
}

/** An expression's case has a meaning of its own. */
function lower(match: StringMatch): StringMatch {
  if (match.exact !== undefined) return { exact: match.exact.toLowerCase() };
  return match.prefix === undefined ? match : { prefix: match.prefix.toLowerCase() };
}

function coversText(wide: StringMatch | undefined, narrow: StringMatch | undefined): boolean {
  if (wide === undefined) return true;
  if (narrow === undefined) return false;
  if (isPresence(wide)) return true;
  if (wide.exact !== undefined) return narrow.exact === wide.exact;
  if (wide.prefix === undefined) return narrow.regex === wide.regex;
  return (narrow.exact ?? narrow.prefix ?? '').startsWith(wide.prefix);
}

type Named = Readonly<Record<string, StringMatch>> | undefined;

function coversEach(wide: Named, narrow: Named): boolean {
  return Object.entries(wide ?? {}).every(([name, match]) => coversText(match, named(narrow, name)));
}

function sameEach(wide: Named, narrow: Named): boolean {
  return Object.entries(wide ?? {}).every(([name, match]) => {
    const other = named(narrow, name);
    return other !== undefined && coversText(match, other) && coversText(other, match);
  });
}

/** Header names have no case. */
function named(matches: Named, name: string): StringMatch | undefined {
  return Object.entries(matches ?? {}).find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1];
}

function coversProxies(wide: HttpMatch, narrow: HttpMatch): boolean {
  const { gateways = [] } = wide;
  if (gateways.length > 0 && (narrow.gateways?.length ?? 0) === 0) return false;
  if (gateways.length > 0 && !(narrow.gateways ?? []).every((name) => gateways.includes(name))) return false;
  if (wide.sourceNamespace !== undefined && wide.sourceNamespace !== narrow.sourceNamespace) return false;
  const labels = new Map(Object.entries(narrow.sourceLabels ?? {}));
  return Object.entries(wide.sourceLabels ?? {}).every(([key, value]) => labels.get(key) === value);
}
