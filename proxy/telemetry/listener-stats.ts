// The stats of one listener, with Envoy's names under `listener.<address>.`.
import { statName } from './stat-name.ts';
import type { StatScope } from './stat-name.ts';
import type { Counter, Gauge, Histogram, Stats } from './stats.ts';

/** One object per listener and thread. */
export class ListenerStats {
  readonly connectionsTotal: Counter;
  readonly connectionsClosed: Counter;
  readonly connectionsActive: Gauge;
  readonly connectionLengthMs: Histogram;
  readonly connectionOverflow: Counter;
  readonly noFilterChainMatch: Counter;
  readonly inspectTimeout: Counter;
  /** Accepts that failed, for want of file descriptors mostly. */
  readonly acceptErrors: Counter;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, name));
    this.connectionsTotal = counter('downstream_cx_total');
    this.connectionsClosed = counter('downstream_cx_destroy');
    this.connectionsActive = stats.gauge(statName(scope, 'downstream_cx_active'));
    this.connectionLengthMs = stats.histogram(statName(scope, 'downstream_cx_length_ms'));
    this.connectionOverflow = counter('downstream_cx_overflow');
    this.noFilterChainMatch = counter('no_filter_chain_match');
    this.inspectTimeout = counter('downstream_pre_cx_timeout');
    this.acceptErrors = counter('downstream_accept_error');
  }
}
