// How Istio's proxies tell each other which workload they stand beside, and by ALPN that they are of one mesh: filters
// of the Istio proxy, which are in no Envoy.
import { bool, enumeration, string } from './scalar.ts';
import { atMostOne, exactlyOne, list, message, optional, type Static } from './schema.ts';

/** Upstream and downstream network filter: it acts on connections whose ALPN is istio-peer-exchange only. */
export const METADATA_EXCHANGE = 'envoy.tcp.metadataexchange.config.MetadataExchange';

/** Why nothing is lost without it. */
export const PEER_EXCHANGE_IGNORED = {
  [METADATA_EXCHANGE]: 'weft never agrees on istio-peer-exchange, so that no peer sends a preamble',
} as const;

const AlpnOverride = message('istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig.AlpnOverride', {
  upstreamProtocol: optional(enumeration(['HTTP10', 'HTTP11', 'HTTP2']), 'Which connections; default HTTP10, which '
    + 'no connection to an endpoint speaks.'),
  alpnOverride: optional(list(string({ minLength: 1 })), 'What they offer in place of what their cluster says.'),
});

export const IstioAlpn = message('istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', {
  alpnOverride: optional(list(AlpnOverride), 'By protocol. Not where the cluster\'s metadata says '
    + 'istio.alpn_override: "false".'),
});
export interface IstioAlpn extends Static<typeof IstioAlpn> {}

const NAME = 'io.istio.http.peer_metadata.Config';

const NO_WORKLOADS = 'workloads are not discovered: their proxies\' headers and endpoints\' metadata say who they are';

const Discovery = message(`${NAME}.DiscoveryMethod`, {
  istioHeaders: optional(message(`${NAME}.IstioHeaders`, {}), 'By headers of the peer, which go no further.'),
}, {
  refused: { 'ambient meshes are not supported': ['baggage', 'upstream_filter_state'] },
  warned: { [NO_WORKLOADS]: ['workload_discovery'] },
  oneOf: [atMostOne('istio_headers', 'workload_discovery', 'baggage', 'upstream_filter_state')],
});

const Propagation = message(`${NAME}.PropagationMethod`, {
  istioHeaders: optional(message(`${NAME}.IstioHeaders`, {
    skipExternalClusters: optional(bool(), 'Not to where nobody is known (PassthroughCluster). Default false.'),
  }), 'By headers, which the peer takes away again.'),
}, {
  refused: { 'ambient meshes are not supported': ['baggage'] },
  oneOf: [exactlyOne('istio_headers', 'baggage')],
});

export const PeerMetadata = message(NAME, {
  downstreamDiscovery: optional(list(Discovery), 'How a client\'s workload is known.'),
  upstreamDiscovery: optional(list(Discovery), 'How a server\'s workload is known.'),
  downstreamPropagation: optional(list(Propagation), 'How clients that told are told in turn.'),
  upstreamPropagation: optional(list(Propagation), 'How servers are told.'),
  additionalLabels: optional(list(string()), 'Labels that are told beside app, version and the canonical ones.'),
}, {
  warned: { 'there are no internal listeners to share it with': ['shared_with_upstream'] },
});
export interface PeerMetadata extends Static<typeof PeerMetadata> {}
