// A compiled route: immutable, everything resolved and parsed, shared by all requests that match it.
import type { MetadataMatch } from '../base/metadata-match.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { RequestMirror } from './request-mirror.ts';
import type { FilterConfigs } from './filter-config.ts';
import type { MaxGrpcTimeout, StreamDuration } from './grpc-timeout.ts';
import type { HashRequest } from './hash-policy.ts';
import type { InternalRedirects } from './internal-redirect.ts';
import type { RouteRateLimits } from './rate-limit-rule.ts';
import type { RequestTimes } from './request-times.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** Header changes of one level (weighted cluster, route, virtual host, table), with operators filled in per request. */
export interface HeaderOperations {
  /** True when a value holds operators and so must be formatted per request. */
  readonly dynamic: boolean;
  /** Some change is of content-type. */
  readonly retypes: boolean;
  apply(headers: Headers, info: StreamInfo): void;
}

/** Answers with a location; `locationFor` builds it from the request. */
export interface RedirectAction {
  readonly kind: 'redirect';
  readonly status: number;
  locationFor(request: RequestHead, info: StreamInfo): string;
  /** The path of a request as the location has it, for logs; undefined where no part of it is rewritten. */
  rewrittenPath(path: string, info: StreamInfo): string | undefined;
}

export interface DirectResponseAction {
  readonly kind: 'direct';
  readonly status: number;
  /** One latin1 character for each byte. */
  readonly body: string;
}

/** Changes a request's path and authority; `info` is its record. */
export type Rewrite = (request: RequestHead, quiet: boolean, info: StreamInfo) => void;

/** Forwards. `pickCluster` draws from weighted clusters with `random` in [0, 1), or reads the cluster header. */
export interface ForwardAction {
  readonly kind: 'forward';
  pickCluster(request: RequestHead, random: number): ClusterChoice | undefined;
  /** Some weighted cluster has filter configurations of its own: they hang on the choice. */
  readonly choiceConfiguresFilters: boolean;
  /**
   * Rewrites path and authority, once a request; undefined when the route has no rewrite. The path before goes to
   * x-envoy-original-path unless `quiet` (the router's suppress_envoy_headers).
   */
  readonly rewrite: Rewrite | undefined;
  /** Bytes of the request that are kept to be sent again; undefined: as many as a stream may hold. */
  readonly replayBytesMax: number | undefined;
  /** `auto_host_rewrite`: each try sets the authority to the name of its endpoint, where that has one. */
  readonly rewriteToEndpoint: ((request: RequestHead, hostname: string | undefined, quiet: boolean) => void)
    | undefined;
  /** Whole request with retries; 0 is none. Envoy's default 15 s, from end of request. */
  readonly timeoutMs: number;
  /** Of requests that say nothing of their times. */
  readonly times: RequestTimes;
  /** What gRPC requests have in place of `timeoutMs`. */
  readonly maxGrpcTimeout: MaxGrpcTimeout | undefined;
  /** 0 is none; undefined leaves the connection manager's stream_idle_timeout. */
  readonly idleTimeoutMs: number | undefined;
  /** Undefined leaves the connection manager's max_stream_duration. */
  readonly streamDuration: StreamDuration | undefined;
  /** Within `timeoutMs`: a try that may take as long has no timeout of its own. */
  readonly retry: RetryPolicy | undefined;
  /** As configured, for requests with a timeout of their own. */
  readonly configuredRetry: RetryPolicy | undefined;
  /** Copies of the request; the virtual host's or the table's where the route has none. */
  readonly mirrors: readonly RequestMirror[];
  /** Upgrade tokens and `connect` that this route allows (true) or refuses (false) against the connection manager. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  /** CONNECT ends here: the body is carried as raw TCP to the cluster (`connect_config`). */
  readonly connectTerminates: boolean;
  readonly clusterNotFoundStatus: number;
  /** Limits and connections are those of priority HIGH. */
  readonly highPriority: boolean;
  /** For clusters that balance by hash; undefined: at random there. */
  readonly hashRequest: HashRequest | undefined;
  /** Redirects that are followed here; undefined: they go to the client. */
  readonly redirects: InternalRedirects | undefined;
  /** `rate_limits` of the route and its virtual host; undefined where neither has any. */
  readonly rateLimits: RouteRateLimits | undefined;
}

/** One weighted cluster, with the header changes of its own level. */
export interface ClusterChoice {
  readonly cluster: string;
  readonly requestHeaders: HeaderOperations | undefined;
  readonly responseHeaders: HeaderOperations | undefined;
  /** The authority for this cluster; undefined leaves the request's. */
  readonly authority?: string | undefined;
  /** What endpoints must have in clusters with subsets: the route's metadata_match with its own over it. */
  readonly metadataMatch?: MetadataMatch | undefined;
  /** typed_per_filter_config of its own level over the route's; undefined where it has none. */
  readonly perFilterConfig?: FilterConfigs | undefined;
}

export type RouteAction = RedirectAction | DirectResponseAction | ForwardAction;

export interface RouteEntry {
  readonly name: string;
  readonly virtualHostName: string;
  readonly action: RouteAction;
  /** Span name override (`decorator.operation`). */
  readonly operation: string | undefined;
  /** Whether the upstream is told in x-envoy-decorator-operation (`decorator.propagate`, default true). */
  readonly propagateOperation: boolean;
  /**
   * The levels stand in the order in which they are applied, after the chosen cluster's own: route, virtual host, table
   * (Envoy's default), or the other way round (RouteConfiguration.most_specific_header_mutations_wins).
   */
  readonly requestHeaders: readonly HeaderOperations[];
  readonly responseHeaders: readonly HeaderOperations[];
  /** typed_per_filter_config by filter name (route over virtual host over table), as FilterConfigCompiler made it. */
  readonly perFilterConfig: FilterConfigs;
  /** `metadata.filter_metadata.istio.config`: where the rule was written. */
  readonly origin: string | undefined;
  /** `attempt-count` headers as the virtual host asks: `x-envoy-attempt-count` towards upstream and in the response. */
  readonly attemptCountRequest: boolean;
  readonly attemptCountResponse: boolean;
}

/** Changes a response head; kept here so that the router needs no other route type. */
export type ResponseMutation = (head: ResponseHead, info: StreamInfo) => void;
