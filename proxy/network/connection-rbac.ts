// Authorization of connections by policy, before their first bytes go on (envoy.filters.network.rbac).
import type { Clock } from '../base/clock.ts';
import type { NetworkRBAC } from '../config/rbac.ts';
import { RbacJudge, RbacSettings } from '../filter/rbac-judge.ts';
import { RequestHead } from '../http/message.ts';
import type { AccessDecisions } from '../telemetry/decision-sink.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Stats } from '../telemetry/stats.ts';
import { StreamInfo } from '../telemetry/stream-info.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';
import type { NetworkGate } from './network-gate.ts';

/** Rules about requests are refused with the configuration: nothing is asked of it. */
const NO_REQUEST = new RequestHead('', '', '');

export interface ConnectionRbacDeps {
  readonly stats: Stats;
  readonly clock: Clock;
  readonly decisions: AccessDecisions;
}

export class ConnectionRbac implements NetworkGate {
  readonly name: string;
  readonly judgesEveryRead: boolean;
  readonly #clock: Clock;
  readonly #settings: RbacSettings;
  readonly #judge: RbacJudge;

  /** Throws ConfigError below `path`. */
  constructor(name: string, config: NetworkRBAC, { stats, clock, decisions }: ConnectionRbacDeps, path: string) {
    this.name = name;
    this.judgesEveryRead = config.enforcementType === 'CONTINUOUS';
    this.#clock = clock;
    this.#settings = new RbacSettings(config, path);
    const scope = rbacScope(config.statPrefix);
    const shadow = joined(config.shadowRulesStatPrefix ?? '');
    this.#judge = new RbacJudge(name, decisions, stats, (stat) =>
      statName(scope, stat.startsWith('shadow_') ? shadow + stat : stat));
  }

  onFirstBytes(connection: ConnectionInfo): string | undefined {
    const info = new StreamInfo(connection, this.#clock.nowMs(), this.#clock.wallMs());
    info.dynamicMetadata = connection.metadata;
    return this.#judge.judge(this.#settings, NO_REQUEST, info)?.detail;
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
