// The RBAC filter: denies requests by policy (envoy.extensions.filters.http.rbac.v3.RBAC, RBACPerRoute).
import { ProxyError } from '../base/error.ts';
import type { RBAC, RBACPerRoute } from '../config/rbac.ts';
import type { AccessDecisions } from '../telemetry/decision-sink.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { StatName, Stats } from '../telemetry/stats.ts';
import type { NodeFacts } from '../telemetry/workload.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import { DenialExplanation, EXPLANATION_HEADER } from './denial-explanation.ts';
import { errorReply } from './local-reply-head.ts';
import { RbacJudge, RbacSettings } from './rbac-judge.ts';
import { RuleCounters } from './rbac-rule-counters.ts';
import type { RbacStat } from './rbac-rule-counters.ts';
import { routeFilterConfig } from './route-filter-lookup.ts';

/** A route's own settings; without rules the filter does nothing there. Throws ConfigError below `path`. */
export function compileRbacPerRoute(config: RBACPerRoute, path: string): RbacSettings {
  return new RbacSettings(config.rbac, `${path}.rbac`);
}

export interface RbacDeps {
  readonly stats: Stats;
  readonly decisions: AccessDecisions;
  readonly node: NodeFacts;
  /** `http.<stat_prefix>.` */
  readonly scope: StatScope;
}

export class RbacFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #settings: RbacSettings;
  readonly #judge: RbacJudge;
  readonly #explanation: DenialExplanation;

  /** Throws ConfigError below `path`. */
  constructor(name: string, config: RBAC, { stats, scope, decisions, node }: RbacDeps, path: string) {
    this.name = name;
    this.#explanation = new DenialExplanation(node.metadata);
    this.#settings = new RbacSettings(config, path);
    const { rulesStatPrefix, shadowRulesStatPrefix, trackPerRuleStats = false } = config;
    const nameOf = (stat: RbacStat, policy?: string): StatName =>
      rbacStat(scope, stat.startsWith('shadow_') ? shadowRulesStatPrefix : rulesStatPrefix, stat, policy);
    const byRule = trackPerRuleStats ? new RuleCounters(stats, nameOf) : undefined;
    this.#judge = new RbacJudge(name, decisions, stats, nameOf, shadowRulesStatPrefix, byRule);
  }

  onRequestHead(stream: FilterStream): Verdict {
    const own = routeFilterConfig(stream, this.name);
    const settings = own instanceof RbacSettings ? own : this.#settings;
    const denial = this.#judge.judge(settings, stream.request, stream.info);
    if (denial === undefined) return 'continue';
    const error = new ProxyError('denied', 'downstream', denial.detail);
    const words = this.#explanation.wordsFor(denial, stream);
    if (words === undefined) stream.failStream(error);
    else stream.sendLocalReply({ ...errorReply(error, false, ''), headers: [[EXPLANATION_HEADER, words]] });
    return 'replied';
  }
}

/** A prefix of its own and a policy are parts of the flat name, and labels in Prometheus's (observed on Envoy 1.40). */
function rbacStat(scope: StatScope, prefix: string | undefined, stat: string, policy?: string): StatName {
  const part = prefix?.endsWith('.') === true ? prefix.slice(0, -1) : prefix ?? '';
  const parts = ['rbac', ...(part === '' ? [] : [part]), ...(policy === undefined ? [] : ['policy', policy]), stat];
  return {
    flat: scope.flat + parts.join('.'),
    family: `${scope.family}rbac_${policy === undefined ? '' : 'policy_'}${stat}`,
    labels: [
      ...(policy === undefined ? [] : [['envoy_rbac_policy_name', policy] as const]),
      ...(part === '' ? [] : [['envoy_rbac_http_prefix', part] as const]), ...scope.labels,
    ],
  };
}
