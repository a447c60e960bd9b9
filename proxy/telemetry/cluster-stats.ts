// The stats of one cluster, with Envoy's names under `cluster.<name>.`, and the figures of its endpoints.
import { clusterScope, endpointScope, statName } from './stat-name.ts';
import type { StatScope } from './stat-name.ts';
import { StatShape } from './stats.ts';
import type { Counter, Gauge, Histogram, StatBlock, Stats } from './stats.ts';

/** Status codes that have a counter of their own. */
const STATUS_MIN = 100;
const STATUS_MAX = 599;

const COUNTERS = {
  cxTotal: 'upstream_cx_total',
  cxHttp1Total: 'upstream_cx_http1_total',
  cxHttp2Total: 'upstream_cx_http2_total',
  cxConnectFail: 'upstream_cx_connect_fail',
  cxLocalConnectFail: 'upstream_cx_local_connect_fail',
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
  /** Requests beyond max_requests. */
  rqActiveOverflow: 'upstream_rq_active_overflow',
  rqPendingFailureEject: 'upstream_rq_pending_failure_eject',
  rqCancelled: 'upstream_rq_cancelled',
  rqTimeout: 'upstream_rq_timeout',
  rqTryTimeout: 'upstream_rq_per_try_timeout',
  rqTryIdleTimeout: 'upstream_rq_per_try_idle_timeout',
  rqRxReset: 'upstream_rq_rx_reset',
  rqTxReset: 'upstream_rq_tx_reset',
  rqRetry: 'upstream_rq_retry',
  rqRetrySuccess: 'upstream_rq_retry_success',
  rqRetryOverflow: 'upstream_rq_retry_overflow',
  rqRetryLimitExceeded: 'upstream_rq_retry_limit_exceeded',
  redirectSucceeded: 'upstream_internal_redirect_succeeded_total',
  redirectFailed: 'upstream_internal_redirect_failed_total',
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
  membershipExcluded: 'membership_excluded',
} as const;

const CLASSES = [1, 2, 3, 4, 5].map((digit) => `upstream_rq_${digit}xx`);

/** Of circuit breakers (upstream/circuit-breaker.ts), which every cluster has as well. */
const BREAKERS = ['cx_open', 'rq_pending_open', 'rq_open', 'rq_retry_open'].map(
  (name) => `circuit_breakers.default.${name}`,
);

const CLUSTER_SHAPE = new StatShape('cluster', {
  counter: [...Object.values(COUNTERS), ...CLASSES],
  gauge: [...Object.values(GAUGES), ...BREAKERS],
  histogram: ['upstream_cx_connect_ms', 'upstream_cx_length_ms', 'upstream_rq_time'],
});

type Counters = Readonly<Record<keyof typeof COUNTERS, Counter>>;
/** Of its own class, because every cluster tells its members. */
class ClusterGauges implements Readonly<Record<keyof typeof GAUGES, Gauge>> {
  readonly cxActive: Gauge;
  readonly rqActive: Gauge;
  readonly rqPendingActive: Gauge;
  readonly membershipTotal: Gauge;
  readonly membershipHealthy: Gauge;
  readonly membershipDegraded: Gauge;
  readonly membershipExcluded: Gauge;

  constructor(block: StatBlock) {
    this.cxActive = block.gauge(GAUGES.cxActive);
    this.rqActive = block.gauge(GAUGES.rqActive);
    this.rqPendingActive = block.gauge(GAUGES.rqPendingActive);
    this.membershipTotal = block.gauge(GAUGES.membershipTotal);
    this.membershipHealthy = block.gauge(GAUGES.membershipHealthy);
    this.membershipDegraded = block.gauge(GAUGES.membershipDegraded);
    this.membershipExcluded = block.gauge(GAUGES.membershipExcluded);
  }
}

/** One object per cluster and thread. Most clusters of a mesh see no request: what counts is made by the first one. */
export class ClusterStats {
  readonly scope: StatScope;
  readonly #stats: Stats;
  readonly #block: StatBlock;
  #counters: Counters | undefined = undefined;
  #gauges: ClusterGauges | undefined = undefined;
  #connectMs: Histogram | undefined = undefined;
  #connectionMs: Histogram | undefined = undefined;
  #requestMs: Histogram | undefined = undefined;
  #byStatus: (Counter | undefined)[] | undefined = undefined;
  #byClass: readonly Counter[] | undefined = undefined;

  /** `name` is the cluster's alt_stat_name or name. */
  constructor(stats: Stats, name: string) {
    this.#stats = stats;
    this.scope = clusterScope(name);
    this.#block = stats.block(CLUSTER_SHAPE, this.scope);
  }

  get counters(): Counters {
    return (this.#counters ??= fill(COUNTERS, (stat) => this.#block.counter(stat)));
  }

  get gauges(): ClusterGauges {
    return (this.#gauges ??= new ClusterGauges(this.#block));
  }

  /** For a picker. This and the next apart from the counters, which a cluster without requests does not need. */
  get healthyPanic(): Counter {
    return this.#block.counter(COUNTERS.healthyPanic);
  }

  membershipChanged(): void {
    this.#block.counter(COUNTERS.membershipChange).inc();
  }

  /** Milliseconds from the start of a connection until it is usable. */
  get connectMs(): Histogram {
    return (this.#connectMs ??= this.#block.histogram('upstream_cx_connect_ms'));
  }

  /** Milliseconds from the start of a connection until its end. */
  get connectionMs(): Histogram {
    return (this.#connectionMs ??= this.#block.histogram('upstream_cx_length_ms'));
  }

  /** Milliseconds of a request, from its end to the response's. */
  get requestMs(): Histogram {
    return (this.#requestMs ??= this.#block.histogram('upstream_rq_time'));
  }

  /** A request has its final response: upstream_rq_completed, _<class>xx, _<code>, _time. */
  response(status: number, durationMs: number | undefined): void {
    this.counters.rqCompleted.inc();
    if (durationMs !== undefined) this.requestMs.record(durationMs);
    if (status < STATUS_MIN || status > STATUS_MAX) return;
    this.#byClass ??= CLASSES.map((stat) => this.#block.counter(stat));
    this.#byClass[Math.floor(status / 100) - 1]!.inc();
    this.#byStatus ??= [];
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

const ENDPOINT_GAUGES = {
  cxActive: 'cx_active',
  rqActive: 'rq_active',
  failedCheck: 'failed_active_hc',
  degradedCheck: 'degraded_active_hc',
  ejected: 'ejected',
} as const;

const ENDPOINT_SHAPE = new StatShape('endpoint', {
  counter: Object.values(ENDPOINT_COUNTERS), gauge: Object.values(ENDPOINT_GAUGES), histogram: [],
});

interface EndpointFigures {
  readonly counters: Readonly<Record<keyof typeof ENDPOINT_COUNTERS, Counter>>;
  readonly gauges: Readonly<Record<keyof typeof ENDPOINT_GAUGES, Gauge>>;
}

/** Figures of one endpoint for /clusters, which takes those that were never asked for as 0. */
export class EndpointStats {
  readonly #stats: Stats;
  readonly #cluster: string;
  readonly #address: string;
  #made: EndpointFigures | undefined = undefined;

  constructor(stats: Stats, cluster: string, address: string) {
    this.#stats = stats;
    this.#cluster = cluster;
    this.#address = address;
  }

  get counters(): EndpointFigures['counters'] {
    return this.#figures.counters;
  }

  get cxActive(): Gauge {
    return this.#figures.gauges.cxActive;
  }

  get rqActive(): Gauge {
    return this.#figures.gauges.rqActive;
  }

  /** 1 where health checks say so. */
  get failedCheck(): Gauge {
    return this.#figures.gauges.failedCheck;
  }

  get degradedCheck(): Gauge {
    return this.#figures.gauges.degradedCheck;
  }

  /** 1 while it is ejected as an outlier. */
  get ejected(): Gauge {
    return this.#figures.gauges.ejected;
  }

  get #figures(): EndpointFigures {
    return (this.#made ??= this.#make());
  }

  #make(): EndpointFigures {
    const block = this.#stats.block(ENDPOINT_SHAPE, endpointScope(this.#cluster, this.#address));
    return {
      counters: fill(ENDPOINT_COUNTERS, (stat) => block.counter(stat)),
      gauges: fill(ENDPOINT_GAUGES, (stat) => block.gauge(stat)),
    };
  }
}

function fill<K extends string, T>(names: Readonly<Record<K, string>>, make: (stat: string) => T): Record<K, T> {
  const made = {} as Record<K, T>;
  for (const key of Object.keys(names) as K[]) made[key] = make(names[key]);
  return made;
}
