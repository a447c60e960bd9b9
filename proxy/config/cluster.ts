// Clusters: what requests are sent to (envoy.config.cluster.v3).
import { isIP } from 'node:net';
import { BindConfig, TcpKeepalive } from './address.ts';
import { checkBalancing, type BalancingParts } from './balancing-check.ts';
import { ConfigSource } from './config-source.ts';
import { DnsResolverConfig, RefreshRate } from './dns-resolver.ts';
import { ClusterLoadAssignment } from './endpoint.ts';
import { HealthCheck } from './health-check.ts';
import { Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions, UpstreamHttpProtocolOptions,
  UpstreamProtocolOptions } from './http-protocol-options.ts';
import { CommonLbConfig, LeastRequestLbConfig, MaglevLbConfig, OriginalDstLbConfig, RingHashLbConfig,
  RoundRobinLbConfig } from './load-balancing.ts';
import { PEER_EXCHANGE_IGNORED } from './istio-peers.ts';
import { LoadBalancingPolicy } from './load-balancing-policy.ts';
import { Metadata } from './node.ts';
import { OutlierDetection } from './outlier-detection.ts';
import { Percent } from './percent.ts';
import { ProxyProtocolConfig } from './proxy-protocol.ts';
import { bool, duration, enumeration, string, struct, uint32 } from './scalar.ts';
import { any, atMostOne, list, map, message, optional, Refusal, required, type Static } from './schema.ts';
import { LbSubsetConfig } from './subset.ts';
import { RawBuffer, UpstreamTlsContext } from './tls.ts';
import { HTTP_PROTOCOL_OPTIONS } from './type-url.ts';
import { upstreamTls } from './upstream-tls.ts';

export const RetryBudget = message('envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget', {
  budgetPercent: optional(Percent, 'Retries may be this share of the requests that are active or pending; default 20.'),
  minRetryConcurrency: optional(uint32(), 'So many are always allowed; default 3.'),
}, { refused: { 'the budget is of the requests of the moment': ['budget_interval'] } });
export interface RetryBudget extends Static<typeof RetryBudget> {}

export const Thresholds = message('envoy.config.cluster.v3.CircuitBreakers.Thresholds', {
  priority: optional(enumeration(['DEFAULT', 'HIGH']), 'Requests whose limits these are; default DEFAULT.'),
  maxConnections: optional(uint32(), 'Connections of this priority to all endpoints; default 1024.'),
  maxPendingRequests: optional(uint32(), 'Requests that wait for a connection; default 1024.'),
  maxRequests: optional(uint32(), 'Requests at one time; default 1024.'),
  maxRetries: optional(uint32(), 'Retries at one time; default 3.'),
  retryBudget: optional(RetryBudget, 'Replaces max_retries.'),
  trackRemaining: optional(bool(), 'What is left is shown in gauges. Default false.'),
}, {
  warned: { 'there is one pool per endpoint': ['max_connection_pools'] },
});
export interface Thresholds extends Static<typeof Thresholds> {}

const PerHostThresholds = message('envoy.config.cluster.v3.CircuitBreakers.Thresholds', {
  priority: optional(enumeration(['DEFAULT', 'HIGH']), 'Requests whose limit this is; default DEFAULT.'),
  maxConnections: optional(uint32(), 'Connections to one endpoint, of both priorities; default no limit. A worker may '
    + 'always have one.'),
}, {
  refused: { 'an endpoint has a limit of connections only, as in Envoy': ['max_pending_requests', 'max_requests',
    'max_retries', 'retry_budget', 'track_remaining', 'max_connection_pools'] },
});

export const CircuitBreakers = message('envoy.config.cluster.v3.CircuitBreakers', {
  thresholds: optional(list(Thresholds), 'One entry per priority.'),
  perHostThresholds: optional(list(PerHostThresholds), 'Limits of each endpoint, one entry per priority.'),
});
export interface CircuitBreakers extends Static<typeof CircuitBreakers> {}

export const EdsClusterConfig = message('envoy.config.cluster.v3.Cluster.EdsClusterConfig', {
  edsConfig: required(ConfigSource, 'Where the endpoints come from.'),
  serviceName: optional(string(), 'Name of the endpoints; default the cluster\'s.'),
});
export interface EdsClusterConfig extends Static<typeof EdsClusterConfig> {}

export const UpstreamConnectionOptions = message('envoy.config.cluster.v3.UpstreamConnectionOptions', {
  tcpKeepalive: optional(TcpKeepalive, 'Present: probes are sent on idle connections.'),
}, {
  warned: {
    'no interface name is recorded': ['set_local_interface_name_on_upstream_connections'],
    'addresses are tried one after another': ['happy_eyeballs_config'],
  },
});
export interface UpstreamConnectionOptions extends Static<typeof UpstreamConnectionOptions> {}

const WrappedTransportSocket = message('envoy.config.core.v3.TransportSocket', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(any('transport socket', [UpstreamTlsContext, RawBuffer]), 'TLS, or none.'),
});

/** What is sent on a connection before its TLS handshake. */
export const UpstreamProxyProtocol = message(
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport', {
    config: optional(ProxyProtocolConfig, 'Default version V1.'),
    transportSocket: required(WrappedTransportSocket, 'What comes after the header.'),
  }, {
    refused: {
      'both addresses are always known': ['allow_unspecified_address'],
      'pools go by addresses and TLVs alike': ['tlv_as_pool_key'],
    },
  });
export interface UpstreamProxyProtocol extends Static<typeof UpstreamProxyProtocol> {}

export const UpstreamTransportSocket = message('envoy.config.core.v3.TransportSocket', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(any('transport socket', [UpstreamTlsContext, RawBuffer, UpstreamProxyProtocol]),
    'TLS, or none; maybe behind the PROXY protocol.'),
});
export interface UpstreamTransportSocket extends Static<typeof UpstreamTransportSocket> {}

export const TransportSocketMatch = message('envoy.config.cluster.v3.Cluster.TransportSocketMatch', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  match: optional(struct(), 'All of it must be in the endpoint\'s filter_metadata under envoy.transport_socket_match; '
    + 'empty or absent matches every endpoint.'),
  transportSocket: required(UpstreamTransportSocket, 'TLS, or none.'),
});
export interface TransportSocketMatch extends Static<typeof TransportSocketMatch> {}

/** None is known yet that does anything here: they are dropped with their reason, or refused. */
const UpstreamFilter = message('envoy.config.cluster.v3.Filter', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(any('upstream network filter', [], PEER_EXCHANGE_IGNORED), 'Which filter.'),
}, {
  refused: { 'filters come with their cluster': ['config_discovery'] },
});

export const Cluster = message('envoy.config.cluster.v3.Cluster', {
  name: required(string({ minLength: 1 }), 'Name by which routes know it; stats are cluster.<this>.*.'),
  altStatName: optional(string(), 'Name in stats; default the name.'),
  type: optional(enumeration(['STATIC', 'STRICT_DNS', 'LOGICAL_DNS', 'EDS', 'ORIGINAL_DST'], {
    numbers: { STATIC: 0, STRICT_DNS: 1, LOGICAL_DNS: 2, EDS: 3, ORIGINAL_DST: 4 },
  }), 'How endpoints are found; default STATIC. STRICT_DNS: every address of every name. LOGICAL_DNS: new '
    + 'connections go to the first address of the one name, and those that there are stay. ORIGINAL_DST: requests '
    + 'name them.'),
  edsClusterConfig: optional(EdsClusterConfig, 'For EDS.'),
  connectTimeout: optional(duration({ above: 0 }), 'Time to make a connection, TLS handshake included; default 5s.'),
  perConnectionBufferLimitBytes: optional(uint32(), 'Bytes held per connection and direction; default weft\'s 256 KiB '
    + '(Envoy: 1 MiB).'),
  lbPolicy: optional(enumeration(['ROUND_ROBIN', 'LEAST_REQUEST', 'RING_HASH', 'RANDOM', 'MAGLEV',
    'CLUSTER_PROVIDED', 'LOAD_BALANCING_POLICY_CONFIG'], {
    numbers: { ROUND_ROBIN: 0, LEAST_REQUEST: 1, RING_HASH: 2, RANDOM: 3, MAGLEV: 5, CLUSTER_PROVIDED: 6,
      LOAD_BALANCING_POLICY_CONFIG: 7 },
  }), 'Default ROUND_ROBIN. RING_HASH and MAGLEV go by the hash_policy of routes, or at random; CLUSTER_PROVIDED is '
    + 'ORIGINAL_DST\'s.'),
  loadBalancingPolicy: optional(LoadBalancingPolicy, 'Takes the place of lb_policy and its settings.'),
  loadAssignment: optional(ClusterLoadAssignment, 'Endpoints, for STATIC, STRICT_DNS and LOGICAL_DNS.'),
  circuitBreakers: optional(CircuitBreakers, 'Limits; what exceeds them is answered 503 UO.'),
  typedExtensionProtocolOptions: optional(map(any('protocol options', [UpstreamProtocolOptions])), 'HTTP options, '
    + 'under the '
    + `key ${HTTP_PROTOCOL_OPTIONS}.`),
  dnsRefreshRate: optional(duration({ above: 0.001 }), 'How often names are resolved again; default 5s.'),
  respectDnsTtl: optional(bool(), 'Names are asked again when the answer\'s TTL is over, of servers that '
    + 'typed_dns_resolver_config names: the system\'s resolver tells no TTL. Default false.'),
  dnsFailureRefreshRate: optional(RefreshRate, 'How often names that do not resolve are asked; default '
    + 'dns_refresh_rate.'),
  dnsJitter: optional(duration(), 'Up to so much is added to the time until the next question. Default 0.'),
  typedDnsResolverConfig: optional(DnsResolverConfig, 'Who is asked; default the system.'),
  dnsLookupFamily: optional(
    enumeration(['AUTO', 'V4_ONLY', 'V6_ONLY', 'V4_PREFERRED', 'ALL']), 'AUTO (default) prefers IPv6.',
  ),
  outlierDetection: optional(OutlierDetection, 'Endpoints that fail are left out for a while; not those of '
    + 'ORIGINAL_DST.'),
  upstreamBindConfig: optional(BindConfig, 'Local address of connections.'),
  leastRequestLbConfig: optional(LeastRequestLbConfig, 'For LEAST_REQUEST.'),
  roundRobinLbConfig: optional(RoundRobinLbConfig, 'For ROUND_ROBIN.'),
  ringHashLbConfig: optional(RingHashLbConfig, 'For RING_HASH.'),
  maglevLbConfig: optional(MaglevLbConfig, 'For MAGLEV.'),
  originalDstLbConfig: optional(OriginalDstLbConfig, 'For ORIGINAL_DST.'),
  cleanupInterval: optional(duration({ above: 0 }), 'Endpoints of ORIGINAL_DST that nobody asked for so long are '
    + 'forgotten; default 5s.'),
  commonLbConfig: optional(CommonLbConfig, 'For every policy.'),
  lbSubsetConfig: optional(LbSubsetConfig, 'Routes choose among the endpoints by metadata_match.'),
  transportSocket: optional(UpstreamTransportSocket, 'TLS; default plaintext.'),
  transportSocketMatches: optional(list(TransportSocketMatch), 'By endpoint; the first that matches is taken before '
    + 'transport_socket.'),
  upstreamConnectionOptions: optional(UpstreamConnectionOptions, 'TCP options.'),
  healthChecks: optional(list(HealthCheck, { max: 1 }), 'Endpoints that fail it are left out; one at most, as in '
    + 'Envoy. One worker asks for all.'),
  filters: optional(list(UpstreamFilter), 'On connections to endpoints.'),
  metadata: optional(Metadata, 'filter_metadata.istio.services names the services behind it.'),
}, {
  legacy: {
    upstreamHttpProtocolOptions: optional(UpstreamHttpProtocolOptions, 'upstream_http_protocol_options of the '
      + 'protocol options'),
    commonHttpProtocolOptions: optional(HttpProtocolOptions, 'common_http_protocol_options of the protocol options'),
    httpProtocolOptions: optional(Http1ProtocolOptions, 'explicit_http_config of the protocol options'),
    http2ProtocolOptions: optional(Http2ProtocolOptions, 'explicit_http_config of the protocol options',
      'http2_protocol_options'),
    maxRequestsPerConnection: optional(uint32(), 'max_requests_per_connection of the protocol options'),
    protocolSelection: optional(enumeration(['USE_CONFIGURED_PROTOCOL', 'USE_DOWNSTREAM_PROTOCOL']),
      'protocol options'),
  },
  fold: (value, legacy) => {
    // Where both are given the typed ones win, as in Envoy.
    if (Object.keys(legacy).length === 0 || value.typedExtensionProtocolOptions !== undefined) return undefined;
    const type = `type.googleapis.com/${HTTP_PROTOCOL_OPTIONS}` as const;
    value.typedExtensionProtocolOptions = {
      [HTTP_PROTOCOL_OPTIONS]: { '@type': type, ...typedProtocolOptions(legacy) },
    };
    return undefined;
  },
  refused: {
    'TLS is chosen by transport_socket_matches': ['transport_socket_matcher'],
    'this kind of cluster is not supported': ['cluster_type'],
    'name the servers by typed_dns_resolver_config': ['dns_resolvers', 'use_tcp_for_dns_lookups',
      'dns_resolution_config'],
    'this is not supported': ['upstream_config', 'connection_pool_per_downstream_connection',
      'queuing_policies', 'close_connections_on_host_health_failure'],
  },
  warned: {
    'all stats are kept': ['stats_matcher', 'track_timeout_budgets', 'track_cluster_stats'],
    'a stalled connection ends by its idle timeout': ['per_connection_buffer_high_watermark_timeout'],
    'start-up waits for the first answer': ['wait_for_warm_on_init'],
    'an endpoint that is no longer named is left at once': ['ignore_health_on_host_removal'],
    'load is not reported': ['lrs_server', 'lrs_report_endpoint_metrics'],
    'connections are made when they are needed': ['preconnect_policy'],
  },
  oneOf: [
    atMostOne('type', 'cluster_type'),
    atMostOne('ring_hash_lb_config', 'maglev_lb_config', 'original_dst_lb_config', 'least_request_lb_config',
      'round_robin_lb_config'),
  ],
  check: checkCluster,
});
export interface Cluster extends Static<typeof Cluster> {}

interface LegacyProtocolOptions {
  upstreamHttpProtocolOptions?: UpstreamHttpProtocolOptions;
  commonHttpProtocolOptions?: HttpProtocolOptions;
  httpProtocolOptions?: Http1ProtocolOptions;
  http2ProtocolOptions?: Http2ProtocolOptions;
  maxRequestsPerConnection?: number;
  protocolSelection?: 'USE_CONFIGURED_PROTOCOL' | 'USE_DOWNSTREAM_PROTOCOL';
}

/** Envoy's older place for protocol options is the cluster itself. */
function typedProtocolOptions(legacy: LegacyProtocolOptions): UpstreamProtocolOptions {
  const { commonHttpProtocolOptions: common, upstreamHttpProtocolOptions: upstream, maxRequestsPerConnection } = legacy;
  const options: UpstreamProtocolOptions = {};
  if (upstream !== undefined) options.upstreamHttpProtocolOptions = upstream;
  if (common !== undefined) options.commonHttpProtocolOptions = common;
  if (maxRequestsPerConnection !== undefined) {
    options.commonHttpProtocolOptions = { ...common, maxRequestsPerConnection };
  }
  const http1 = legacy.httpProtocolOptions ?? {};
  const http2 = legacy.http2ProtocolOptions;
  if (legacy.protocolSelection === 'USE_DOWNSTREAM_PROTOCOL') {
    options.useDownstreamProtocolConfig = { httpProtocolOptions: http1 };
  } else {
    options.explicitHttpConfig = http2 === undefined ? { httpProtocolOptions: http1 } : { http2ProtocolOptions: http2 };
  }
  return options;
}

/** What a type needs, and what it must not have. */
function checkCluster(cluster: ClusterParts): Refusal | undefined {
  const { name, type = 'STATIC', edsClusterConfig: eds, loadAssignment } = cluster;
  const isEds = type === 'EDS';
  if (isEds && eds === undefined) return new Refusal('is needed for type EDS', ['edsClusterConfig']);
  if (!isEds && eds !== undefined) return new Refusal('needs type EDS', ['edsClusterConfig']);
  if (isEds && loadAssignment !== undefined) return new Refusal('must not be set for type EDS', ['loadAssignment']);
  const refusal = checkOriginalDst(cluster);
  if (refusal !== undefined) return refusal;
  const key = Object.keys(cluster.typedExtensionProtocolOptions ?? {}).find((other) => other !== HTTP_PROTOCOL_OPTIONS);
  if (key !== undefined) {
    return new Refusal(`is unknown; the one key is ${HTTP_PROTOCOL_OPTIONS}`, ['typedExtensionProtocolOptions', key]);
  }
  if (type === 'LOGICAL_DNS' && !isOneName(loadAssignment)) {
    return new Refusal('must be one endpoint, whose name a cluster of type LOGICAL_DNS goes by', ['loadAssignment']);
  }
  return checkAlpn(cluster) ?? checkBalancing(cluster)
    ?? (type === 'STATIC' ? checkAddresses(name, loadAssignment) : undefined);
}

/** Its endpoints are named by requests, so that nothing else may name, choose or check them. */
function checkOriginalDst({ type, lbPolicy, loadAssignment, healthChecks }: ClusterParts): Refusal | undefined {
  const isOriginal = type === 'ORIGINAL_DST';
  if (isOriginal !== (lbPolicy === 'CLUSTER_PROVIDED')) {
    return new Refusal('CLUSTER_PROVIDED and type ORIGINAL_DST need each other', ['lbPolicy']);
  }
  if (!isOriginal) return undefined;
  if (loadAssignment !== undefined) return new Refusal('must not be set for ORIGINAL_DST', ['loadAssignment']);
  return healthChecks === undefined ? undefined
    : new Refusal('endpoints of ORIGINAL_DST come and go with requests and are not checked', ['healthChecks']);
}

/** Without TLS there is no ALPN that could choose the protocol; Envoy refuses it too. */
function checkAlpn(cluster: ClusterParts): Refusal | undefined {
  if (cluster.typedExtensionProtocolOptions?.[HTTP_PROTOCOL_OPTIONS]?.autoConfig === undefined) return undefined;
  const needsTls = 'must be TLS, because auto_config chooses the protocol by ALPN';
  const plain = cluster.transportSocketMatches?.findIndex(({ transportSocket }) => !isTls(transportSocket)) ?? -1;
  if (plain !== -1) return new Refusal(needsTls, ['transportSocketMatches', plain, 'transportSocket']);
  return isTls(cluster.transportSocket) ? undefined : new Refusal(needsTls, ['transportSocket']);
}

function isTls(socket: UpstreamTransportSocket | undefined): boolean {
  return upstreamTls(socket) !== undefined;
}

interface ClusterParts extends BalancingParts {
  readonly name: string;
  readonly type?: 'STATIC' | 'STRICT_DNS' | 'LOGICAL_DNS' | 'EDS' | 'ORIGINAL_DST';
  readonly lbPolicy?: string;
  readonly healthChecks?: readonly unknown[];
  readonly edsClusterConfig?: EdsClusterConfig;
  readonly loadAssignment?: ClusterLoadAssignment;
  readonly typedExtensionProtocolOptions?: Readonly<Record<string, UpstreamProtocolOptions>>;
  readonly transportSocket?: UpstreamTransportSocket;
  readonly transportSocketMatches?: readonly { readonly transportSocket?: UpstreamTransportSocket }[];
}

function isOneName(assignment: ClusterLoadAssignment | undefined): boolean {
  const { endpoints = [] } = assignment ?? {};
  return endpoints.length === 1 && endpoints[0]!.lbEndpoints?.length === 1;
}

/** A host name in a STATIC cluster would never be resolved. */
function checkAddresses(name: string, assignment: ClusterLoadAssignment | undefined): Refusal | undefined {
  for (const [l, { lbEndpoints = [] }] of (assignment?.endpoints ?? []).entries()) {
    for (const [e, { endpoint }] of lbEndpoints.entries()) {
      const address = endpoint.address.socketAddress?.address;
      if (address === undefined || isIP(address) !== 0) continue;
      const at = ['loadAssignment', 'endpoints', l, 'lbEndpoints', e, 'endpoint', 'address', 'socketAddress',
        'address'];
      return new Refusal(`'${address}' is not an IP address; cluster ${name} needs type STRICT_DNS for host names`, at);
    }
  }
  return undefined;
}
