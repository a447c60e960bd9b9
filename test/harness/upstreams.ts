// A worker's clusters without the worker: a set with its own clock, stats and secrets, and a sink that remembers.
import { systemClock } from '../../proxy/base/clock.ts';
import type { Clock } from '../../proxy/base/clock.ts';
import { ProxyError } from '../../proxy/base/error.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { WriteBatch } from '../../proxy/base/write-batch.ts';
import type { Cluster as ClusterConfig } from '../../proxy/config/cluster.ts';
import type { LbEndpoint } from '../../proxy/config/endpoint.ts';
import type { Headers } from '../../proxy/http/headers.ts';
import type { ResponseHead } from '../../proxy/http/message.ts';
import { clusterScope, endpointScope, statName } from '../../proxy/telemetry/stat-name.ts';
import { Stats } from '../../proxy/telemetry/stats.ts';
import type { TlsInfo } from '../../proxy/telemetry/stream-info.ts';
import { SecretStore } from '../../proxy/tls/secret-store.ts';
import { ClusterSetImpl } from '../../proxy/upstream/cluster-set.ts';
import type { ClusterSetDeps } from '../../proxy/upstream/cluster-set.ts';
import type { UpstreamEndpoint } from '../../proxy/upstream/endpoint.ts';
import type { AttemptSink } from '../../proxy/upstream/upstream.ts';

export class TestClusters {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly stats = new Stats({ chunk: () => {}, register: () => {} });
  readonly secrets = new SecretStore();
  readonly set: ClusterSetImpl;

  constructor(clock: Clock = systemClock, shared?: ClusterSetDeps['shared'], zone?: ClusterSetDeps['zone']) {
    this.clock = clock;
    this.timers = new TimerWheel(clock);
    this.set = new ClusterSetImpl({
      clock,
      timers: this.timers,
      random: new SeededRandom(1),
      stats: this.stats,
      writes: new WriteBatch(),
      tellsMembership: true,
      secrets: this.secrets,
      shared,
      zone,
    });
  }

  /** A STATIC cluster named `a` of endpoints on loopback. */
  apply(ports: readonly (number | LbEndpoint)[], changes: Partial<ClusterConfig> = {}): void {
    this.set.apply({ config: staticCluster(ports, changes) });
  }

  get cluster() {
    return this.set.get('a')!;
  }

  pick(): UpstreamEndpoint {
    const picked = this.cluster.pick(undefined);
    if (typeof picked === 'string') throw new Error(`picked ${picked}`);
    return picked as UpstreamEndpoint;
  }

  /** A counter's or gauge's value under `cluster.a.`. */
  stat(name: string): number {
    const key = statName(clusterScope('a'), name);
    return GAUGE.test(name) ? this.stats.gauge(key).value : this.stats.counter(key).value;
  }

  endpointStat(address: string, name: string): number {
    const key = statName(endpointScope('a', address), name);
    return GAUGE.test(name) ? this.stats.gauge(key).value : this.stats.counter(key).value;
  }

  /** What must be zero when nothing is going on. */
  held(): Record<string, number> {
    const names = ['upstream_cx_active', 'upstream_rq_active', 'upstream_rq_pending_active'];
    const { counts, slot } = this.cluster.breaker.place;
    const sums = [0, 1, 2, 3].map((field) => [`breaker ${field}`, counts.sum(slot, field)] as const);
    return Object.fromEntries([...names.map((name) => [name, this.stat(name)] as const), ...sums]);
  }
}

const GAUGE = /_active$|^membership_(total|healthy)|_open$|^ejected$/;

export function staticCluster(
  ports: readonly (number | LbEndpoint)[], changes: Partial<ClusterConfig> = {},
): ClusterConfig {
  const lbEndpoints = ports.map((port) => (typeof port === 'number' ? loopback(port) : port));
  return { name: 'a', loadAssignment: { clusterName: 'a', endpoints: [{ lbEndpoints }] }, ...changes };
}

export function loopback(portValue: number, changes: Partial<LbEndpoint> = {}): LbEndpoint {
  return { endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue } } }, ...changes };
}

/** Hears a try's events: `events` in their order, `body` and `error` for what they carried. */
export class RecordingSink implements AttemptSink {
  readonly events: string[] = [];
  head: ResponseHead | undefined = undefined;
  body = '';
  error: ProxyError | undefined = undefined;
  localAddress = '';
  tls: TlsInfo | undefined = undefined;
  #waiting: (() => void)[] = [];

  onAttemptReady(localAddress: string, tls: TlsInfo | undefined): void {
    this.localAddress = localAddress;
    this.tls = tls;
    this.#add('ready');
  }

  onInformational(head: ResponseHead): void {
    this.#add(`informational ${head.status}`);
  }

  onResponseHead(head: ResponseHead, endStream: boolean): void {
    this.head = head;
    this.#add(`head ${head.status}${endStream ? ' end' : ''}`);
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    this.body += chunk.toString('latin1');
    this.#add(endStream ? 'data end' : 'data');
  }

  onResponseTrailers(_trailers: Headers): void {
    this.#add('trailers');
  }

  onResponseError(error: ProxyError): void {
    this.error = error;
    this.#add(`error ${error.kind}`);
  }

  onRequestDrain(): void {
    this.#add('drain');
  }

  get ended(): boolean {
    return this.events.some((event) => event.endsWith(' end') || event === 'trailers' || event.startsWith('error'));
  }

  /** Resolves when `holds` does, which is asked after every event. */
  async until(holds: () => boolean): Promise<this> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this;
  }

  async end(): Promise<this> {
    return this.until(() => this.ended);
  }

  #add(event: string): void {
    this.events.push(event);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Polls what no event tells; fails with the test's own timeout. */
export async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** The attempt, where an error would be a defect of the test. */
export function started<T>(result: T | ProxyError): T {
  if (result instanceof ProxyError) throw new Error(`refused: ${result.kind} ${result.detail}`);
  return result;
}
