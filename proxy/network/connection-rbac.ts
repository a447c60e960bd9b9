// Authorization of connections by policy, before their first bytes go on (envoy.filters.network.rbac).
import type { Clock } from '../base/clock.ts';
import type { NetworkRBAC } from '../config/rbac.ts';
import { NONE_MATCHED, RbacSettings } from '../filter/rbac.ts';
import type { AccessPolicies } from '../filter/rbac-policy.ts';
import { RequestHead } from '../http/message.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import { StreamInfo } from '../telemetry/stream-info.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';
import type { NetworkGate } from './network-gate.ts';

/** Rules about requests are refused with the configuration: nothing is asked of it. */
const NO_REQUEST = new RequestHead('', '', '');

export class ConnectionRbac implements NetworkGate {
  readonly name: string;
  readonly #clock: Clock;
  readonly #settings: RbacSettings;
  readonly #allowed: Counter;
  readonly #denied: Counter;
  readonly #shadowAllowed: Counter;
  readonly #shadowDenied: Counter;

  /** Throws ConfigError below `path`. */
  constructor(name: string, config: NetworkRBAC, stats: Stats, clock: Clock, path: string) {
    this.name = name;
    this.#clock = clock;
    this.#settings = new RbacSettings(config, path);
    const scope = rbacScope(config.statPrefix);
    const shadow = joined(config.shadowRulesStatPrefix ?? '');
    this.#allowed = stats.counter(statName(scope, 'allowed'));
    this.#denied = stats.counter(statName(scope, 'denied'));
    this.#shadowAllowed = stats.counter(statName(scope, `${shadow}shadow_allowed`));
    this.#shadowDenied = stats.counter(statName(scope, `${shadow}shadow_denied`));
  }

  onFirstBytes(connection: ConnectionInfo): string | undefined {
    const { rules, shadowRules } = this.#settings;
    const info = new StreamInfo(connection, this.#clock.nowMs(), this.#clock.wallMs());
    if (shadowRules !== undefined) this.#count(shadowRules, info);
    if (rules === undefined) return undefined;
    const matched = rules.find(NO_REQUEST, info);
    if (rules.allows(matched)) {
      this.#allowed.inc();
      return undefined;
    }
    this.#denied.inc();
    return matched?.detail ?? NONE_MATCHED;
  }

  #count(shadowRules: AccessPolicies, info: StreamInfo): void {
    if (shadowRules.allows(shadowRules.find(NO_REQUEST, info))) this.#shadowAllowed.inc();
    else this.#shadowDenied.inc();
  }
}

/** A prefix ends in a dot, whether it is written or not. */
function joined(prefix: string): string {
  return prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
}

/** `<stat_prefix>.rbac.*`, envoy_rbac_*{envoy_rbac_prefix}. */
function rbacScope(prefix: string): StatScope {
  const flat = joined(prefix);
  return { flat: `${flat}rbac.`, family: 'envoy_rbac_', labels: [['envoy_rbac_prefix', flat.slice(0, -1)]] };
}
