// Judges by the policies that are enforced and by those that are only tried: counts, and tells who listens.
import type { RBAC } from '../config/rbac.ts';
import type { RequestHead } from '../http/message.ts';
import type { AccessDecision, DecisionOutcome } from '../telemetry/decision.ts';
import type { AccessDecisions } from '../telemetry/decision-sink.ts';
import { addMetadata } from '../telemetry/dynamic-metadata.ts';
import type { StatName, Stats, Counter } from '../telemetry/stats.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { AccessPolicies } from './rbac-policy.ts';
import type { AccessPolicy } from './rbac-policy.ts';
import type { RbacStat, RuleCounters } from './rbac-rule-counters.ts';

/** Detail of a request, or a connection, that no permission covers. */
const NONE_MATCHED = 'rbac_access_denied_matched_policy[none]';

/** Of what is said in metadata, by the dry run alone: nothing is made for requests that pass the rules in force. */
const NAMESPACE = 'envoy.filters.http.rbac';

/** What holds for a route: rules that are enforced, rules that are only counted, either of which may be absent. */
export class RbacSettings {
  readonly rules: AccessPolicies | undefined;
  readonly shadowRules: AccessPolicies | undefined;

  /** Throws ConfigError below `path`. */
  constructor(config: Pick<RBAC, 'rules' | 'shadowRules'> | undefined, path: string) {
    this.rules = config?.rules === undefined ? undefined : new AccessPolicies(config.rules, `${path}.rules`);
    this.shadowRules = config?.shadowRules === undefined ? undefined
      : new AccessPolicies(config.shadowRules, `${path}.shadowRules`);
  }
}

export class RbacJudge {
  readonly #filter: string;
  readonly #decisions: AccessDecisions;
  readonly #shadowPolicy: string;
  readonly #shadowResult: string;
  readonly #allowed: Counter;
  readonly #denied: Counter;
  readonly #shadowAllowed: Counter;
  readonly #shadowDenied: Counter;

  readonly #byRule: RuleCounters | undefined;

  /**
   * `shadowPrefix` stands before the names of what the dry run says in metadata; `byRule` counts each policy as well.
   */
  constructor(
    filter: string, decisions: AccessDecisions, stats: Stats, nameOf: (stat: RbacStat) => StatName, shadowPrefix = '',
    byRule?: RuleCounters,
  ) {
    this.#byRule = byRule;
    this.#filter = filter;
    this.#decisions = decisions;
    this.#shadowPolicy = `${shadowPrefix}shadow_effective_policy_id`;
    this.#shadowResult = `${shadowPrefix}shadow_engine_result`;
    this.#allowed = stats.counter(nameOf('allowed'));
    this.#denied = stats.counter(nameOf('denied'));
    this.#shadowAllowed = stats.counter(nameOf('shadow_allowed'));
    this.#shadowDenied = stats.counter(nameOf('shadow_denied'));
  }

  /** Undefined lets it on. */
  judge({ rules, shadowRules }: RbacSettings, head: RequestHead, info: StreamInfo): AccessDecision | undefined {
    if (shadowRules !== undefined) this.#try(shadowRules, head, info);
    if (rules === undefined) return undefined;
    const matched = rules.find(head, info);
    if (rules.allows(matched)) {
      this.#allowed.inc();
      if (matched !== undefined) this.#byRule?.count(matched, 'allowed');
      if (rules.action === 'LOG' && matched !== undefined) this.#tell('audited', rules, matched, head, info);
      return undefined;
    }
    this.#denied.inc();
    if (matched !== undefined) this.#byRule?.count(matched, 'denied');
    return this.#tell('denied', rules, matched, head, info);
  }

  #try(rules: AccessPolicies, head: RequestHead, info: StreamInfo): void {
    const matched = rules.find(head, info);
    const allows = rules.allows(matched);
    addMetadata(info, NAMESPACE, {
      ...(matched !== undefined && { [this.#shadowPolicy]: matched.name }),
      [this.#shadowResult]: allows ? 'allowed' : 'denied',
    });
    (allows ? this.#shadowAllowed : this.#shadowDenied).inc();
    if (matched !== undefined) this.#byRule?.count(matched, allows ? 'shadow_allowed' : 'shadow_denied');
    if (!allows) this.#tell('would-deny', rules, matched, head, info);
  }

  #tell(
    outcome: DecisionOutcome, rules: AccessPolicies, matched: AccessPolicy | undefined, head: RequestHead,
    info: StreamInfo,
  ): AccessDecision {
    const decision: AccessDecision = {
      outcome, filter: this.#filter, policy: matched?.name ?? '', detail: matched?.detail ?? NONE_MATCHED,
      nearestMiss: () => (matched === undefined ? rules.nearestMiss(head, info) : undefined),
    };
    this.#decisions.tell(decision, info);
    return decision;
  }
}
