// Counts of single policies, where a filter is to keep them (RBAC.track_per_rule_stats).
import type { Counter, StatName, Stats } from '../telemetry/stats.ts';
import type { AccessPolicy } from './rbac-policy.ts';

/** Names of the four figures of a filter, and of each of its policies. */
export type RbacStat = 'allowed' | 'denied' | 'shadow_allowed' | 'shadow_denied';

/** A policy has one effect: a figure of its own comes to be when it first has it. Names are configuration's (S88). */
export class RuleCounters {
  readonly #stats: Stats;
  readonly #nameOf: (stat: RbacStat, policy: string) => StatName;
  readonly #counters = new WeakMap<AccessPolicy, Counter>();

  constructor(stats: Stats, nameOf: (stat: RbacStat, policy: string) => StatName) {
    this.#stats = stats;
    this.#nameOf = nameOf;
  }

  count(policy: AccessPolicy, stat: RbacStat): void {
    let counter = this.#counters.get(policy);
    if (counter === undefined) {
      counter = this.#stats.counter(this.#nameOf(stat, policy.name));
      this.#counters.set(policy, counter);
    }
    counter.inc();
  }
}
