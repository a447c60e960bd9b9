// Patterns of AuthorizationPolicy as RBAC matchers: exact, `prefix*`, `*suffix`, `*`. No literal becomes a regex (S45).
import type { CidrRange } from '../../proxy/config/address.ts';
import type { StringMatcher } from '../../proxy/config/matcher.ts';
import type { Permission, Principal } from '../../proxy/config/rbac.ts';

const SPIFFE = 'spiffe://';

/** Undefined stands for `*`: whatever is there. */
function textMatcher(pattern: string, before = ''): StringMatcher | undefined {
  if (pattern === '*') return undefined;
  if (pattern.startsWith('*')) return { suffix: pattern.slice(1) };
  if (pattern.endsWith('*')) return { prefix: before + pattern.slice(0, -1) };
  return { exact: before + pattern };
}

function authenticated(...matchers: StringMatcher[]): Principal {
  const ids = matchers.map((principalName): Principal => ({ authenticated: { principalName } }));
  const [only] = ids;
  return ids.length === 1 && only !== undefined ? only : { andIds: { ids } };
}

/** `cluster.local/ns/default/sa/reviews` and its wildcards; always a SPIFFE identity. */
export function principalMatch(pattern: string): Principal {
  const matcher = textMatcher(pattern, SPIFFE);
  if (matcher === undefined) return authenticated({ prefix: SPIFFE });
  return matcher.suffix === undefined ? authenticated(matcher) : authenticated({ prefix: SPIFFE }, matcher);
}

/** The namespace stands between `/ns/` and `/`. */
export function namespaceMatch(pattern: string): Principal {
  const matcher = textMatcher(pattern);
  if (matcher === undefined) return authenticated({ contains: '/ns/' });
  if (matcher.suffix !== undefined) return authenticated({ contains: '/ns/' }, { contains: `${matcher.suffix}/sa/` });
  return authenticated({ contains: matcher.prefix === undefined ? `/ns/${pattern}/` : `/ns/${matcher.prefix}` });
}

/** `namespace/name`, or a name in the policy's own namespace. */
export function serviceAccountMatch(account: string, policyNamespace: string): Principal {
  const slash = account.indexOf('/');
  const namespace = slash < 0 ? policyNamespace : account.slice(0, slash);
  return authenticated({ suffix: `/ns/${namespace}/sa/${account.slice(slash + 1)}` });
}

export function trustDomainMatch(pattern: string): Principal {
  const matcher = textMatcher(pattern, SPIFFE);
  if (matcher === undefined) return authenticated({ prefix: SPIFFE });
  if (matcher.suffix !== undefined) return authenticated({ prefix: SPIFFE }, { contains: `${matcher.suffix}/ns/` });
  return authenticated({ prefix: matcher.exact === undefined ? (matcher.prefix ?? SPIFFE) : `${matcher.exact}/` });
}

export function cidrRange(text: string): CidrRange {
  const [addressPrefix = '', length] = text.split('/');
  return { addressPrefix, prefixLen: length === undefined ? (addressPrefix.includes(':') ? 128 : 32) : Number(length) };
}

/** A header of the request, as a principal (Istio puts request.headers there). */
export function requestHeaderMatch(name: string, pattern: string): Principal {
  const stringMatch = textMatcher(pattern);
  const lower = name.toLowerCase();
  return { header: stringMatch === undefined ? { name: lower, presentMatch: true } : { name: lower, stringMatch } };
}

export function methodMatch(pattern: string): Permission {
  const stringMatch = textMatcher(pattern);
  const name = ':method';
  return { header: stringMatch === undefined ? { name, presentMatch: true } : { name, stringMatch } };
}

/** Hosts compare without case; a port in the request's host is part of it, as in Istio. */
export function hostMatch(pattern: string): Permission {
  const matcher = textMatcher(pattern);
  const name = ':authority';
  if (matcher === undefined) return { header: { name, presentMatch: true } };
  return { header: { name, stringMatch: { ...matcher, ignoreCase: true } } };
}

export function pathMatch(pattern: string): Permission {
  if (pattern.includes('{')) return { urlPath: { path: { safeRegex: { regex: templateRegex(pattern) } } } };
  const path = textMatcher(pattern);
  return path === undefined ? { any: true } : { urlPath: { path } };
}

/** `{*}` is one segment, `{**}` the rest; both as Envoy's URI templates have them. */
function templateRegex(template: string): string {
  return template.split(/(\{\*\*?\})/).map((part) => {
    if (part === '{*}') return '[^/]+';
    return part === '{**}' ? '.*' : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  }).join('');
}

export function sniMatch(pattern: string): Permission {
  const matcher = textMatcher(pattern);
  return matcher === undefined ? { notRule: { requestedServerName: { exact: '' } } } : { requestedServerName: matcher };
}
