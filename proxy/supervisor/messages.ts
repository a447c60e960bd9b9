// What the supervisor and its worker threads say to each other: plain values that structured clone carries.
import type { HostPart } from '../config/host-part.ts';
import type { LocalZone } from '../config/local-zone.ts';
import type { HostAnswer } from '../config/host-demand.ts';
import type { LoginAnswer, LoginProvider, LoginQuestion } from '../config/login-exchange.ts';
import type { TracingProvider } from '../config/tracing.ts';
import type { DecisionRecord } from '../telemetry/decision-record.ts';
import type { SpanRecord } from '../telemetry/span-record.ts';
import type { ShapeNames, StatName, StatRegistration } from '../telemetry/stats.ts';

/** The kinds of configuration that workers hold, in the order in which a whole configuration is applied. */
export const RESOURCE_KINDS = ['secret', 'cluster', 'endpoints', 'route', 'listener'] as const;
export type ResourceKind = (typeof RESOURCE_KINDS)[number];

/** One resource, decoded and validated; `resource` is the model's plain object. */
export interface NamedResource {
  readonly name: string;
  readonly resource: unknown;
  /** Clusters only: the slot of shared circuit breaker counts that all workers use for this name. */
  readonly breakerSlot?: number;
}

/** Changes of one kind. Each resource is applied wholly, or refused and its old state kept. */
export interface ConfigBatch {
  readonly kind: ResourceKind;
  readonly updated: readonly NamedResource[];
  readonly removed: readonly string[];
}

/** Why a resource was not applied: the reason holds the field path. */
export interface Refusal {
  readonly name: string;
  readonly reason: string;
}

/**
 * What applying a batch came to. A listener that still waits for routes or secrets is applied, but not yet `listening`.
 */
export interface Applied {
  readonly refused: readonly Refusal[];
}

/** What a worker thread starts with. */
export interface WorkerStart {
  readonly workerIndex: number;
  readonly workerCount: number;
  /** Circuit breaker counts of all workers (base/shared-counts.ts). */
  readonly breakerCounts: SharedArrayBuffer;
  /** Token buckets of all workers (base/shared-buckets.ts). */
  readonly tokenBuckets: SharedArrayBuffer;
  /** Counts of all workers by name: connections to an endpoint, and what filters count (base/named-counts.ts). */
  readonly namedCounts: SharedArrayBuffer;
  /** Signs of life of all workers (base/heartbeat.ts). */
  readonly heartbeats: SharedArrayBuffer;
  /** What all workers know about endpoints (base/shared-hosts.ts). */
  readonly hosts: SharedArrayBuffer;
  /** Clients' connections of all workers together; Infinity without a limit. */
  readonly connectionsMax: number;
  /** Several threads may bind one port; false where the system cannot. */
  readonly reusePort: boolean;
  /** Sockets of the process before this one, by `host:port`; this worker's alone. */
  readonly inherited?: ReadonlyMap<string, readonly number[]>;
  readonly logLevel: string;
  readonly node: NodeIdentity;
  /** The bootstrap's tracing.http: who gets spans where a connection manager names nobody. */
  readonly tracing: TracingProvider | undefined;
  /** Where this proxy is, for zone-aware routing. */
  readonly zone: LocalZone | undefined;
}

/** node.id, node.cluster and node.metadata of the bootstrap, for spans, logs and Istio's labels. */
export interface NodeIdentity {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: Record<string, unknown>;
}

/** A block of stats; `names` come with the first block of a shape that a worker tells of. */
export interface BlockMessage {
  readonly shape: string;
  readonly names?: ShapeNames;
  readonly scope: StatName;
  readonly chunk: number;
  readonly slot: number;
}

export type ToWorker =
  | { readonly kind: 'config'; readonly id: number; readonly batch: ConfigBatch }
  /** The first of a route table that is too large to come at once; the rest follows as `config`. */
  | {
    readonly kind: 'virtual-hosts';
    readonly id: number;
    readonly route: string;
    readonly hosts: readonly HostPart[];
  }
  /** Every response from now on is its connection's last; of inbound listeners only, if so asked. */
  | { readonly kind: 'drain'; readonly inboundOnly: boolean }
  /** Takes `drain` back for new connections. */
  | { readonly kind: 'undrain' }
  /** No more connections are taken; those that there are finish. */
  | { readonly kind: 'stop-listening'; readonly inboundOnly: boolean }
  | { readonly kind: 'log-level'; readonly level: string; readonly component: string | undefined }
  | { readonly kind: 'reopen-logs' }
  /** The answer to `demand`. */
  | { readonly kind: 'demanded'; readonly table: string; readonly authority: string; readonly answer: HostAnswer }
  | { readonly kind: 'login-answer'; readonly id: number; readonly answer: LoginAnswer }
  /** More is known about endpoints of these clusters; undefined: a worker has ended, and left what it did for all. */
  | { readonly kind: 'learn'; readonly clusters: readonly string[] | undefined }
  /** Closes everything and ends the thread. */
  | { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'started' }
  | { readonly kind: 'applied'; readonly id: number; readonly applied: Applied }
  | {
    readonly kind: 'listening';
    readonly listener: string;
    readonly port: number;
    /** `host:port` as configured, and the system's numbers of the sockets. */
    readonly address: string;
    readonly descriptors: readonly number[];
  }
  | { readonly kind: 'listen-failed'; readonly listener: string; readonly reason: string }
  /** A listener waits for routes or secrets of these names. */
  | { readonly kind: 'warming'; readonly listener: string; readonly missing: readonly string[] }
  | { readonly kind: 'chunk'; readonly index: number; readonly memory: SharedArrayBuffer }
  | {
    readonly kind: 'stats';
    readonly registrations: readonly StatRegistration[];
    readonly blocks: readonly BlockMessage[];
  }
  /** What is known about endpoints of these clusters has changed: the other workers should look. */
  | { readonly kind: 'tell'; readonly clusters: readonly string[] }
  | { readonly kind: 'spans'; readonly spans: readonly SpanRecord[] }
  /** For the audit log; `dropped` were of too many kinds. */
  | { readonly kind: 'decisions'; readonly records: readonly DecisionRecord[]; readonly dropped: number }
  /** A request waits for a host that its table does not know; answered by `demanded`. */
  | { readonly kind: 'demand'; readonly table: string; readonly authority: string }
  /** Requests were for these virtual hosts of a table, or still are. */
  | { readonly kind: 'hosts-used'; readonly table: string; readonly hosts: readonly string[] }
  /** A user logs in; answered by `login-answer`. */
  | { readonly kind: 'login'; readonly id: number; readonly provider: LoginProvider; readonly question: LoginQuestion }
  /** Open downstream connections; sent while draining whenever it changes. */
  | { readonly kind: 'connections'; readonly count: number };
