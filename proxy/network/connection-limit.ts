// Limits of connections at one time (connection_limit) and of new ones by time (local_ratelimit), over all workers.
import type { NamedCount, NamedCounts } from '../base/named-counts.ts';
import type { SharedBuckets } from '../base/shared-buckets.ts';
import { msOr } from '../config/duration.ts';
import type { ConnectionLimit as ConnectionLimitConfig, NetworkRateLimit } from '../config/network-limit.ts';
import { compileTokenBucket } from '../filter/token-bucket.ts';
import type { TokenBucket } from '../filter/token-bucket.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import type { NetworkGate, Refused } from './network-gate.ts';

/** The flag is Envoy's choice for it. */
const AT_ONCE: Refused = { afterMs: 0, flag: 'URX' };

/** envoy.filters.network.connection_limit. One that is refused counts until it is closed, as in Envoy. */
export class ConnectionLimit implements NetworkGate {
  readonly name: string;
  readonly #max: number;
  readonly #refused: Refused;
  readonly #enabled: boolean;
  readonly #count: NamedCount;
  readonly #active: Gauge;
  readonly #limited: Counter;

  /** `owner` names the filter's chain among all. */
  constructor(name: string, config: ConnectionLimitConfig, counts: NamedCounts, stats: Stats, owner: string) {
    this.name = name;
    this.#max = Number(config.maxConnections);
    this.#refused = { afterMs: msOr(config.delay, 0), flag: undefined };
    this.#enabled = config.runtimeEnabled?.defaultValue ?? true;
    this.#count = counts.count(`connection_limit ${owner}|${name}`);
    const scope: StatScope = {
      flat: `connection_limit.${config.statPrefix}.`, family: 'envoy_connection_limit_',
      labels: [['envoy_connection_limit_prefix', config.statPrefix]],
    };
    this.#active = stats.gauge(statName(scope, 'active_connections'));
    this.#limited = stats.counter(statName(scope, 'limited_connections'));
  }

  onConnection(): Refused | undefined {
    if (!this.#enabled) return undefined;
    this.#active.inc();
    if (this.#count.tryAdd(this.#max)) return undefined;
    this.#count.add(1);
    this.#limited.inc();
    return this.#refused;
  }

  onClose(): void {
    if (!this.#enabled) return;
    this.#count.add(-1);
    this.#active.dec();
  }
}

/** envoy.filters.network.local_ratelimit. */
export class ConnectionRateLimit implements NetworkGate {
  readonly name: string;
  readonly #bucket: TokenBucket;
  readonly #enabled: boolean;
  readonly #limited: Counter;

  /** Throws ConfigError below `path`. */
  constructor(
    name: string, config: NetworkRateLimit, buckets: SharedBuckets, stats: Stats, owner: string, path: string,
  ) {
    const { statPrefix, tokenBucket, runtimeEnabled, shareKey = '' } = config;
    this.name = name;
    const of = shareKey === '' ? `${owner}|${name}` : `shared ${shareKey}`;
    this.#bucket = compileTokenBucket(tokenBucket, buckets, `network ${of}`, `${path}.tokenBucket`);
    this.#enabled = runtimeEnabled?.defaultValue ?? true;
    const scope: StatScope = {
      flat: `local_rate_limit.${statPrefix}.`, family: 'envoy_local_rate_limit_',
      labels: [['envoy_local_network_ratelimit_prefix', statPrefix]],
    };
    this.#limited = stats.counter(statName(scope, 'rate_limited'));
  }

  onConnection(): Refused | undefined {
    if (!this.#enabled || this.#bucket.take(1)) return undefined;
    this.#limited.inc();
    return AT_ONCE;
  }
}
