// The stats of one TCP proxy, with Envoy's names under `tcp.<prefix>.`.
import { statName } from './stat-name.ts';
import type { StatScope } from './stat-name.ts';
import type { Counter, Gauge, Stats } from './stats.ts';

/** `tcp.<stat_prefix>.*`, envoy_tcp_*{envoy_tcp_prefix}. */
export function tcpScope(prefix: string): StatScope {
  return { flat: `tcp.${prefix}.`, family: 'envoy_tcp_', labels: [['envoy_tcp_prefix', prefix]] };
}

/** One object per filter and thread. */
export class TcpStats {
  readonly connectionsTotal: Counter;
  readonly connectionsActive: Gauge;
  readonly bytesReceived: Counter;
  readonly bytesSent: Counter;
  readonly idleTimeout: Counter;
  readonly maxDurationReached: Counter;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, name));
    this.connectionsTotal = counter('downstream_cx_total');
    this.connectionsActive = stats.gauge(statName(scope, 'downstream_cx_active'));
    this.bytesReceived = counter('downstream_cx_rx_bytes_total');
    this.bytesSent = counter('downstream_cx_tx_bytes_total');
    this.idleTimeout = counter('idle_timeout');
    this.maxDurationReached = counter('max_downstream_connection_duration');
  }
}
