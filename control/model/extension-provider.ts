// Services that policies name and the mesh declares once (MeshConfig.extensionProviders): those that judge requests.
import { bool, string, uint32 } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { goDuration, matching } from './scalar.ts';

const PROVIDER = 'istio.mesh.v1alpha1.MeshConfig.ExtensionProvider';

const RequestBody = message(`${PROVIDER}.EnvoyExternalAuthorizationRequestBody`, {
  maxRequestBytes: optional(uint32({ maximum: 16 * 1024 * 1024 }), 'Bytes that the service sees; default 1024.'),
  allowPartialMessage: optional(bool(), 'Longer requests are judged by their beginning; default false: 413.'),
  packAsBytes: optional(bool(), 'As bytes instead of text, to gRPC services. Default false.'),
});
export interface RequestBody extends Static<typeof RequestBody> {}

/** `abc`, `abc*`, `*abc` or `*`. */
const headerPatterns = () => list(matching(/^(\*|\*?[^*]+|[^*]+\*)$/, "a header, 'prefix*', '*suffix' or '*'"));

const COMMON = {
  service: required(matching(/^([a-z0-9-]+\/)?[a-zA-Z0-9.-]+$/, "a service's host, or 'namespace/host'"), 'Its host.'),
  port: required(uint32({ minimum: 1, maximum: 65_535 }), 'Its port.'),
  timeout: optional(goDuration(), 'How long it may take; default 600s.'),
  failOpen: optional(bool(), 'Danger: requests pass unjudged where it does not answer. Default false.'),
  clearRouteCache: optional(bool(), 'The route is matched anew after it changed the request. Default false.'),
  statusOnError: optional(matching(/^[1-5][0-9]{2}$/, "a status as text, like '403'"), 'Where it does not answer; '
    + 'default 403.'),
  includeRequestBodyInCheck: optional(RequestBody, 'It sees the body too.'),
} as const;

export const HttpAuthorizer = message(`${PROVIDER}.EnvoyExternalAuthorizationHttpProvider`, {
  ...COMMON,
  pathPrefix: optional(matching(/^\//, "a path that begins with '/'"), 'Before the request\'s path.'),
  includeRequestHeadersInCheck: optional(headerPatterns(), 'Headers that it sees, beside authorization.'),
  includeAdditionalHeadersInCheck: optional(map(string()), 'Headers that it is sent beside, by name.'),
  headersToUpstreamOnAllow: optional(headerPatterns(), 'Of its answer, for the service; default none.'),
  headersToDownstreamOnAllow: optional(headerPatterns(), 'Of its answer, for the client of a request that passes.'),
  headersToDownstreamOnDeny: optional(headerPatterns(), 'Of its answer, for the client of one that does not; default '
    + 'all.'),
}, { refused: { 'use includeRequestHeadersInCheck': ['include_headers_in_check'] } });
export interface HttpAuthorizer extends Static<typeof HttpAuthorizer> {}

export const GrpcAuthorizer = message(`${PROVIDER}.EnvoyExternalAuthorizationGrpcProvider`, COMMON);
export interface GrpcAuthorizer extends Static<typeof GrpcAuthorizer> {}

export const ExtensionProvider = message(PROVIDER, {
  name: required(string({ minLength: 1 }), 'By which policies name it.'),
  envoyExtAuthzHttp: optional(HttpAuthorizer, 'Authorizes by plain HTTP.'),
  envoyExtAuthzGrpc: optional(GrpcAuthorizer, 'Authorizes by gRPC (envoy.service.auth.v3).'),
}, {
  refused: {
    'traces go to the zipkin collector of the settings': ['zipkin', 'lightstep', 'datadog', 'opencensus', 'skywalking',
      'opentelemetry', 'stackdriver'],
    'Telemetry names the logs and metrics that there are': ['prometheus', 'envoy_file_access_log',
      'envoy_http_als', 'envoy_tcp_als', 'envoy_otel_als'],
    'secrets come from the control plane': ['sds'],
  },
  check: ({ envoyExtAuthzHttp, envoyExtAuthzGrpc }) => ((envoyExtAuthzHttp === undefined)
    === (envoyExtAuthzGrpc === undefined) ? new Refusal('needs envoyExtAuthzHttp or envoyExtAuthzGrpc') : undefined),
});
export interface ExtensionProvider extends Static<typeof ExtensionProvider> {}
