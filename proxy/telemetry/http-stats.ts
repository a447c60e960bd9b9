// The stats of one HTTP connection manager, with Envoy's names under `http.<stat_prefix>.`.
import { flagBit } from './response-flag.ts';
import { statName } from './stat-name.ts';
import type { StatScope } from './stat-name.ts';
import type { Counter, Gauge, Histogram, Stats } from './stats.ts';
import type { StreamInfo } from './stream-info.ts';

/** Details by which local replies are told apart; filter/ sets them. */
const REQUEST_TIMEOUT = 'request_overall_timeout';
const MAX_DURATION = 'max_duration_timeout';
const DIRECT = 'direct_response';
const REDIRECTED = 'internal_redirect';

const NO_ROUTE = flagBit('NR');
const NO_CLUSTER = flagBit('NC');
const IDLE = flagBit('SI');
/** The client's connection is gone, or it has given up the stream. */
const CLIENT_GONE = flagBit('DC') | flagBit('DR');
const CLIENT_WRONG = flagBit('DPE');

/** What ended a request that no upstream answered. */
const ENDS = {
  noRoute: 'no_route',
  noCluster: 'no_cluster',
  direct: 'rq_direct_response',
  redirect: 'rq_redirect',
  rxReset: 'downstream_rq_rx_reset',
  requestIdle: 'downstream_rq_idle_timeout',
  requestTimeout: 'downstream_rq_timeout',
  requestMaxDuration: 'downstream_rq_max_duration_reached',
} as const;

/** One object per connection manager and thread. */
export class HttpStats {
  readonly idleTimeout: Counter;
  readonly maxDurationReached: Counter;
  readonly protocolError: Counter;
  /** Weft's own: connections whose client took nothing of what waited for it. */
  readonly writeStall: Counter;
  readonly #cxTotal: Counter;
  readonly #cxHttp1Total: Counter;
  readonly #cxHttp2Total: Counter;
  readonly #cxSslTotal: Counter;
  readonly #cxDestroy: Counter;
  readonly #cxActive: Gauge;
  readonly #cxSslActive: Gauge;
  readonly #rqTotal: Counter;
  readonly #rqHttp1Total: Counter;
  readonly #rqHttp2Total: Counter;
  readonly #rqCompleted: Counter;
  readonly #rqActive: Gauge;
  readonly #rqTimeMs: Histogram;
  readonly #byClass: readonly Counter[];
  readonly #ends: Readonly<Record<keyof typeof ENDS, Counter>>;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, `downstream_${name}`));
    const gauge = (name: string): Gauge => stats.gauge(statName(scope, `downstream_${name}`));
    this.idleTimeout = counter('cx_idle_timeout');
    this.maxDurationReached = counter('cx_max_duration_reached');
    this.protocolError = counter('cx_protocol_error');
    this.writeStall = counter('cx_write_stall');
    this.#cxTotal = counter('cx_total');
    this.#cxHttp1Total = counter('cx_http1_total');
    this.#cxHttp2Total = counter('cx_http2_total');
    this.#cxSslTotal = counter('cx_ssl_total');
    this.#cxDestroy = counter('cx_destroy');
    this.#cxActive = gauge('cx_active');
    this.#cxSslActive = gauge('cx_ssl_active');
    this.#rqTotal = counter('rq_total');
    this.#rqHttp1Total = counter('rq_http1_total');
    this.#rqHttp2Total = counter('rq_http2_total');
    this.#rqCompleted = counter('rq_completed');
    this.#rqActive = gauge('rq_active');
    this.#rqTimeMs = stats.histogram(statName(scope, 'downstream_rq_time'));
    this.#byClass = [1, 2, 3, 4, 5].map((digit) => counter(`rq_${digit}xx`));
    const ends = Object.entries(ENDS).map(([key, name]) => [key, stats.counter(statName(scope, name))]);
    this.#ends = Object.fromEntries(ends) as Record<keyof typeof ENDS, Counter>;
  }

  connectionOpened(tls: boolean): void {
    this.#cxTotal.inc();
    this.#cxActive.inc();
    if (!tls) return;
    this.#cxSslTotal.inc();
    this.#cxSslActive.inc();
  }

  /** A connection has said which protocol it speaks. */
  protocolKnown(http2: boolean): void {
    (http2 ? this.#cxHttp2Total : this.#cxHttp1Total).inc();
  }

  requestOn(http2: boolean): void {
    (http2 ? this.#rqHttp2Total : this.#rqHttp1Total).inc();
  }

  connectionClosed(tls: boolean): void {
    this.#cxDestroy.inc();
    this.#cxActive.dec();
    if (tls) this.#cxSslActive.dec();
  }

  requestStarted(): void {
    this.#rqTotal.inc();
    this.#rqActive.inc();
  }

  requestEnded(info: StreamInfo): void {
    this.#rqActive.dec();
    if (info.flags !== 0) this.#countFlags(info);
    if (info.detail !== 'via_upstream') this.#countDetail(info);
    // The request in its place is what the client gets an answer to.
    if (info.status === 0 || info.detail === REDIRECTED) return;
    this.#rqCompleted.inc();
    this.#rqTimeMs.record(info.endMs - info.startMs);
    this.#byClass[Math.floor(info.status / 100) - 1]?.inc();
  }

  #countFlags({ flags, detail }: StreamInfo): void {
    if ((flags & NO_ROUTE) !== 0) this.#ends.noRoute.inc();
    if ((flags & NO_CLUSTER) !== 0) this.#ends.noCluster.inc();
    if ((flags & CLIENT_GONE) !== 0 || ((flags & CLIENT_WRONG) !== 0 && byCodec(detail))) this.#ends.rxReset.inc();
    if ((flags & IDLE) !== 0) this.#ends.requestIdle.inc();
  }

  #countDetail({ detail, status }: StreamInfo): void {
    if (detail === DIRECT) (status >= 300 && status < 400 ? this.#ends.redirect : this.#ends.direct).inc();
    else if (detail === REQUEST_TIMEOUT) this.#ends.requestTimeout.inc();
    else if (detail === MAX_DURATION) this.#ends.requestMaxDuration.inc();
  }
}

/** A codec's refusal, or end; the connection manager's own have other details. */
function byCodec(detail: string): boolean {
  return detail.startsWith('http1.') || detail.startsWith('http2.');
}
