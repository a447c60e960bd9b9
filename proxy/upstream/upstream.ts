// What the router asks of a cluster: pick an endpoint, start a try on it, hear how it went.
import type { ProxyError } from '../base/error.ts';
import type { LbMetadata, MetadataMatch } from '../base/metadata-match.ts';
import type { Hash64 } from '../base/xx-hash.ts';
import type { ResponseSink } from '../http/codec.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead } from '../http/message.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { ConnectionInfo, OverrideHost, TlsInfo } from '../telemetry/stream-info.ts';
import type { PreviousPriorities } from './load-balancer/retry-priority.ts';

/** Whose time was over: the route's, the try's, or the try's without a sign of life. */
export type TimeoutKind = 'timeout' | 'try-timeout' | 'try-idle-timeout';

/**
 * How one try ended, for outlier detection and endpoint figures: a status, or a local failure (connect, reset,
 * timeout). `connected`: bytes flow both ways, and nobody judges them.
 */
export type Outcome = number | 'connect-failure' | 'reset' | TimeoutKind | 'connected' | 'cancelled';

/**
 * One address of a cluster, with what is known about it. Survives configuration changes while it stays in the
 * cluster.
 */
export interface Endpoint {
  /** ip:port, or a unix socket's path. */
  readonly address: string;
  /** The name from configuration (DNS clusters, auto host rewrite); undefined for plain addresses. */
  readonly hostname: string | undefined;
  readonly weight: number;
  /** What stands for it in consistent hashing: `filter_metadata.envoy.lb.hash_key`, or undefined for its address. */
  readonly hashKey: string | undefined;
  /** `clock.nowMs()` since when it may be used: slow start counts from then. */
  readonly healthySinceMs: number;
  /** The priority of its locality, 0 first. */
  readonly priority: number;
  /** `filter_metadata.envoy.lb`. */
  readonly lbMetadata: LbMetadata | undefined;
  /**
   * `filter_metadata.istio.workload`, as istiod writes it: name;namespace;canonical-name;canonical-revision;cluster.
   */
  readonly workload: string | undefined;
  readonly activeRequests: number;
  /** How long it takes to answer, where its cluster balances by that. */
  readonly latency?: { readonly meanMs: number } | undefined;
  /** Reports how a try ended; the router says it once for each try. */
  done(outcome: Outcome): void;
}

/** The address at which a connection came in. */
export interface Arrival {
  readonly localIp: string;
  readonly localPort: number;
  /** It is where the connection wanted to go before it was redirected here, and not an address of this proxy. */
  readonly redirected?: boolean;
}

/** What a request asks of its endpoint. */
export interface PickWishes {
  /** Hash of the route's hash policy; undefined without one. */
  readonly hash?: Hash64 | undefined;
  /** What its route asks of endpoints, in clusters with subsets. */
  readonly metadataMatch?: MetadataMatch | undefined;
  /** The address that the request names, for clusters whose `originalDst` header it has. */
  readonly namedAddress?: string | undefined;
  /** Where it came in, or wanted to go: for clusters with `originalDst`. */
  readonly arrivedAt?: Arrival | undefined;
  /** The endpoint that it asks for whatever the policy. */
  readonly override?: OverrideHost | undefined;
}

/** What a pick may depend on. */
export interface PickContext {
  readonly wishes: PickWishes;
  /** That of the wishes, for a first try. */
  readonly override: OverrideHost | undefined;
  /** True for endpoints that this try should avoid (retry_host_predicate). */
  avoid(endpoint: Endpoint): boolean;
  /** How many picks to try before taking an avoided endpoint (Envoy's host_selection_retry_max_attempts). */
  readonly maxAttempts: number;
  /** Retries may go to other priorities than the cluster's shares say (retry_priority). */
  readonly retryPriority: PreviousPriorities | undefined;
}

/** `unavailable`: no healthy endpoint. `queue`: none known yet (warming). `drop`: by configuration. */
export type PickResult = Endpoint | 'queue' | 'unavailable' | 'drop';

/** The receiver of a try: the response's events, and who answers. */
export interface AttemptSink extends ResponseSink {
  /** For whom it is, where servers are told (the PROXY protocol); undefined: the proxy asks for itself. */
  readonly downstream?: ConnectionInfo;
  /**
   * A connection carries the request now; called at most once, before any response event, and before startAttempt
   * returns when an idle connection is there.
   */
  onAttemptReady(localAddress: string, tls: TlsInfo | undefined): void;
}

/**
 * One try of a request on one endpoint. After a response's end, an error, or cancel, it does nothing more; but a tunnel
 * goes on sending after the response's end.
 */
export interface Attempt {
  readonly endpoint: Endpoint;
  /** False: hold back until the sink's onRequestDrain (also while the connection is being made). */
  sendData(chunk: Buffer, endStream: boolean): boolean;
  sendTrailers(trailers: Headers): void;
  pauseBody(): void;
  resumeBody(): void;
  cancel(): void;
}

/** Limits of one cluster and priority, shared by all workers (cluster.circuit_breakers). */
export interface CircuitBreaker {
  /** Takes one of max_retries; false when none is left (whoever asked counts it: countRetry('overflow')). */
  tryRetry(): boolean;
  retryDone(): void;
}

export interface Cluster {
  readonly name: string;
  /** Where its stats are: by its alt_stat_name, or its name. */
  readonly statScope: StatScope;
  readonly breaker: CircuitBreaker;
  /** The same cluster for requests of priority HIGH: with limits and connections of their own. */
  readonly highPriority: Cluster;
  /** It balances by the hash of its requests. */
  readonly usesHash: boolean;
  /**
   * Of type ORIGINAL_DST: requests go where this header says, or else where their connection wanted to go before it was
   * redirected.
   */
  readonly originalDst: { readonly header: string | undefined } | undefined;
  pick(context: PickContext | undefined): PickResult;
  /**
   * Starts a try: a pooled connection, a new one within the limits, or a place in the pending queue. A ProxyError
   * (`overflow`) when a limit is hit. The head is serialised when the connection is ready and must not change until
   * then.
   */
  startAttempt(endpoint: Endpoint, sink: AttemptSink, head: RequestHead, endStream: boolean): Attempt | ProxyError;
  /**
   * As startAttempt, but bytes go raw over a connection of their own (CONNECT that ends here); answers 200 when
   * connected.
   */
  startTunnel(endpoint: Endpoint, sink: AttemptSink): Attempt | ProxyError;
  /** Counts a retry or its result in the cluster's stats. */
  countRetry(event: 'retry' | 'success' | 'overflow' | 'limit_exceeded'): void;
  /** Counts a redirect that was followed, or that the client got although its route follows such ones. */
  countRedirect(followed: boolean): void;
  /** Counts a finished request: upstream_rq_<code>, and upstream_rq_time unless it was answered in its place. */
  countResponse(status: number, durationMs: number | undefined): void;
}

/** The clusters of one worker, by name. */
export interface ClusterSet {
  get(name: string): Cluster | undefined;
}
