// The stats of one listener, with Envoy's names under `listener.<address>.`.
import { statName, workerScope } from './stat-name.ts';
import type { StatScope } from './stat-name.ts';
import type { Counter, Gauge, Histogram, Stats } from './stats.ts';

/** One object per listener and thread. */
export class ListenerStats {
  readonly connectionsTotal: Counter;
  readonly connectionsClosed: Counter;
  readonly connectionsActive: Gauge;
  readonly connectionLengthMs: Histogram;
  readonly connectionOverflow: Counter;
  /** Closed for want of a place in the whole process. */
  readonly globalOverflow: Counter;
  readonly noFilterChainMatch: Counter;
  readonly inspectTimeout: Counter;
  /** Handshakes that took too long. */
  readonly transportTimeout: Counter;
  /** Connections whose server spoke before its client. */
  readonly serverFirst: Counter;
  /** Accepts that failed, for want of file descriptors mostly. */
  readonly acceptErrors: Counter;

  /** Of this worker alone, which shows whether the load is even. */
  readonly workerConnectionsTotal: Counter;
  readonly workerConnectionsActive: Gauge;

  constructor(stats: Stats, scope: StatScope, worker: number) {
    const counter = (name: string): Counter => stats.counter(statName(scope, name));
    const own = workerScope(scope, worker);
    this.connectionsTotal = counter('downstream_cx_total');
    this.connectionsClosed = counter('downstream_cx_destroy');
    this.connectionsActive = stats.gauge(statName(scope, 'downstream_cx_active'));
    this.connectionLengthMs = stats.histogram(statName(scope, 'downstream_cx_length_ms'));
    this.connectionOverflow = counter('downstream_cx_overflow');
    this.globalOverflow = counter('downstream_global_cx_overflow');
    this.noFilterChainMatch = counter('no_filter_chain_match');
    this.inspectTimeout = counter('downstream_pre_cx_timeout');
    this.transportTimeout = counter('downstream_cx_transport_socket_connect_timeout');
    this.serverFirst = counter('downstream_cx_server_first');
    this.acceptErrors = counter('downstream_accept_error');
    this.workerConnectionsTotal = stats.counter(statName(own, 'downstream_cx_total'));
    this.workerConnectionsActive = stats.gauge(statName(own, 'downstream_cx_active'));
  }
}
