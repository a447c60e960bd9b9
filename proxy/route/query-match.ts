// One condition on a query parameter (envoy.config.route.v3.QueryParameterMatcher), read from the path in place.
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
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

/** Bytes as latin1 characters; what is no `%XX` stays as it is. */
export function percentDecoded(text: string): string {
  let at = text.indexOf('%');
  if (at === -1) return text;
  let out = '';
  let start = 0;
  for (; at !== -1; at = text.indexOf('%', Math.max(start, at + 1))) {
    const byte = hexByte(text, at + 1);
    if (byte === -1) continue;
    out += text.slice(start, at) + String.fromCharCode(byte);
    start = at + 3;
  }
  return out + text.slice(start);
}

/** Two hexadecimal digits; -1 where they are not. */
function hexByte(text: string, at: number): number {
  const [high, low] = [hexDigit(text.charCodeAt(at)), hexDigit(text.charCodeAt(at + 1))];
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
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
