// Host names as rules write them: short names against the rule's namespace, wildcards, and which name is closer.

/** `reviews` in namespace `default` is `reviews.default.svc.<domain>`; names with a dot, wildcards and IPs stay. */
export function resolveHost(host: string, namespace: string, domain: string): string {
  const name = host.toLowerCase();
  if (name === '' || name.includes('.') || name.includes('*') || name.includes(':')) return name;
  return serviceHost(name, namespace, domain);
}

export function serviceHost(name: string, namespace: string, domain: string): string {
  return `${name}.${namespace}.svc.${domain}`;
}

export function isWildcard(host: string): boolean {
  return host.startsWith('*');
}

/** Whether `pattern` (exact, `*.suffix` or `*`) covers `host`, which may be a pattern of its own. */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === '*') return true;
  if (!isWildcard(pattern)) return pattern === host;
  const suffix = pattern.slice(1);
  return host.endsWith(suffix) && host.length > suffix.length;
}

/** The narrower of two patterns that overlap, undefined when they do not: what a gateway and a rule have in common. */
export function hostIntersection(one: string, other: string): string | undefined {
  if (hostMatches(one, other)) return other;
  return hostMatches(other, one) ? one : undefined;
}

/** Sorts exact names before wildcards, and longer wildcards before shorter ones. */
export function bySpecificity(one: string, other: string): number {
  const wildcards = Number(isWildcard(one)) - Number(isWildcard(other));
  return wildcards === 0 ? other.length - one.length : wildcards;
}

/** The pattern that fits `host` most closely. */
export function closestHost(patterns: Iterable<string>, host: string): string | undefined {
  let best: string | undefined;
  for (const pattern of patterns) {
    if (hostMatches(pattern, host) && (best === undefined || bySpecificity(pattern, best) < 0)) best = pattern;
  }
  return best;
}
