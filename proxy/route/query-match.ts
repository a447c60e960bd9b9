// One condition on a query parameter (envoy.config.route.v3.QueryParameterMatcher), read from the path in place.
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import { percentDecoded } from '../base/percent-decoding.ts';
import type { StringMatch } from '../base/string-match.ts';
import { compileStringMatch } from '../base/string-match.ts';
import type { QueryParameterMatcher } from '../config/header-matcher.ts';

/**
 * Names and values are compared as they stand in the request: percent-encoding is not undone, as in Envoy, except by
 * rate limits, which undo that of values (`decodes`).
 */
export class QueryMatch {
  readonly #name: string;
  readonly #match: StringMatch | undefined;
  readonly #wantsPresence: boolean;
  readonly #decodes: boolean;

  constructor(matcher: QueryParameterMatcher, path: string, decodes = false) {
    if (!/^[^=&]+$/.test(matcher.name)) throw new ConfigError(`${path}.name`, 'must be a name without = and &');
    this.#name = wireText(matcher.name);
    this.#decodes = decodes;
    const { stringMatch } = matcher;
    this.#match = stringMatch === undefined ? undefined : compileStringMatch(stringMatch, `${path}.stringMatch`);
    this.#wantsPresence = matcher.presentMatch ?? true;
  }

  matches(path: string): boolean {
    const value = queryValue(path, this.#name);
    if (this.#match === undefined) return (value !== undefined) === this.#wantsPresence;
    return value !== undefined && this.#match.matches(this.#decodes ? percentDecoded(value) : value);
  }
}

/** The value of the first parameter of this name, '' when it has none, undefined when it is not there. */
export function queryValue(path: string, name: string): string | undefined {
  let start = path.indexOf('?') + 1;
  while (start !== 0 && start < path.length) {
    const found = path.indexOf('&', start);
    const end = found === -1 ? path.length : found;
    if (path.startsWith(name, start)) {
      const after = start + name.length;
      if (after === end) return '';
      if (after < end && path[after] === '=') return path.slice(after + 1, end);
    }
    start = end + 1;
  }
  return undefined;
}
