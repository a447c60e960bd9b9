// What one rate limit of a route counts (envoy.config.route.v3.RateLimit): the descriptor that it makes of a request.
import { ConfigError } from '../base/error.ts';
import type { Metadata } from '../config/node.ts';
import type { FilterRateLimit } from '../config/rate-limit.ts';
import { compileDescriptorEntry } from './rate-limit-entry.ts';
import type { DescriptorEntry, DescriptorFacts } from './rate-limit-entry.ts';

/** Keys and values in turns, and what the request counts. */
export interface Descriptor {
  readonly entries: readonly string[];
  readonly hits: number;
}

/** The rate limits that hold on a route. */
export interface RouteRateLimits {
  readonly own: readonly RateLimitRule[];
  readonly host: readonly RateLimitRule[];
  /** The virtual host's hold beside the route's own. */
  readonly includesHost: boolean;
}

export class RateLimitRule {
  readonly stage: number;
  readonly #hits: number;
  readonly #entries: readonly DescriptorEntry[];

  /** Throws ConfigError below `path`. */
  constructor({ stage, actions, hitsAddend }: FilterRateLimit, metadata: Metadata | undefined, path: string) {
    this.stage = stage ?? 0;
    this.#hits = hitsAddend?.number ?? 1;
    this.#entries = actions.map((action, i) => compileDescriptorEntry(action, metadata, `${path}.actions[${i}]`));
    if (this.#entries.length === 0) throw new ConfigError(`${path}.actions`, 'must not be empty');
  }

  /** Undefined where an entry does not apply. `ownCluster` is node.cluster. */
  describe(facts: DescriptorFacts, ownCluster: string): Descriptor | undefined {
    const entries: string[] = [];
    for (const entry of this.#entries) if (!entry(facts, ownCluster, entries)) return undefined;
    return { entries, hits: this.#hits };
  }
}

/** Throws ConfigError below `path`. */
export function compileRateLimits(
  limits: readonly FilterRateLimit[] | undefined, metadata: Metadata | undefined, path: string,
): readonly RateLimitRule[] {
  return (limits ?? []).map((limit, i) => new RateLimitRule(limit, metadata, `${path}[${i}]`));
}

/** The virtual host's rate limits hold where the route has none, always, or never (VhRateLimitsOptions). */
export type HostLimits = 'OVERRIDE' | 'INCLUDE' | 'IGNORE';

/** Descriptors of the rate limits of a route that are for this stage; an empty list for routes without. */
export function describeRoute(
  limits: RouteRateLimits | undefined, host: HostLimits, stage: number, facts: DescriptorFacts, ownCluster: string,
): readonly Descriptor[] {
  if (limits === undefined) return NONE;
  const found = describeAll(limits.own, stage, facts, ownCluster);
  const includes = limits.includesHost || host === 'INCLUDE' || (host === 'OVERRIDE' && limits.own.length === 0);
  if (!includes || limits.host.length === 0) return found;
  return [...found, ...describeAll(limits.host, stage, facts, ownCluster)];
}

const NONE: readonly Descriptor[] = [];

/** As describeRoute, of one list. */
export function describeAll(
  rules: readonly RateLimitRule[], stage: number, facts: DescriptorFacts, ownCluster: string,
): readonly Descriptor[] {
  let found: Descriptor[] | undefined;
  for (const rule of rules) {
    if (rule.stage !== stage) continue;
    const descriptor = rule.describe(facts, ownCluster);
    if (descriptor !== undefined) (found ??= []).push(descriptor);
  }
  return found ?? NONE;
}
