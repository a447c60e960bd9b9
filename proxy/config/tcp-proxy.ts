// The TCP proxy (envoy.extensions.filters.network.tcp_proxy.v3).
import { AccessLog } from './access-log.ts';
import { Metadata } from './node.ts';
import { HeaderValueOption } from './header-value-option.ts';
import { bool, duration, enumeration, string, uint32 } from './scalar.ts';
import { exactlyOne, list, message, optional, Refusal, required, type Static } from './schema.ts';

const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

export const TcpClusterWeight = message(`${TCP_PROXY}.WeightedCluster.ClusterWeight`, {
  name: required(string({ minLength: 1 }), 'Name of the cluster.'),
  weight: required(uint32({ minimum: 1 }), 'Its share of the sum of all weights.'),
  metadataMatch: optional(Metadata, 'As the proxy\'s; its values count before the proxy\'s.'),
});
export interface TcpClusterWeight extends Static<typeof TcpClusterWeight> {}

export const TcpWeightedCluster = message(`${TCP_PROXY}.WeightedCluster`, {
  clusters: required(list(TcpClusterWeight, { min: 1 }), 'Clusters with their shares.'),
});
export interface TcpWeightedCluster extends Static<typeof TcpWeightedCluster> {}

const SourceIp = message('envoy.type.v3.HashPolicy.SourceIp', {});

export const TcpHashPolicy = message('envoy.type.v3.HashPolicy', {
  sourceIp: optional(SourceIp, 'The client\'s address is hashed.'),
}, {
  refused: { 'filters keep no objects to hash': ['filter_state'] },
  oneOf: [exactlyOne('source_ip', 'filter_state')],
});
export interface TcpHashPolicy extends Static<typeof TcpHashPolicy> {}

export const TunnelingConfig = message(`${TCP_PROXY}.TunnelingConfig`, {
  hostname: required(string({ minLength: 1, maxBytes: 1024 }), 'Host and port that the upstream is asked to connect '
    + 'to.'),
  usePost: optional(bool(), 'By POST rather than CONNECT; default false.'),
  postPath: optional(string(), 'Path of the POST; default /.'),
  headersToAdd: optional(list(HeaderValueOption, { max: 1000 }), 'Further headers of the request.'),
}, {
  refused: {
    'what the upstream answers is kept nowhere': ['propagate_response_headers', 'propagate_response_trailers'],
  },
  check: ({ hostname, usePost, postPath }) => {
    if (hostname.includes('%')) return new Refusal('must be a host and a port: it is not put together', ['hostname']);
    return postPath !== undefined && usePost !== true ? new Refusal('is for use_post', ['postPath']) : undefined;
  },
});
export interface TunnelingConfig extends Static<typeof TunnelingConfig> {}

export const TcpProxy = message(TCP_PROXY, {
  statPrefix: required(string({ minLength: 1 }), 'Stats are tcp.<this>.*.'),
  cluster: optional(string({ minLength: 1 }), 'Name of the cluster.'),
  weightedClusters: optional(TcpWeightedCluster, 'Clusters with shares; one is drawn per connection.'),
  idleTimeout: optional(duration(), 'Silence on both sides that ends a connection; default 1h, 0s is never.'),
  metadataMatch: optional(Metadata, 'filter_metadata.envoy.lb is what endpoints must have, in clusters with subsets.'),
  maxConnectAttempts: optional(uint32({ minimum: 1 }), 'Tries to connect; default 1.'),
  maxDownstreamConnectionDuration: optional(duration({ atLeast: 0.001 }), 'A connection is ended after this; default '
    + 'none.'),
  hashPolicy: optional(list(TcpHashPolicy, { max: 1 }), 'What clusters of RING_HASH and MAGLEV choose by.'),
  accessLog: optional(list(AccessLog), 'Logs of connections.'),
  tunnelingConfig: optional(TunnelingConfig, 'Bytes are carried in HTTP, of the version that the cluster speaks.'),
  upstreamConnectMode: optional(enumeration(['IMMEDIATE'], {
    refused: {
      ON_DOWNSTREAM_DATA: 'upstream is connected at once',
      ON_DOWNSTREAM_TLS_HANDSHAKE: 'upstream is connected at once',
    },
    numbers: { IMMEDIATE: 0, ON_DOWNSTREAM_DATA: 1, ON_DOWNSTREAM_TLS_HANDSHAKE: 2 },
  }), 'Default IMMEDIATE.'),
}, {
  refused: {
    'clusters are not fetched on demand': ['on_demand'],
    'idle_timeout is for both sides': ['downstream_idle_timeout', 'upstream_idle_timeout'],
    'TLVs of its own are not sent': ['proxy_protocol_tlvs', 'proxy_protocol_tlv_merge_policy'],
    'nothing is read before upstream is connected': ['max_early_data_bytes'],
  },
  warned: {
    'connecting is tried again at once': ['backoff_options'],
    'durations have no jitter': ['max_downstream_connection_duration_jitter_percentage'],
    'a connection is logged once, when it is over': ['access_log_flush_interval', 'flush_access_log_on_connected',
      'access_log_options'],
    'connections are drained with their listener': ['check_drain_close'],
  },
  oneOf: [exactlyOne('cluster', 'weighted_clusters')],
});
export interface TcpProxy extends Static<typeof TcpProxy> {}
