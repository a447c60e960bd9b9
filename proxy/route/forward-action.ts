// Routes that forward: cluster choice, rewrites, timeouts, retries, upgrades (envoy.config.route.v3.RouteAction).
import { msOr } from '../config/duration.ts';
import type { HedgePolicy } from '../config/hedge-policy.ts';
import type { Metadata } from '../config/node.ts';
import type { ClusterWeight, RouteAction } from '../config/route-action.ts';
import { compileHashPolicy } from './hash-policy.ts';
import { compileEndpointHost, compileHostRewrite } from './host-rewrite.ts';
import { InternalRedirects } from './internal-redirect.ts';
import type { PathMatch } from './path-match.ts';
import { compilePathRewrite } from './path-rewrite.ts';
import { compileMaxGrpcTimeout, StreamDuration } from './grpc-timeout.ts';
import { compileRateLimits } from './rate-limit-rule.ts';
import type { RateLimitRule, RouteRateLimits } from './rate-limit-rule.ts';
import { timesWithin } from './request-times.ts';
import { compileMirrors } from './request-mirror.ts';
import type { RequestMirror } from './request-mirror.ts';
import { compileRetryPolicy, retryWithin } from './retry-policy-compile.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { ForwardAction } from './route-entry.ts';
import { compileClusterPick } from './weighted-cluster.ts';
import type { OuterFilters } from './weighted-cluster.ts';

/** Envoy's default; 0s in the configuration turns it off. */
const DEFAULT_TIMEOUT_MS = 15_000;

const NOT_FOUND_STATUS: Readonly<Record<NonNullable<RouteAction['clusterNotFoundResponseCode']>, number>> = {
  SERVICE_UNAVAILABLE: 503,
  NOT_FOUND: 404,
  INTERNAL_SERVER_ERROR: 500,
};

/** Of a route or a virtual host. */
export interface ReplayLimits {
  readonly perRequestBufferLimitBytes?: number;
  readonly requestBodyBufferLimit?: number;
}

/** What stands around an action: its virtual host's policies, for routes that say nothing, and its route's metadata. */
export interface ActionOuter extends Partial<OuterFilters> {
  readonly retry: RetryPolicy | undefined;
  readonly hedge: HedgePolicy | undefined;
  /** The route's limits, or those of its virtual host. */
  readonly limits: ReplayLimits;
  readonly mirrors: readonly RequestMirror[];
  readonly rateLimits: readonly RateLimitRule[];
  readonly metadata: Metadata | undefined;
}

/** `clusters` collects the names used. Throws ConfigError below `path`. */
export function compileForward(
  config: RouteAction,
  match: PathMatch,
  outer: ActionOuter | undefined,
  clusters: Set<string>,
  path: string,
): ForwardAction {
  const { maxStreamDuration } = config;
  const timeoutMs = maxStreamDuration === undefined ? msOr(config.timeout, DEFAULT_TIMEOUT_MS) : 0;
  const { requestMirrorPolicies: mirrors, internalRedirectPolicy: redirects } = config;
  const retry = compileRetryPolicy(config.retryPolicy, `${path}.retryPolicy`) ?? outer?.retry;
  return {
    kind: 'forward',
    pickCluster: compileClusterPick(config, path, clusters, outer),
    choiceConfiguresFilters: (config.weightedClusters?.clusters ?? []).some(configuresFilters),
    rewrite: compileRewrite(config, match, path),
    rewriteToEndpoint: compileEndpointHost(config),
    replayBytesMax: outer?.limits.requestBodyBufferLimit ?? outer?.limits.perRequestBufferLimitBytes,
    timeoutMs,
    times: timesWithin(timeoutMs, retry?.settings.perTryTimeoutMs ?? 0,
      (config.hedgePolicy ?? outer?.hedge)?.hedgeOnPerTryTimeout === true),
    maxGrpcTimeout: compileMaxGrpcTimeout(config),
    idleTimeoutMs: config.idleTimeout === undefined ? undefined : msOr(config.idleTimeout, 0),
    streamDuration: maxStreamDuration === undefined ? undefined : new StreamDuration(maxStreamDuration),
    retry: retryWithin(retry, timeoutMs),
    configuredRetry: retry,
    mirrors: compileMirrors(mirrors, outer?.mirrors ?? [], clusters, `${path}.requestMirrorPolicies`),
    ...compileUpgrades(config),
    clusterNotFoundStatus: NOT_FOUND_STATUS[config.clusterNotFoundResponseCode ?? 'SERVICE_UNAVAILABLE'],
    highPriority: config.priority === 'HIGH',
    hashRequest: compileHashPolicy(config.hashPolicy, `${path}.hashPolicy`),
    redirects: redirects === undefined ? undefined : new InternalRedirects(redirects),
    rateLimits: routeRateLimits(config, outer, `${path}.rateLimits`),
  };
}

/** Each of the two is inherited by itself, as in Envoy. */
export function replayLimits(level: ReplayLimits): ReplayLimits {
  const { perRequestBufferLimitBytes: older, requestBodyBufferLimit: own } = level;
  return {
    ...(older !== undefined && { perRequestBufferLimitBytes: older }),
    ...(own !== undefined && { requestBodyBufferLimit: own }),
  };
}

function configuresFilters({ typedPerFilterConfig = {} }: ClusterWeight): boolean {
  return Object.keys(typedPerFilterConfig).length > 0;
}

function routeRateLimits(
  config: RouteAction, outer: ActionOuter | undefined, path: string,
): RouteRateLimits | undefined {
  const own = compileRateLimits(config.rateLimits, outer?.metadata, path);
  const host = outer?.rateLimits ?? [];
  if (own.length + host.length === 0) return undefined;
  return { own, host, includesHost: config.includeVhRateLimits === true };
}

function compileUpgrades(config: RouteAction): Pick<ForwardAction, 'upgrades' | 'connectTerminates'> {
  const configs = config.upgradeConfigs ?? [];
  return {
    upgrades: new Map(configs.map(({ upgradeType, enabled }) => [upgradeType.toLowerCase(), enabled ?? true])),
    connectTerminates: configs.some(({ connectConfig }) => connectConfig !== undefined),
  };
}

/** The authority is rewritten first: a host rewrite may read the path as it came. */
function compileRewrite(config: RouteAction, match: PathMatch, path: string): ForwardAction['rewrite'] {
  const hostRewrite = compileHostRewrite(config, path);
  const pathRewrite = compilePathRewrite(config, match, path);
  if (pathRewrite === undefined) return hostRewrite;
  return (request, quiet, info) => {
    hostRewrite?.(request, quiet, info);
    // A CONNECT has no path to rewrite.
    if (request.path === '') return;
    const next = pathRewrite(request.path, info);
    if (next === '') return;
    if (!quiet) request.headers.set('x-envoy-original-path', request.path);
    request.path = next;
  };
}
