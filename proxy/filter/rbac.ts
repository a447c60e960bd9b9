// The RBAC filter: denies requests by policy (envoy.extensions.filters.http.rbac.v3.RBAC, RBACPerRoute).
import { ProxyError } from '../base/error.ts';
import type { RBAC, RBACPerRoute } from '../config/rbac.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Counter, StatName, Stats } from '../telemetry/stats.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import { AccessPolicies } from './rbac-policy.ts';
import { routeFilterConfig } from './route-filter-lookup.ts';

/** Detail of a request, or a connection, that no permission covers. */
export const NONE_MATCHED = 'rbac_access_denied_matched_policy[none]';

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

/** A route's own settings; without rules the filter does nothing there. Throws ConfigError below `path`. */
export function compileRbacPerRoute(config: RBACPerRoute, path: string): RbacSettings {
  return new RbacSettings(config.rbac, `${path}.rbac`);
}

export interface RbacDeps {
  readonly stats: Stats;
  /** `http.<stat_prefix>.` */
  readonly scope: StatScope;
}

export class RbacFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #settings: RbacSettings;
  readonly #allowed: Counter;
  readonly #denied: Counter;
  readonly #shadowAllowed: Counter;
  readonly #shadowDenied: Counter;

  /** Throws ConfigError below `path`. */
  constructor(name: string, config: RBAC, { stats, scope }: RbacDeps, path: string) {
    this.name = name;
    this.#settings = new RbacSettings(config, path);
    const counter = (prefix: string | undefined, stat: string): Counter => stats.counter(rbacStat(scope, prefix, stat));
    this.#allowed = counter(config.rulesStatPrefix, 'allowed');
    this.#denied = counter(config.rulesStatPrefix, 'denied');
    this.#shadowAllowed = counter(config.shadowRulesStatPrefix, 'shadow_allowed');
    this.#shadowDenied = counter(config.shadowRulesStatPrefix, 'shadow_denied');
  }

  onRequestHead(stream: FilterStream): Verdict {
    const own = routeFilterConfig(stream, this.name);
    const { rules, shadowRules } = own instanceof RbacSettings ? own : this.#settings;
    if (shadowRules !== undefined) this.#count(shadowRules, stream);
    if (rules === undefined) return 'continue';
    const matched = rules.find(stream.request, stream.info);
    if (rules.allows(matched)) {
      this.#allowed.inc();
      return 'continue';
    }
    this.#denied.inc();
    stream.failStream(new ProxyError('denied', 'downstream', matched?.detail ?? NONE_MATCHED));
    return 'replied';
  }

  #count(shadowRules: AccessPolicies, { request, info }: FilterStream): void {
    if (shadowRules.allows(shadowRules.find(request, info))) this.#shadowAllowed.inc();
    else this.#shadowDenied.inc();
  }
}

/** A prefix of its own is a part of the flat name and, in Prometheus's, a label (observed on Envoy 1.40). */
function rbacStat(scope: StatScope, prefix: string | undefined, stat: string): StatName {
  if (prefix === undefined || prefix === '') return statName(scope, `rbac.${stat}`);
  const part = prefix.endsWith('.') ? prefix.slice(0, -1) : prefix;
  return {
    flat: `${scope.flat}rbac.${part}.${stat}`,
    family: `${scope.family}rbac_${stat}`,
    labels: [['envoy_rbac_http_prefix', part], ...scope.labels],
  };
}
