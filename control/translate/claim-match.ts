// Conditions on the claims of a verified token, as matchers of what the token filter says of a request.
import type { StringMatcher } from '../../proxy/config/matcher.ts';
import type { MetadataMatcher, ValueMatcher } from '../../proxy/config/metadata-matcher.ts';
import type { Principal } from '../../proxy/config/rbac.ts';
import { TOKEN_FILTER, TOKEN_PAYLOAD } from './request-authentication.ts';

/** `*`: there is something. */
const SOMETHING: StringMatcher = { safeRegex: { regex: '.+' } };

/** The names in `request.auth.claims[a][b]`; undefined for another key. */
export function claimPath(key: string): string[] | undefined {
  const names = /^request\.auth\.claims((?:\[[^[\]]+\])+)$/.exec(key)?.[1];
  return names?.slice(1, -1).split('][');
}

/** The names in `@request.auth.claims.a.b` and `@request.auth.claims[a][b]`, of a rule's headers. */
export function routeClaimPath(header: string): string[] | undefined {
  const match = /^@request\.auth\.claims(?:\.(.+)|((?:\[[^[\]]+\])+))$/.exec(header);
  if (match === null) return undefined;
  return match[1]?.split('.') ?? match[2]!.slice(1, -1).split('][');
}

/** A text that fits, or a list with such a text. */
export function claimMatcher(path: readonly string[], text: StringMatcher): MetadataMatcher {
  const stringMatch: ValueMatcher = { stringMatch: text };
  return metadata(path, { orMatch: { valueMatchers: [{ listMatch: { oneOf: stringMatch } }, stringMatch] } });
}

/** Something is there, of whatever kind. */
export function claimPresence(path: readonly string[]): MetadataMatcher {
  return metadata(path, { presentMatch: true });
}

/** Any of the claim's values. */
export function claimPrincipal(path: readonly string[], pattern: string): Principal {
  return { metadata: claimMatcher(path, textMatcher(pattern)) };
}

/** `issuer/subject`; the last slash parts them, since issuers are URLs. */
export function requestPrincipalMatch(pattern: string): Principal {
  const [issuer, subject] = requestPrincipalParts(pattern);
  const ids = [metadata(['iss'], { stringMatch: issuer }), metadata(['sub'], { stringMatch: subject })];
  return { andIds: { ids: ids.map((matcher) => ({ metadata: matcher })) } };
}

function requestPrincipalParts(pattern: string): [issuer: StringMatcher, subject: StringMatcher] {
  const slash = pattern.lastIndexOf('/');
  if (slash < 0) {
    // Without a slash a pattern is about the one part that it can be about.
    if (pattern.startsWith('*')) return [SOMETHING, textMatcher(pattern)];
    return [textMatcher(pattern), pattern.endsWith('*') ? SOMETHING : { exact: '' }];
  }
  return [textMatcher(pattern.slice(0, slash)), textMatcher(pattern.slice(slash + 1))];
}

function textMatcher(pattern: string): StringMatcher {
  if (pattern === '*') return SOMETHING;
  if (pattern.startsWith('*')) return { suffix: pattern.slice(1) };
  return pattern.endsWith('*') ? { prefix: pattern.slice(0, -1) } : { exact: pattern };
}

function metadata(path: readonly string[], value: ValueMatcher): MetadataMatcher {
  return { filter: TOKEN_FILTER, path: [TOKEN_PAYLOAD, ...path].map((key) => ({ key })), value };
}
