// Type URLs of what may stand in an Any, as plain constants: workers compare with them and load no schema library.

const PREFIX = 'type.googleapis.com/';

/** Resource types of xDS. */
export const LISTENER_TYPE = `${PREFIX}envoy.config.listener.v3.Listener`;
export const ROUTE_TYPE = `${PREFIX}envoy.config.route.v3.RouteConfiguration`;
export const VIRTUAL_HOST_TYPE = `${PREFIX}envoy.config.route.v3.VirtualHost`;
export const CLUSTER_TYPE = `${PREFIX}envoy.config.cluster.v3.Cluster`;
export const ENDPOINT_TYPE = `${PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`;
export const SECRET_TYPE = `${PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`;
/** Istio's, for the DNS proxy and no worker. */
export const NAME_TABLE_TYPE = `${PREFIX}istio.networking.nds.v1.NameTable`;

/** Listener filters. */
export const TLS_INSPECTOR_TYPE = `${PREFIX}envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector` as const;
export const ORIGINAL_DST_TYPE = `${PREFIX}envoy.extensions.filters.listener.original_dst.v3.OriginalDst` as const;

export const ORIGINAL_SRC_TYPE = `${PREFIX}envoy.extensions.filters.listener.original_src.v3.OriginalSrc` as const;
export const SPIFFE_VALIDATOR_TYPE = `${PREFIX}envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig`;

export const HTTP_INSPECTOR_TYPE =
  `${PREFIX}envoy.extensions.filters.listener.http_inspector.v3.HttpInspector` as const;

export const PROXY_PROTOCOL_FILTER = 'envoy.filters.listener.proxy_protocol';
export const PROXY_PROTOCOL_TYPE =
  `${PREFIX}envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol` as const;

/** Network filters. */
export const HTTP_CONNECTION_MANAGER_TYPE =
  `${PREFIX}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`;
export const TCP_PROXY_TYPE = `${PREFIX}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`;
export const NETWORK_RBAC_TYPE = `${PREFIX}envoy.extensions.filters.network.rbac.v3.RBAC`;
export const CONNECTION_LIMIT_TYPE =
  `${PREFIX}envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit`;
export const NETWORK_RATE_LIMIT_TYPE =
  `${PREFIX}envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit`;

/** HTTP filters, and what they are told per route. */
export const ROUTER_TYPE = `${PREFIX}envoy.extensions.filters.http.router.v3.Router`;
export const RBAC_TYPE = `${PREFIX}envoy.extensions.filters.http.rbac.v3.RBAC`;
export const RBAC_PER_ROUTE_TYPE = `${PREFIX}envoy.extensions.filters.http.rbac.v3.RBACPerRoute`;
export const FAULT_TYPE = `${PREFIX}envoy.extensions.filters.http.fault.v3.HTTPFault`;
export const ON_DEMAND_TYPE = `${PREFIX}envoy.extensions.filters.http.on_demand.v3.OnDemand`;
export const BUFFER_TYPE = `${PREFIX}envoy.extensions.filters.http.buffer.v3.Buffer`;
export const BUFFER_PER_ROUTE_TYPE = `${PREFIX}envoy.extensions.filters.http.buffer.v3.BufferPerRoute`;
export const CORS_TYPE = `${PREFIX}envoy.extensions.filters.http.cors.v3.Cors`;
export const CORS_POLICY_TYPE = `${PREFIX}envoy.extensions.filters.http.cors.v3.CorsPolicy` as const;
export const LOCAL_RATE_LIMIT_TYPE = `${PREFIX}envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`;
export const GLOBAL_RATE_LIMIT_TYPE = `${PREFIX}envoy.extensions.filters.http.ratelimit.v3.RateLimit`;
export const RATE_LIMIT_PER_ROUTE_TYPE = `${PREFIX}envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute`;
export const EXT_AUTHZ_TYPE = `${PREFIX}envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`;
export const EXT_AUTHZ_PER_ROUTE_TYPE = `${PREFIX}envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute`;
export const STATEFUL_SESSION_TYPE = `${PREFIX}envoy.extensions.filters.http.stateful_session.v3.StatefulSession`;
export const SESSION_PER_ROUTE_TYPE =
  `${PREFIX}envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute`;
export const COOKIE_SESSION_TYPE =
  `${PREFIX}envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState`;
export const JWT_AUTHN_TYPE = `${PREFIX}envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`;
export const JWT_PER_ROUTE_TYPE = `${PREFIX}envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig`;
export const FILTER_CONFIG_TYPE = `${PREFIX}envoy.config.route.v3.FilterConfig`;
export const CREDENTIAL_INJECTOR_TYPE =
  `${PREFIX}envoy.extensions.filters.http.credential_injector.v3.CredentialInjector`;
export const GENERIC_CREDENTIAL_TYPE = `${PREFIX}envoy.extensions.http.injected_credentials.generic.v3.Generic`;
export const OAUTH2_CREDENTIAL_TYPE = `${PREFIX}envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2`;
export const GRPC_STATS_TYPE = `${PREFIX}envoy.extensions.filters.http.grpc_stats.v3.FilterConfig`;
export const GRPC_WEB_TYPE = `${PREFIX}envoy.extensions.filters.http.grpc_web.v3.GrpcWeb`;
export const OAUTH2_TYPE = `${PREFIX}envoy.extensions.filters.http.oauth2.v3.OAuth2`;
export const OIDC_LOGIN_TYPE = `${PREFIX}weft.filters.http.oidc_login.v1.OidcLogin`;
export const OPENAPI_TYPE = `${PREFIX}weft.filters.http.openapi.v1.OpenApi`;
export const ISTIO_ALPN_TYPE = `${PREFIX}istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`;
export const PEER_METADATA_TYPE = `${PREFIX}io.istio.http.peer_metadata.Config`;
export const ISTIO_STATS_TYPE = `${PREFIX}stats.PluginConfig`;

/** Which endpoints a retry leaves out. */
export const PREVIOUS_HOSTS_TYPE = `${PREFIX}envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate`;
export const OMIT_CANARY_HOSTS_TYPE =
  `${PREFIX}envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate`;
export const OMIT_HOST_METADATA_TYPE =
  `${PREFIX}envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig`;

/** Transport sockets. */
export const DOWNSTREAM_TLS_TYPE = `${PREFIX}envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`;
export const UPSTREAM_TLS_TYPE = `${PREFIX}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`;
export const UPSTREAM_PROXY_PROTOCOL_TYPE =
  `${PREFIX}envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport` as const;
export const RAW_BUFFER_TYPE = `${PREFIX}envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer`;

/** Access loggers and tracing providers. */
export const FILE_ACCESS_LOG_TYPE = `${PREFIX}envoy.extensions.access_loggers.file.v3.FileAccessLog`;
export const ZIPKIN_TYPE = `${PREFIX}envoy.config.trace.v3.ZipkinConfig`;

/** Load balancing policies. */
const POLICY = `${PREFIX}envoy.extensions.load_balancing_policies` as const;
export const ROUND_ROBIN_POLICY_TYPE = `${POLICY}.round_robin.v3.RoundRobin` as const;
export const LEAST_REQUEST_POLICY_TYPE = `${POLICY}.least_request.v3.LeastRequest` as const;
export const RANDOM_POLICY_TYPE = `${POLICY}.random.v3.Random` as const;
export const RING_HASH_POLICY_TYPE = `${POLICY}.ring_hash.v3.RingHash` as const;
export const MAGLEV_POLICY_TYPE = `${POLICY}.maglev.v3.Maglev` as const;
export const PEAK_EWMA_ALPHA_POLICY_TYPE = `${POLICY}.peak_ewma.v3alpha.PeakEwma` as const;
export const PEAK_EWMA_POLICY_TYPE = `${POLICY}.peak_ewma.v3.PeakEwma` as const;
export const SUBSET_POLICY_TYPE = `${POLICY}.subset.v3.Subset` as const;
export const WRR_LOCALITY_POLICY_TYPE = `${POLICY}.wrr_locality.v3.WrrLocality` as const;

/** Key of the one entry in Cluster.typed_extension_protocol_options. */
export const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
