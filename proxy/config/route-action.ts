// What a route does: forward, redirect or answer (envoy.config.route.v3: RouteAction and its like).
import { DataSource } from './data-source.ts';
import { HashPolicy } from './hash-policy.ts';
import { HeaderValueOption } from './header-value-option.ts';
import { HedgePolicy } from './hedge-policy.ts';
import { InternalRedirectPolicy } from './internal-redirect.ts';
import { RegexMatchAndSubstitute } from './matcher.ts';
import { Metadata } from './node.ts';
import { RateLimit } from './rate-limit.ts';
import { RequestMirrorPolicy } from './request-mirror.ts';
import { RetryPolicy } from './retry-policy.ts';
import { PerFilterConfig } from './route-filter-config.ts';
import { bool, duration, enumeration, headerName, headerValue, string, uint32 } from './scalar.ts';
import { atMostOne, exactlyOne, list, message, optional, Refusal, required, type Static } from './schema.ts';
import { PathRewritePolicy } from './uri-template.ts';

const UINT32_MAX = 4_294_967_295;

export const ClusterWeight = message('envoy.config.route.v3.WeightedCluster.ClusterWeight', {
  name: optional(string({ minLength: 1 }), 'Name of the cluster.'),
  clusterHeader: optional(headerName(), 'Request header that names it. The client chooses, unless a filter sets it.'),
  weight: optional(uint32(), 'Its share of the sum of all weights; default 0.'),
  requestHeadersToAdd: optional(list(HeaderValueOption, { max: 1000 }), 'Set on requests to this cluster.'),
  requestHeadersToRemove: optional(list(headerName()), 'Removed from requests to this cluster.'),
  responseHeadersToAdd: optional(list(HeaderValueOption, { max: 1000 }), 'Set on responses of this cluster.'),
  responseHeadersToRemove: optional(list(headerName()), 'Removed from responses of this cluster.'),
  hostRewriteLiteral: optional(headerValue(), 'The authority of its requests, unless the route rewrites it.'),
  typedPerFilterConfig: optional(PerFilterConfig, 'For filters, by filter name; over the route\'s.'),
  metadataMatch: optional(Metadata, 'As the route\'s; its values count before the route\'s.'),
}, {
  oneOf: [exactlyOne('name', 'cluster_header')],
});
export interface ClusterWeight extends Static<typeof ClusterWeight> {}

export const WeightedCluster = message('envoy.config.route.v3.WeightedCluster', {
  clusters: required(list(ClusterWeight, { min: 1 }), 'Clusters with their shares; one weight at least is above 0.'),
  headerName: optional(headerName(), 'Request header whose whole number, modulo the sum, chooses; else chance does.'),
}, {
  refused: { 'no request has a hash': ['use_hash_policy'] },
  warned: { 'the sum of the weights is what they sum to': ['total_weight'],
    'there is no runtime': ['runtime_key_prefix'] },
  check: ({ clusters }) => {
    const sum = clusters.reduce((total, { weight = 0 }) => total + weight, 0);
    if (sum > 0 && sum <= UINT32_MAX) return undefined;
    return new Refusal(`must have weights whose sum is 1 to ${UINT32_MAX}`, ['clusters']);
  },
});
export interface WeightedCluster extends Static<typeof WeightedCluster> {}

const ConnectConfig = message('envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig', {}, {
  refused: {
    'the PROXY protocol is for transport sockets of clusters': ['proxy_protocol_config'],
    'POST is not CONNECT': ['allow_post'],
  },
});

export const RouteUpgrade = message('envoy.config.route.v3.RouteAction.UpgradeConfig', {
  upgradeType: required(string({ minLength: 1, form: 'header-value' }), 'websocket, CONNECT, or another Upgrade '
    + 'token.'),
  enabled: optional(bool(), 'Default true; false refuses here what the connection manager allows.'),
  connectConfig: optional(ConnectConfig, 'CONNECT ends here: the body is carried to the cluster as raw TCP.'),
}, {
  check: ({ upgradeType, connectConfig }) => (connectConfig === undefined || upgradeType.toUpperCase() === 'CONNECT'
    ? undefined : new Refusal('needs upgrade_type CONNECT', ['connectConfig'])),
});
export interface RouteUpgrade extends Static<typeof RouteUpgrade> {}

export const MaxStreamDuration = message('envoy.config.route.v3.RouteAction.MaxStreamDuration', {
  maxStreamDuration: optional(duration(), 'The request is ended after this, whatever it does; 0s is never. '
    + 'Default the connection manager\'s.'),
  grpcTimeoutHeaderMax: optional(duration(), 'grpc-timeout of a request stands for it, up to this; 0s is no limit. '
    + 'Default: the header is not read.'),
  grpcTimeoutHeaderOffset: optional(duration(), 'Taken off grpc-timeout, so that the client hears of its end; what is '
    + 'left of it may be nothing.'),
});
export interface MaxStreamDuration extends Static<typeof MaxStreamDuration> {}

const HOST_REWRITES = ['host_rewrite_literal', 'auto_host_rewrite', 'host_rewrite_header', 'host_rewrite_path_regex',
  'host_rewrite'];

export const RouteAction = message('envoy.config.route.v3.RouteAction', {
  cluster: optional(string({ minLength: 1 }), 'Name of the cluster.'),
  clusterHeader: optional(headerName(), 'Request header that names the cluster. The client chooses, unless a filter '
    + 'sets it.'),
  weightedClusters: optional(WeightedCluster, 'Clusters with shares.'),
  clusterNotFoundResponseCode: optional(
    enumeration(['SERVICE_UNAVAILABLE', 'NOT_FOUND', 'INTERNAL_SERVER_ERROR']), 'Answer where there is no such '
      + 'cluster; '
    + 'default SERVICE_UNAVAILABLE.',
  ),
  prefixRewrite: optional(headerValue(), 'Replaces the matched prefix, or the matched path.'),
  regexRewrite: optional(RegexMatchAndSubstitute, 'Replaces parts of the path, not of the query.'),
  pathRewritePolicy: optional(PathRewritePolicy, 'The path by URI template, of what a template has matched.'),
  hostRewriteLiteral: optional(headerValue(), 'Replaces the authority.'),
  autoHostRewrite: optional(bool(), 'The authority becomes the endpoint\'s host name, in clusters that have them.'),
  hostRewriteHeader: optional(headerName(), 'The authority becomes this request header\'s value.'),
  hostRewritePathRegex: optional(RegexMatchAndSubstitute, 'The authority becomes the path without query, rewritten '
    + 'so.'),
  pathRewrite: optional(string(), 'The path becomes this, with its query; operators as in access logs, and nothing '
    + 'where they have no value.'),
  hostRewrite: optional(string(), 'The authority becomes this; operators as in access logs.'),
  appendXForwardedHost: optional(bool(), 'x-forwarded-host keeps what the rewrite replaces. Default false.',
    'append_x_forwarded_host'),
  timeout: optional(duration(), 'Whole request with its retries, from its end to the end of the response; default 15s, '
    + '0s is never.'),
  idleTimeout: optional(duration(), 'Silence that ends the request; default the connection manager\'s '
    + 'stream_idle_timeout.'),
  retryPolicy: optional(RetryPolicy, 'Default the virtual host\'s; none there: no retries.'),
  hedgePolicy: optional(HedgePolicy, 'Default the virtual host\'s.'),
  priority: optional(enumeration(['DEFAULT', 'HIGH']), 'Whose circuit breakers and connections it uses; default '
    + 'DEFAULT.'),
  requestMirrorPolicies: optional(list(RequestMirrorPolicy), 'Copies to other clusters, whose answers nobody hears; '
    + 'default the virtual host\'s.'),
  hashPolicy: optional(list(HashPolicy), 'What clusters of RING_HASH and MAGLEV choose by; all entries together.'),
  upgradeConfigs: optional(list(RouteUpgrade), 'Upgrades that are allowed or refused here.'),
  maxStreamDuration: optional(MaxStreamDuration, 'Time until the request is ended. Where it is given, empty too, '
    + 'timeout and max_grpc_timeout do not hold, as in Envoy. Default the connection manager\'s.'),
  maxGrpcTimeout: optional(duration(), 'gRPC requests have their grpc-timeout for timeout, up to this; 0s is without '
    + 'limit. Old: see max_stream_duration.'),
  rateLimits: optional(list(RateLimit), 'What rate limit filters count.'),
  includeVhRateLimits: optional(bool(), 'The virtual host\'s rate limits hold beside these. Default false: where there '
    + 'are none.'),
  metadataMatch: optional(Metadata, 'filter_metadata.envoy.lb is what endpoints must have, in clusters with subsets.'),
  internalRedirectPolicy: optional(InternalRedirectPolicy, 'Redirects of the upstream that are followed here; default '
    + 'none: they go to the client.'),
  grpcTimeoutOffset: optional(duration(), 'Taken off grpc-timeout where it is longer.'),
}, {
  refused: {
    'cluster specifier plugins are not supported': ['cluster_specifier_plugin', 'inline_cluster_specifier_plugin'],
    'internal_redirect_policy says it': ['internal_redirect_action', 'max_internal_redirects'],
    'put envoy.extensions.filters.http.cors.v3.CorsPolicy in typed_per_filter_config': ['cors'],
    'a retry policy is given as retry_policy': ['retry_policy_typed_config'],
  },
  warned: {
    'idle_timeout covers it': ['flush_timeout'],
    'there is no early data': ['early_data_policy'],
  },
  oneOf: [
    exactlyOne('cluster', 'cluster_header', 'weighted_clusters', 'cluster_specifier_plugin',
      'inline_cluster_specifier_plugin'),
    atMostOne(...HOST_REWRITES),
    atMostOne('prefix_rewrite', 'regex_rewrite', 'path_rewrite_policy', 'path_rewrite'),
  ],
});
export interface RouteAction extends Static<typeof RouteAction> {}

export const RedirectAction = message('envoy.config.route.v3.RedirectAction', {
  httpsRedirect: optional(bool(), 'The scheme becomes https.'),
  schemeRedirect: optional(string(), 'The scheme becomes this.'),
  hostRedirect: optional(headerValue(), 'The host becomes this; default the request\'s, which the client chooses.'),
  portRedirect: optional(uint32({ maximum: 65_535 }), 'The port becomes this; default the request\'s.'),
  pathRedirect: optional(headerValue(), 'The path becomes this; its own query, if any, replaces the request\'s.'),
  prefixRewrite: optional(headerValue(), 'Replaces the matched prefix, or the matched path.'),
  regexRewrite: optional(RegexMatchAndSubstitute, 'Replaces parts of the path.'),
  pathRewrite: optional(string(), 'The path becomes this, with its query; operators as in access logs, and nothing '
    + 'where they have no value.'),
  responseCode: optional(
    enumeration(['MOVED_PERMANENTLY', 'FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT']),
    '301 (default), 302, 303, 307 or 308.',
  ),
  stripQuery: optional(bool(), 'The query is left out. Default false.'),
}, {
  oneOf: [
    atMostOne('https_redirect', 'scheme_redirect'),
    atMostOne('path_redirect', 'prefix_rewrite', 'regex_rewrite', 'path_rewrite'),
  ],
});
export interface RedirectAction extends Static<typeof RedirectAction> {}

export const DirectResponseAction = message('envoy.config.route.v3.DirectResponseAction', {
  status: required(uint32({ minimum: 200, maximum: 599 }), 'Status of the answer.'),
  body: optional(DataSource, 'Its body; default empty.'),
}, {
  refused: { 'the body is fixed': ['body_format'] },
});
export interface DirectResponseAction extends Static<typeof DirectResponseAction> {}
