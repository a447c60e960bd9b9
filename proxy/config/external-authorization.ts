// Requests that a service judges (envoy.extensions.filters.http.ext_authz.v3).
import { EnvoyGrpc } from './config-source.ts';
import { HeaderValue } from './header-value-option.ts';
import { HttpUri } from './http-uri.ts';
import { ListStringMatcher } from './matcher.ts';
import { MetadataMatcher } from './metadata-matcher.ts';
import { RuntimeFeatureFlag } from './network-limit.ts';
import { RuntimeFractionalPercent } from './percent.ts';
import { HttpStatus } from './rate-limit.ts';
import { bool, duration, enumeration, string, uint32 } from './scalar.ts';
import { exactlyOne, list, map, message, optional, Refusal, required, type Static } from './schema.ts';

const EXT_AUTHZ = 'envoy.extensions.filters.http.ext_authz.v3';

/** A megabyte and more would be held for each request that waits. */
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

export const BufferSettings = message(`${EXT_AUTHZ}.BufferSettings`, {
  maxRequestBytes: required(uint32({ minimum: 1, maximum: REQUEST_BYTES_MAX }), 'Bytes of the body that the service '
    + 'sees; longer requests are refused with 413 unless allow_partial_message.'),
  allowPartialMessage: optional(bool(), 'Longer requests are judged by their beginning. Default false.'),
  packAsBytes: optional(bool(), 'To gRPC services the body goes as bytes, not as text. Default false.'),
});
export interface BufferSettings extends Static<typeof BufferSettings> {}

const CheckService = message('envoy.config.core.v3.GrpcService', {
  envoyGrpc: optional(EnvoyGrpc, 'The service, as a cluster of this proxy; its circuit breakers bound the calls.'),
  timeout: optional(duration(), 'How long the service may take; default 0.200s, 0s is for ever.'),
  initialMetadata: optional(list(HeaderValue), 'Headers sent with every call.'),
}, {
  refused: { 'name a cluster with envoy_grpc instead': ['google_grpc'], 'a service is asked once': ['retry_policy'] },
  oneOf: [exactlyOne('envoy_grpc', 'google_grpc')],
});

const AuthorizationRequest = message(`${EXT_AUTHZ}.AuthorizationRequest`, {
  headersToAdd: optional(list(HeaderValue), 'Set on the calls, in place of the request\'s own.'),
}, { refused: { 'use allowed_headers of the filter': ['allowed_headers'] } });

const AuthorizationResponse = message(`${EXT_AUTHZ}.AuthorizationResponse`, {
  allowedUpstreamHeaders: optional(ListStringMatcher, 'Headers of an answer that lets on which replace the '
    + 'request\'s; default none.'),
  allowedUpstreamHeadersToAppend: optional(ListStringMatcher, 'Those which are added to the request\'s; default none.'),
  allowedClientHeaders: optional(ListStringMatcher, 'Headers of a denial that the client gets, beside its status and '
    + 'length, location and www-authenticate; default all.'),
  allowedClientHeadersOnSuccess: optional(ListStringMatcher, 'Headers of an answer that lets on which the client gets '
    + 'with the response; default none.'),
  dynamicMetadataFromHeaders: optional(ListStringMatcher, 'Headers of the answer that become metadata.'),
});
export interface AuthorizationResponse extends Static<typeof AuthorizationResponse> {}

export const HttpService = message(`${EXT_AUTHZ}.HttpService`, {
  serverUri: required(HttpUri, 'The service.'),
  pathPrefix: optional(string(), 'Before the request\'s path in that of the calls; default empty.'),
  pathOverride: optional(string(), 'In place of the request\'s path; default empty, which is that.'),
  authorizationRequest: optional(AuthorizationRequest, 'What is said to the service beside.'),
  authorizationResponse: optional(AuthorizationResponse, 'What is heard of its answers beside their status.'),
}, { refused: { 'a service is asked once': ['retry_policy'] } });
export interface HttpService extends Static<typeof HttpService> {}

/** The filter. */
export const ExtAuthz = message(`${EXT_AUTHZ}.ExtAuthz`, {
  grpcService: optional(CheckService, 'A service that speaks envoy.service.auth.v3.'),
  httpService: optional(HttpService, 'A service that lets on by the status 200.'),
  transportApiVersion: optional(enumeration(['AUTO', 'V3'], {
    refused: { V2: 'the v2 API is gone' }, numbers: { AUTO: 0, V2: 1, V3: 2 },
  }), 'V3; default AUTO means the same.'),
  failureModeAllow: optional(bool(), 'Danger: requests pass unjudged where the service does not answer. Default '
    + 'false.'),
  failureModeAllowHeaderAdd: optional(bool(), 'They carry x-envoy-auth-failure-mode-allowed. Default false.'),
  withRequestBody: optional(BufferSettings, 'The service sees the body too. Default without.'),
  clearRouteCache: optional(bool(), 'The route is matched anew where the service changed the request. Default false.'),
  statusOnError: optional(HttpStatus, 'Status where the service does not answer; default 403.'),
  validateMutations: optional(bool(), 'Answers with headers that cannot be sent are errors (500). Default false: such '
    + 'headers are left out.'),
  metadataContextNamespaces: optional(list(string({ minLength: 1 })), 'Dynamic metadata that the service sees.'),
  filterEnabled: optional(RuntimeFractionalPercent, 'Share of requests that are judged; default all.'),
  filterEnabledMetadata: optional(MetadataMatcher, 'Only requests whose metadata matches are judged. Default all.'),
  denyAtDisable: optional(RuntimeFeatureFlag, 'Requests that are not judged are denied. Default off.'),
  includePeerCertificate: optional(bool(), 'The service sees the client\'s certificate. Default false.'),
  statPrefix: optional(string(), 'Inserted in the names of the filter\'s stats.'),
  bootstrapMetadataLabelsKey: optional(string(), 'Labels of the destination are these of node.metadata.'),
  allowedHeaders: optional(ListStringMatcher, 'Headers that the service sees. Default: all for gRPC, authorization '
    + 'for HTTP.'),
  disallowedHeaders: optional(ListStringMatcher, 'Headers that it does not see, also of the allowed ones.'),
  includeTlsSession: optional(bool(), 'The service sees the SNI. Default false.'),
  chargeClusterResponseStats: optional(bool(), 'Denials count as responses of the route\'s cluster. Default true.'),
  encodeRawHeaders: optional(bool(), 'Headers go as bytes, each value for itself. Default false.'),
  enableDynamicMetadataIngestion: optional(bool(), 'Metadata of answers is taken. Default true.'),
  maxDeniedResponseBodyBytes: optional(uint32(), 'Longer bodies of denials are cut; default 0 is up to 64 KiB.'),
}, {
  refused: {
    'metadata of routes is not kept': ['route_metadata_context_namespaces'],
    'metadata is not typed here': ['typed_metadata_context_namespaces', 'route_typed_metadata_context_namespaces'],
    'framing, host and pseudo headers are never taken, all others are': ['decoder_header_mutation_rules'],
    'use filter_enabled, or RBAC shadow rules': ['shadow_mode'],
    'use clear_route_cache': ['clear_route_cache_headers'],
  },
  warned: {
    'no filter state is kept of it': ['filter_metadata', 'emit_filter_state_stats'],
    'weft\'s limits of headers hold': ['enforce_response_header_limits'],
    'calls make no spans of their own': ['emit_client_span'],
  },
  oneOf: [exactlyOne('grpc_service', 'http_service')],
});
export interface ExtAuthz extends Static<typeof ExtAuthz> {}

export const CheckSettings = message(`${EXT_AUTHZ}.CheckSettings`, {
  contextExtensions: optional(map(string()), 'Told to gRPC services; of more specific levels they replace.'),
  disableRequestBodyBuffering: optional(bool(), 'The service does not see the body here. Default false.'),
  withRequestBody: optional(BufferSettings, 'In place of the filter\'s.'),
}, {
  refused: { 'there is one service for the filter': ['grpc_service', 'http_service'] },
  warned: { 'calls make no spans of their own': ['emit_client_span'] },
});
export interface CheckSettings extends Static<typeof CheckSettings> {}

/** In typed_per_filter_config of a route, virtual host or table. */
export const ExtAuthzPerRoute = message(`${EXT_AUTHZ}.ExtAuthzPerRoute`, {
  disabled: optional(bool(), 'Requests are not judged here; only true.'),
  checkSettings: optional(CheckSettings, 'What is told of requests here.'),
}, {
  oneOf: [exactlyOne('disabled', 'check_settings')],
  check: ({ disabled }) => (disabled === false ? new Refusal('must be true', ['disabled']) : undefined),
});
export interface ExtAuthzPerRoute extends Static<typeof ExtAuthzPerRoute> {}
