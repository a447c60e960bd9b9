// The stats of one cluster, with Envoy's names under `cluster.<name>.`, and the figures of its endpoints.
import { clusterScope, endpointScope, statName } from './stat-name.ts';
import type { StatScope } from './stat-name.ts';
import type { Counter, Gauge, Histogram, Stats } from './stats.ts';

/** Status codes that have a counter of their own. */
const STATUS_MIN = 100;
const STATUS_MAX = 599;

const COUNTERS = {
  cxTotal: 'upstream_cx_total',
  cxHttp1Total: 'upstream_cx_http1_total',
  cxHttp2Total: 'upstream_cx_http2_total',
  cxConnectFail: 'upstream_cx_connect_fail',
  cxConnectTimeout: 'upstream_cx_connect_timeout',
  cxOverflow: 'upstream_cx_overflow',
  cxDestroy: 'upstream_cx_destroy',
  cxDestroyLocal: 'upstream_cx_destroy_local',
  cxDestroyRemote: 'upstream_cx_destroy_remote',
  cxDestroyWithActiveRq: 'upstream_cx_destroy_with_active_rq',
  cxDestroyLocalWithActiveRq: 'upstream_cx_destroy_local_with_active_rq',
  cxDestroyRemoteWithActiveRq: 'upstream_cx_destroy_remote_with_active_rq',
  cxIdleTimeout: 'upstream_cx_idle_timeout',
  cxMaxRequests: 'upstream_cx_max_requests',
  cxMaxDuration: 'upstream_cx_max_duration_reached',
  cxProtocolError: 'upstream_cx_protocol_error',
  rqTotal: 'upstream_rq_total',
  rqCompleted: 'upstream_rq_completed',
  rqPendingTotal: 'upstream_rq_pending_total',
  rqPendingOverflow: 'upstream_rq_pending_overflow',
  rqPendingFailureEject: 'upstream_rq_pending_failure_eject',
  rqCancelled: 'upstream_rq_cancelled',
  rqTimeout: 'upstream_rq_timeout',
  rqRxReset: 'upstream_rq_rx_reset',
  rqTxReset: 'upstream_rq_tx_reset',
  rqRetry: 'upstream_rq_retry',
  rqRetrySuccess: 'upstream_rq_retry_success',
  rqRetryOverflow: 'upstream_rq_retry_overflow',
  rqRetryLimitExceeded: 'upstream_rq_retry_limit_exceeded',
  rqMaxDuration: 'upstream_rq_max_duration_reached',
  noneHealthy: 'upstream_cx_none_healthy',
  healthyPanic: 'lb_healthy_panic',
  membershipChange: 'membership_change',
} as const;

const GAUGES = {
  cxActive: 'upstream_cx_active',
  rqActive: 'upstream_rq_active',
  rqPendingActive: 'upstream_rq_pending_active',
  membershipTotal: 'membership_total',
  membershipHealthy: 'membership_healthy',
  membershipDegraded: 'membership_degraded',
} as const;

type Counters = Readonly<Record<keyof typeof COUNTERS, Counter>>;
type Gauges = Readonly<Record<keyof typeof GAUGES, Gauge>>;

/** One object per cluster and thread. */
export class ClusterStats {
  readonly scope: StatScope;
  readonly counters: Counters;
  readonly gauges: Gauges;
  /** Milliseconds from the start of a connection until it is usable, and until its end. */
  readonly connectMs: Histogram;
  readonly connectionMs: Histogram;
  /** Milliseconds of a request, from its end to the response's. */
  readonly requestMs: Histogram;
  readonly #stats: Stats;
  readonly #byStatus: (Counter | undefined)[] = [];
  readonly #byClass: readonly Counter[];

  /** `name` is the cluster's alt_stat_name or name. */
  constructor(stats: Stats, name: string) {
    this.#stats = stats;
    this.scope = clusterScope(name);
    this.counters = fill(COUNTERS, (stat) => stats.counter(statName(this.scope, stat)));
    this.gauges = fill(GAUGES, (stat) => stats.gauge(statName(this.scope, stat)));
    this.connectMs = stats.histogram(statName(this.scope, 'upstream_cx_connect_ms'));
    this.connectionMs = stats.histogram(statName(this.scope, 'upstream_cx_length_ms'));
    this.requestMs = stats.histogram(statName(this.scope, 'upstream_rq_time'));
    this.#byClass = [1, 2, 3, 4, 5].map((digit) => stats.counter(statName(this.scope, `upstream_rq_${digit}xx`)));
  }

  /** A request has its final response: upstream_rq_completed, _<class>xx, _<code>, _time. */
  response(status: number, durationMs: number): void {
    this.counters.rqCompleted.inc();
    this.requestMs.record(durationMs);
    if (status < STATUS_MIN || status > STATUS_MAX) return;
    this.#byClass[Math.floor(status / 100) - 1]!.inc();
    (this.#byStatus[status] ??= this.#stats.counter(statName(this.scope, `upstream_rq_${status}`))).inc();
  }
}

const ENDPOINT_COUNTERS = {
  cxTotal: 'cx_total',
  cxConnectFail: 'cx_connect_fail',
  rqTotal: 'rq_total',
  rqSuccess: 'rq_success',
  rqError: 'rq_error',
  rqTimeout: 'rq_timeout',
} as const;

/** Figures of one endpoint for /clusters. */
export class EndpointStats {
  readonly counters: Readonly<Record<keyof typeof ENDPOINT_COUNTERS, Counter>>;
  readonly cxActive: Gauge;
  readonly rqActive: Gauge;
  /** 1 where health checks say so. */
  readonly failedCheck: Gauge;
  readonly degradedCheck: Gauge;
  /** 1 while it is ejected as an outlier. */
  readonly ejected: Gauge;

  constructor(stats: Stats, cluster: string, address: string) {
    const scope = endpointScope(cluster, address);
    this.counters = fill(ENDPOINT_COUNTERS, (stat) => stats.counter(statName(scope, stat)));
    this.cxActive = stats.gauge(statName(scope, 'cx_active'));
    this.rqActive = stats.gauge(statName(scope, 'rq_active'));
    this.failedCheck = stats.gauge(statName(scope, 'failed_active_hc'));
    this.degradedCheck = stats.gauge(statName(scope, 'degraded_active_hc'));
    this.ejected = stats.gauge(statName(scope, 'ejected'));
  }
}

function fill<K extends string, T>(names: Readonly<Record<K, string>>, make: (stat: string) => T): Record<K, T> {
  const made = {} as Record<K, T>;
  for (const key of Object.keys(names) as K[]) made[key] = make(names[key]);
  return made;
}
