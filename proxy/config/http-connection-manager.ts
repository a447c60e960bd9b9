// The HTTP connection manager and its filters (envoy.extensions.filters.network.http_connection_manager.v3).
import { AccessLog } from './access-log.ts';
import { CidrRange } from './address.ts';
import { ConfigSource } from './config-source.ts';
import { Buffer } from './buffer.ts';
import { Cors } from './cors.ts';
import { HTTPFault } from './fault.ts';
import { ExtAuthz } from './external-authorization.ts';
import { GlobalRateLimit } from './global-rate-limit.ts';
import { CredentialInjector } from './credential-injector.ts';
import { GrpcStats } from './grpc-stats.ts';
import { GrpcWeb } from './grpc-web.ts';
import { Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions } from './http-protocol-options.ts';
import { IstioAlpn, PeerMetadata } from './istio-peers.ts';
import { IstioStats } from './istio-stats.ts';
import { JwtAuthentication } from './jwt-authn.ts';
import { LocalRateLimit } from './local-rate-limit.ts';
import { OAuth2 } from './oauth2.ts';
import { OidcLogin } from './oidc-login.ts';
import { OnDemand } from './on-demand.ts';
import { OpenApi } from './openapi.ts';
import { Percent } from './percent.ts';
import { RBAC } from './rbac.ts';
import { RouteConfiguration } from './route.ts';
import { Router } from './router.ts';
import { bool, duration, enumeration, headerValue, string, uint32 } from './scalar.ts';
import { any, exactlyOne, list, message, optional, Refusal, required, type Static } from './schema.ts';
import { StatefulSession } from './stateful-session.ts';
import { CustomTag, TracingProvider } from './tracing.ts';
import { ROUTER_TYPE } from './type-url.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3';

const HTTP_FILTERS = [
  Router, RBAC, HTTPFault, Buffer, Cors, LocalRateLimit, GlobalRateLimit, ExtAuthz, GrpcWeb,
  GrpcStats, IstioStats, JwtAuthentication, OAuth2, OidcLogin, OpenApi, StatefulSession, CredentialInjector,
  IstioAlpn, PeerMetadata, OnDemand,
] as const;

const CONFIG_TYPE = exactlyOne('typed_config', 'config_discovery');

export const HttpFilter = message(`${HCM}.HttpFilter`, {
  name: required(string({ minLength: 1 }), 'Name by which typed_per_filter_config finds it.'),
  typedConfig: required(any('HTTP filter', HTTP_FILTERS, {
    'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig':
      'clusters whose endpoints requests name are refused, so that there is nobody to resolve names for',
  }), 'Which filter, and its configuration.'),
  disabled: optional(bool(), 'Off, unless a route configures it. Default false.'),
}, {
  refused: { 'filters come with their chain': ['config_discovery'] },
  oneOf: [CONFIG_TYPE],
  warned: { 'every filter that is accepted is honoured': ['is_optional'] },
});
export interface HttpFilter extends Static<typeof HttpFilter> {}

export const Rds = message(`${HCM}.Rds`, {
  configSource: required(ConfigSource, 'Where the table comes from.'),
  routeConfigName: required(string({ minLength: 1 }), 'Name of the table.'),
});
export interface Rds extends Static<typeof Rds> {}

export const HttpTracing = message(`${HCM}.HttpConnectionManager.Tracing`, {
  clientSampling: optional(Percent, 'Share of requests traced because x-client-trace-id asks for it; default 100.'),
  randomSampling: optional(Percent, 'Share of requests traced by chance; default 100.'),
  overallSampling: optional(Percent, 'Upper bound of both together; default 100.'),
  customTags: optional(list(CustomTag), 'Tags of every span.'),
  maxPathTagLength: optional(uint32(), 'Longer paths are cut in tags; default 256.'),
  provider: optional(TracingProvider, 'Who gets the spans; default the bootstrap\'s tracing.'),
  spawnUpstreamSpan: optional(bool(), 'A span of its own for each try. Default false.'),
}, {
  refused: { 'trace context is always passed on': ['no_context_propagation'] },
  warned: {
    'spans have no annotations': ['verbose'],
    'spans are named by the route\'s decorator': ['operation', 'upstream_operation'],
  },
});
export interface HttpTracing extends Static<typeof HttpTracing> {}

export const InternalAddressConfig = message(
  `${HCM}.HttpConnectionManager.InternalAddressConfig`, {
    cidrRanges: optional(list(CidrRange), 'These addresses are internal.'),
  }, {
    warned: { 'listeners take TCP connections only': ['unix_sockets'] },
  },
);
export interface InternalAddressConfig extends Static<typeof InternalAddressConfig> {}

export const SetCurrentClientCertDetails = message(
  `${HCM}.HttpConnectionManager.SetCurrentClientCertDetails`, {
    subject: optional(bool(), 'Subject of the client certificate.'),
    dns: optional(bool(), 'DNS names.'),
    uri: optional(bool(), 'URI names, such as the SPIFFE id.'),
    cert: optional(bool(), 'The certificate itself, in URL-encoded PEM: some kilobytes for each request.'),
    chain: optional(bool(), 'The same with all certificates that the client showed.'),
  }, {
    refused: {
      'x-forwarded-client-cert has its text form': ['issuer', 'format'],
    },
  },
);
export interface SetCurrentClientCertDetails extends Static<typeof SetCurrentClientCertDetails> {}

export const UuidRequestIdConfig = message('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig', {
  packTraceReason: optional(bool(), 'The request id carries the sampling decision; default true.'),
  useRequestIdForTraceSampling: optional(bool(), 'The request id decides on sampling; default true.'),
});
export interface UuidRequestIdConfig extends Static<typeof UuidRequestIdConfig> {}

const RequestIdExtension = message(`${HCM}.RequestIDExtension`, {
  typedConfig: required(any('request id extension', [UuidRequestIdConfig]), 'How request ids are made.'),
});

export const UpgradeConfig = message(
  `${HCM}.HttpConnectionManager.UpgradeConfig`, {
    upgradeType: required(string({ minLength: 1 }), 'websocket, CONNECT, or another Upgrade token; without regard to '
      + 'case.'),
    enabled: optional(bool(), 'Default true; false: only routes that say so.'),
  }, {
    refused: { 'upgrades pass the same filters as requests': ['filters'] },
  },
);
export interface UpgradeConfig extends Static<typeof UpgradeConfig> {}

export const HttpConnectionManager = message(
  `${HCM}.HttpConnectionManager`, {
    codecType: optional(enumeration(['AUTO', 'HTTP1', 'HTTP2'], {
      refused: { HTTP3: 'HTTP/3 is not supported' },
      numbers: { AUTO: 0, HTTP1: 1, HTTP2: 2, HTTP3: 3 },
    }), 'Default AUTO.'),
    statPrefix: required(string({ minLength: 1 }), 'Stats are http.<this>.*.'),
    rds: optional(Rds, 'The route table, by xDS.'),
    routeConfig: optional(RouteConfiguration, 'The route table itself.'),
    httpFilters: required(list(HttpFilter, { min: 1 }), 'In the order of requests; the router is the last one.'),
    tracing: optional(HttpTracing, 'Present: requests are traced.'),
    commonHttpProtocolOptions: optional(HttpProtocolOptions, 'Timeouts and limits of connections.'),
    httpProtocolOptions: optional(Http1ProtocolOptions, 'HTTP/1.'),
    http2ProtocolOptions: optional(Http2ProtocolOptions, 'HTTP/2.', 'http2_protocol_options'),
    serverName: optional(headerValue(), 'Value of the server header; default envoy.'),
    serverHeaderTransformation: optional(
      enumeration(['OVERWRITE', 'APPEND_IF_ABSENT', 'PASS_THROUGH']), 'What becomes of the upstream\'s server header; '
      + 'default OVERWRITE.',
    ),
    maxRequestHeadersKb: optional(uint32({ minimum: 1, maximum: 8192 }), 'Larger request heads are answered 431; '
      + 'default 60.'),
    streamIdleTimeout: optional(duration(), 'Silence on both sides that ends a request; default 5m, 0s is never.'),
    requestTimeout: optional(duration(), 'Time until the request is received whole; default none.'),
    requestHeadersTimeout: optional(duration(), 'Time until the request head is received whole; default weft\'s 10s.'),
    delayedCloseTimeout: optional(duration(), 'How long a closed connection waits for the peer to close; default 1s.'),
    accessLog: optional(list(AccessLog), 'Logs of requests.'),
    useRemoteAddress: optional(bool(), 'The peer is the client: x-forwarded-for is appended to and internal headers of '
      + 'strangers are removed. Must be true at the edge. Default false.'),
    xffNumTrustedHops: optional(uint32(), 'Proxies in front whose x-forwarded-for entries are believed; default 0.'),
    skipXffAppend: optional(bool(), 'x-forwarded-for is left as it is. Default false.'),
    internalAddressConfig: optional(InternalAddressConfig, 'What counts as internal; default nothing.'),
    via: optional(headerValue(), 'Appended to via of requests and responses; default none.'),
    generateRequestId: optional(bool(), 'x-request-id is made where there is none; default true.'),
    preserveExternalRequestId: optional(bool(), 'At the edge, x-request-id of clients is kept. Default false.'),
    alwaysSetRequestIdInResponse: optional(bool(), 'x-request-id is sent to clients too. Default false.'),
    requestIdExtension: optional(RequestIdExtension, 'How request ids are made; default UUIDs.'),
    forwardClientCertDetails: optional(
      enumeration(['SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY']),
      'What becomes of x-forwarded-client-cert; default SANITIZE: removed. ALWAYS_FORWARD_ONLY believes anybody.',
    ),
    setCurrentClientCertDetails: optional(SetCurrentClientCertDetails, 'What is said of the client\'s certificate.'),
    upgradeConfigs: optional(list(UpgradeConfig), 'Upgrades that are allowed; default none.'),
    normalizePath: optional(bool(), 'Dot segments and backslashes are resolved before routing; default false, as in '
      + 'Envoy. '
      + 'Without it /a/../b passes rules about /b.'),
    mergeSlashes: optional(bool(), '// becomes / before routing. Default false.'),
    pathWithEscapedSlashesAction: optional(
      enumeration(['IMPLEMENTATION_SPECIFIC_DEFAULT', 'KEEP_UNCHANGED', 'REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT',
        'UNESCAPE_AND_FORWARD']),
      'Paths with %2F or %5C; default KEEP_UNCHANGED.',
    ),
    stripMatchingHostPort: optional(bool(), 'The listener\'s own port is cut from the host. Default false.'),
    stripAnyHostPort: optional(bool(), 'Any port is cut from the host. Default false.'),
    stripTrailingHostDot: optional(bool(), 'A dot at the end of the host is cut. Default false.'),
  }, {
    refused: {
      'routes come by rds or route_config': ['scoped_routes'],
      'HTTP/3 is not supported': ['http3_protocol_options'],
      'the scheme is the connection\'s': ['scheme_header_transformation'],
      'use_remote_address and xff_num_trusted_hops find the client': ['original_ip_detection_extensions'],
      'this is not supported': ['early_header_mutation_extensions', 'forward_client_cert_matcher', 'local_reply_config',
        'path_normalization_options', 'typed_header_validation_config', 'append_x_forwarded_port',
          'forward_proto_config',
        'add_user_agent', 'represent_ipv4_remote_address_as_ipv4_mapped_ipv6'],
    },
    warned: {
      'a malformed message always ends its connection': ['stream_error_on_invalid_http_message'],
      'a request is logged once, when it is over': ['access_log_flush_interval', 'flush_access_log_on_new_request',
        'access_log_options'],
      'the header is not sent': ['proxy_status_config', 'append_local_overload'],
      'a drained connection ends with its next response, or when it was idle for a second': ['drain_timeout'],
      'connections are drained when they are idle': ['http1_safe_max_connection_duration', 'drain_timeout_jitter'],
      'stream_idle_timeout covers it': ['stream_flush_timeout'],
      'servers that are told of clients always are': ['add_proxy_protocol_connection_state'],
      'the proxy answers 100-continue by itself when the request has passed its filters': ['proxy_100_continue'],
      'such stats are not kept': ['record_route_resolution_stats'],
    },
    oneOf: [
      exactlyOne('rds', 'route_config', 'scoped_routes'),
    ],
    check: ({ httpFilters, stripMatchingHostPort, stripAnyHostPort }) => {
      if (stripMatchingHostPort && stripAnyHostPort) {
        return new Refusal('must not be set beside strip_matching_host_port', ['stripAnyHostPort']);
      }
      return checkFilters(httpFilters);
    },
  },
);
export interface HttpConnectionManager extends Static<typeof HttpConnectionManager> {}

/** The router ends the chain. Names may come again, as istiod's for CUSTOM policies: what a route says is for all. */
function checkFilters(filters: readonly HttpFilter[]): Refusal | undefined {
  const routers = filters.filter(({ typedConfig }) => typedConfig['@type'] === ROUTER_TYPE).length;
  if (routers !== 1 || filters.at(-1)?.typedConfig['@type'] !== ROUTER_TYPE) {
    return new Refusal('must end with the one envoy.filters.http.router', ['httpFilters']);
  }
  return undefined;
}
