// A cluster as requests of priority HIGH have it: limits and connections of their own, and in all else the same.
import type { ProxyError } from '../base/error.ts';
import type { RequestHead } from '../http/message.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Stats } from '../telemetry/stats.ts';
import { ClusterBreaker } from './circuit-breaker.ts';
import type { BreakerLimits, BreakerPlace, RequestPriority } from './circuit-breaker.ts';
import type { ClusterPools } from './cluster-pools.ts';
import type { Attempt, AttemptSink, Cluster, Endpoint, PickContext, PickResult } from './upstream.ts';

/** A cluster that can use other pools than its own of priority DEFAULT. */
export interface PrioritisedCluster extends Cluster {
  /** Bound to today's settings, so that a pool never outlives them. */
  poolsOf(priority: RequestPriority, breaker: ClusterBreaker): ClusterPools;
  startAttempt(
    endpoint: Endpoint, sink: AttemptSink, head: RequestHead, endStream: boolean, pools?: ClusterPools,
  ): Attempt | ProxyError;
  startTunnel(endpoint: Endpoint, sink: AttemptSink, pools?: ClusterPools): Attempt | ProxyError;
}

/** Made where the cluster limits HIGH, or when the first such request comes: few clusters ever have one. */
export class HighPriority implements Cluster {
  readonly breaker: ClusterBreaker;
  readonly #cluster: PrioritisedCluster;
  #pools: ClusterPools;

  constructor(cluster: PrioritisedCluster, limits: BreakerLimits, place: BreakerPlace, stats: Stats) {
    this.#cluster = cluster;
    this.breaker = new ClusterBreaker(limits, place, stats, cluster.statScope, 'high');
    this.#pools = cluster.poolsOf('high', this.breaker);
  }

  setLimits(limits: BreakerLimits): void {
    this.breaker.setLimits(limits);
  }

  /** Connections are made otherwise from now on. */
  reconnect(): void {
    this.#pools = this.#cluster.poolsOf('high', this.breaker);
  }

  get name(): string {
    return this.#cluster.name;
  }

  get statScope(): StatScope {
    return this.#cluster.statScope;
  }

  get usesHash(): boolean {
    return this.#cluster.usesHash;
  }

  get originalDst(): Cluster['originalDst'] {
    return this.#cluster.originalDst;
  }

  get highPriority(): Cluster {
    return this;
  }

  pick(context: PickContext | undefined): PickResult {
    return this.#cluster.pick(context);
  }

  startAttempt(endpoint: Endpoint, sink: AttemptSink, head: RequestHead, endStream: boolean): Attempt | ProxyError {
    return this.#cluster.startAttempt(endpoint, sink, head, endStream, this.#pools);
  }

  startTunnel(endpoint: Endpoint, sink: AttemptSink): Attempt | ProxyError {
    return this.#cluster.startTunnel(endpoint, sink, this.#pools);
  }

  countRetry(event: Parameters<Cluster['countRetry']>[0]): void {
    this.#cluster.countRetry(event);
  }

  countRedirect(followed: boolean): void {
    this.#cluster.countRedirect(followed);
  }

  countResponse(status: number, durationMs: number): void {
    this.#cluster.countResponse(status, durationMs);
  }
}
