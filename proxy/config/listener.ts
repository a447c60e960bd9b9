// Listeners and their filter chains (envoy.config.listener.v3, envoy.extensions.filters.listener).
import { Address, CidrRange } from './address.ts';
import { HttpConnectionManager } from './http-connection-manager.ts';
import { PEER_EXCHANGE_IGNORED } from './istio-peers.ts';
import { ListenerFilterPredicate } from './listener-filter-predicate.ts';
import { Metadata } from './node.ts';
import { ConnectionLimit, NetworkRateLimit } from './network-limit.ts';
import { ProxyProtocol } from './proxy-protocol.ts';
import { NetworkRBAC } from './rbac.ts';
import { bool, duration, enumeration, string, uint32 } from './scalar.ts';
import { any, exactlyOne, list, message, optional, Refusal, required, type Static } from './schema.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { DownstreamTlsContext, RawBuffer } from './tls.ts';
import { HTTP_CONNECTION_MANAGER_TYPE, HTTP_INSPECTOR_TYPE, TCP_PROXY_TYPE, TLS_INSPECTOR_TYPE } from './type-url.ts';

const CONFIG_TYPE = exactlyOne('typed_config', 'config_discovery');

export const FilterChainMatch = message('envoy.config.listener.v3.FilterChainMatch', {
  destinationPort: optional(uint32({ minimum: 1, maximum: 65_535 }), 'Port that the connection was made to.'),
  prefixRanges: optional(list(CidrRange), 'Address that the connection was made to; longest prefix first.'),
  serverNames: optional(list(string()), 'SNI: exact or *.suffix; longest first.'),
  transportProtocol: optional(string({ oneOf: ['', 'tls', 'raw_buffer'] }), 'tls or raw_buffer; default both.'),
  applicationProtocols: optional(list(string()), 'ALPN of the client, such as istio or http/1.1.'),
  directSourcePrefixRanges: optional(list(CidrRange), 'Address of the peer.'),
  sourceType: optional(enumeration(['ANY', 'SAME_IP_OR_LOOPBACK', 'EXTERNAL']), 'Default ANY.'),
  sourcePrefixRanges: optional(list(CidrRange), 'Address of the peer.'),
  sourcePorts: optional(list(uint32({ minimum: 1, maximum: 65_535 })), 'Port of the peer.'),
}, {
  refused: { 'Envoy does not honour it either': ['address_suffix', 'suffix_len'] },
});
export interface FilterChainMatch extends Static<typeof FilterChainMatch> {}

export const NetworkFilter = message('envoy.config.listener.v3.Filter', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(any('network filter', [
    HttpConnectionManager, TcpProxy, NetworkRBAC, ConnectionLimit, NetworkRateLimit,
  ], {
    ...PEER_EXCHANGE_IGNORED, 'stats.PluginConfig': 'metrics of TCP connections are not kept',
  }), 'Which filter; the first two end a chain, the others stand before them.'),
}, {
  refused: { 'filters come with their chain': ['config_discovery'] },
  oneOf: [CONFIG_TYPE],
});
export interface NetworkFilter extends Static<typeof NetworkFilter> {}

export const DownstreamTransportSocket = message('envoy.config.core.v3.TransportSocket', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(any('transport socket', [DownstreamTlsContext, RawBuffer]), 'TLS, or none.'),
});
export interface DownstreamTransportSocket extends Static<typeof DownstreamTransportSocket> {}

export const FilterChain = message('envoy.config.listener.v3.FilterChain', {
  filterChainMatch: optional(FilterChainMatch, 'Which connections; default all.'),
  filters: optional(list(NetworkFilter), 'In order; the last one ends the chain. None: connections are closed.'),
  transportSocket: optional(DownstreamTransportSocket, 'TLS; default plaintext.'),
  name: optional(string(), 'Shown in logs and decisions; unique in the listener.'),
  metadata: optional(Metadata, 'Free-form.'),
  transportSocketConnectTimeout: optional(duration(), 'Time for a TLS handshake; default and 0s weft\'s 10s '
    + '(Envoy: no limit).'),
}, {
  refused: { 'the listener filter proxy_protocol takes it': ['use_proxy_proto'] },
  warned: { 'Envoy does not honour it either': ['on_demand_configuration'] },
  check: ({ filters = [] }) => checkTerminal(filters),
});
export interface FilterChain extends Static<typeof FilterChain> {}

/** The connection manager and the TCP proxy end a chain, and a chain ends with one of them. */
function checkTerminal(filters: readonly NetworkFilter[]): Refusal | undefined {
  const isTerminal = ({ typedConfig: { '@type': type } }: NetworkFilter): boolean =>
    type === HTTP_CONNECTION_MANAGER_TYPE || type === TCP_PROXY_TYPE;
  const first = filters.findIndex(isTerminal);
  if (filters.length === 0 || first === filters.length - 1) return undefined;
  if (first === -1) return new Refusal('must end with an HTTP connection manager or a TCP proxy', ['filters']);
  return new Refusal('ends the chain, so that nothing can follow it', ['filters', first]);
}

export const TlsInspector = message('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {}, {
  warned: {
    'no fingerprint is made': ['enable_ja3_fingerprinting', 'enable_ja4_fingerprinting'],
    'weft\'s limit for a ClientHello holds': ['initial_read_buffer_size', 'max_client_hello_size'],
    'a malformed ClientHello always ends the connection': ['close_connection_on_client_hello_parsing_errors'],
  },
});
export interface TlsInspector extends Static<typeof TlsInspector> {}

export const OriginalDst = message('envoy.extensions.filters.listener.original_dst.v3.OriginalDst', {});
export interface OriginalDst extends Static<typeof OriginalDst> {}

export const OriginalSrc = message('envoy.extensions.filters.listener.original_src.v3.OriginalSrc', {
  mark: optional(uint32(), 'Of what is sent to the servers (SO_MARK): the kernel\'s rules must lead their answers back '
    + 'here. Default 0, none.'),
}, { refused: { 'the client\'s port is in use by the client\'s own connection': ['bind_port'] } });
export interface OriginalSrc extends Static<typeof OriginalSrc> {}

export const HttpInspector = message('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector', {});
export interface HttpInspector extends Static<typeof HttpInspector> {}

export const ListenerFilter = message('envoy.config.listener.v3.ListenerFilter', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(any('listener filter', [TlsInspector, HttpInspector, OriginalDst, OriginalSrc, ProxyProtocol]),
    'What is looked at. The PROXY protocol comes before the others, and TLS also where a chain matches by it.'),
  filterDisabled: optional(ListenerFilterPredicate, 'Inspectors are off where it matches. Default nowhere.'),
}, {
  refused: { 'filters come with their listener': ['config_discovery'] },
  oneOf: [CONFIG_TYPE],
  check: ({ typedConfig, filterDisabled }) => (filterDisabled !== undefined
    && typedConfig['@type'] !== TLS_INSPECTOR_TYPE && typedConfig['@type'] !== HTTP_INSPECTOR_TYPE
    ? new Refusal('is for inspectors only', ['filterDisabled']) : undefined),
});
export interface ListenerFilter extends Static<typeof ListenerFilter> {}

export const Listener = message('envoy.config.listener.v3.Listener', {
  name: optional(string(), 'Name by which LDS knows it; default its address.'),
  address: required(Address, 'Where it listens.'),
  statPrefix: optional(string(), 'Stats are listener.<this>.*; default the address.'),
  filterChains: optional(list(FilterChain), 'The most specific match is taken.'),
  defaultFilterChain: optional(FilterChain, 'Where none matches; absent: the connection is closed.'),
  perConnectionBufferLimitBytes: optional(uint32(), 'Bytes held per connection and direction; default weft\'s 256 KiB '
    + '(Envoy: 1 MiB).'),
  metadata: optional(Metadata, 'Free-form.'),
  listenerFilters: optional(list(ListenerFilter), 'What is looked at before a chain is chosen.'),
  listenerFiltersTimeout: optional(duration(), 'Time for that; default weft\'s 5s (Envoy: 15s), 0s is no limit.'),
  continueOnListenerFiltersTimeout: optional(bool(), 'Then the connection goes on with what is known, and a server may '
    + 'speak first: a silent client\'s TCP proxy connects before that. Default false: closed.'),
  trafficDirection: optional(enumeration(['UNSPECIFIED', 'INBOUND', 'OUTBOUND']), 'Which side the application is on; '
    + 'names the reporter of Istio\'s metrics.'),
  bindToPort: optional(bool(), 'Default true; false: reached only by redirection from another listener.'),
  useOriginalDst: optional(bool(), 'Connections that the system redirected here go to the listener of the address that '
    + 'they wanted, if there is one. Linux only. Default false.'),
  transparent: optional(bool(), 'Connections that TPROXY leads here are taken, whatever address they are for. Linux '
    + 'only, with CAP_NET_ADMIN. Default false.'),
  tcpBacklogSize: optional(uint32(), 'Connections that the system holds before they are accepted; default 511.'),
}, {
  refused: {
    'a listener has one address': ['additional_addresses'],
    'chains come with their listener': ['fcds_config'],
    'chains are found by filter_chain_match': ['filter_chain_matcher'],
    'raw socket options cannot be set': ['freebind', 'socket_options', 'tcp_fast_open_queue_length', 'enable_mptcp'],
    'weft carries TCP only': ['udp_listener_config'],
    'this kind of listener is not supported': ['api_listener', 'internal_listener'],
  },
  warned: {
    'weft has its own way to share connections between workers': ['connection_balance_config', 'reuse_port',
      'enable_reuse_port', 'max_connections_to_accept_per_socket_event'],
    'bind_to_port says it': ['deprecated_v1'],
    'connections are logged by their filters, and those without a chain are counted': ['access_log'],
    'every listener drains on SIGTERM and when it is removed': ['drain_type'],
    'all stats are kept': ['stats_matcher'],
    'a stalled connection ends by its idle timeout': ['per_connection_buffer_high_watermark_timeout'],
    'weft\'s own limits hold': ['ignore_global_conn_limit', 'bypass_overload_manager'],
    'the system\'s keep-alive holds': ['tcp_keepalive'],
  },
  check: ({ filterChains = [], defaultFilterChain }) =>
    (filterChains.length > 0 || defaultFilterChain !== undefined ? undefined : new Refusal('needs filter_chains')),
});
export interface Listener extends Static<typeof Listener> {}
