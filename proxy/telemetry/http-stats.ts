// The stats of one HTTP connection manager, with Envoy's names under `http.<stat_prefix>.`.
import { statName } from './stat-name.ts';
import type { StatScope } from './stat-name.ts';
import type { Counter, Gauge, Histogram, Stats } from './stats.ts';
import type { StreamInfo } from './stream-info.ts';

/** One object per connection manager and thread. */
export class HttpStats {
  readonly idleTimeout: Counter;
  readonly maxDurationReached: Counter;
  readonly #cxTotal: Counter;
  readonly #cxHttp1Total: Counter;
  readonly #cxSslTotal: Counter;
  readonly #cxDestroy: Counter;
  readonly #cxActive: Gauge;
  readonly #cxSslActive: Gauge;
  readonly #rqTotal: Counter;
  readonly #rqHttp1Total: Counter;
  readonly #rqCompleted: Counter;
  readonly #rqActive: Gauge;
  readonly #rqTimeMs: Histogram;
  readonly #byClass: readonly Counter[];

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, `downstream_${name}`));
    const gauge = (name: string): Gauge => stats.gauge(statName(scope, `downstream_${name}`));
    this.idleTimeout = counter('cx_idle_timeout');
    this.maxDurationReached = counter('cx_max_duration_reached');
    this.#cxTotal = counter('cx_total');
    this.#cxHttp1Total = counter('cx_http1_total');
    this.#cxSslTotal = counter('cx_ssl_total');
    this.#cxDestroy = counter('cx_destroy');
    this.#cxActive = gauge('cx_active');
    this.#cxSslActive = gauge('cx_ssl_active');
    this.#rqTotal = counter('rq_total');
    this.#rqHttp1Total = counter('rq_http1_total');
    this.#rqCompleted = counter('rq_completed');
    this.#rqActive = gauge('rq_active');
    this.#rqTimeMs = stats.histogram(statName(scope, 'downstream_rq_time'));
    this.#byClass = [1, 2, 3, 4, 5].map((digit) => counter(`rq_${digit}xx`));
  }

  connectionOpened(tls: boolean): void {
    this.#cxTotal.inc();
    this.#cxHttp1Total.inc();
    this.#cxActive.inc();
    if (!tls) return;
    this.#cxSslTotal.inc();
    this.#cxSslActive.inc();
  }

  connectionClosed(tls: boolean): void {
    this.#cxDestroy.inc();
    this.#cxActive.dec();
    if (tls) this.#cxSslActive.dec();
  }

  requestStarted(): void {
    this.#rqTotal.inc();
    this.#rqHttp1Total.inc();
    this.#rqActive.inc();
  }

  requestEnded(info: StreamInfo): void {
    this.#rqActive.dec();
    if (info.status === 0) return;
    this.#rqCompleted.inc();
    this.#rqTimeMs.record(info.endMs - info.startMs);
    this.#byClass[Math.floor(info.status / 100) - 1]?.inc();
  }
}
