// Active health checks of a cluster's endpoints (envoy.config.core.v3: health_check.proto).
import { HeaderValueOption } from './header-value-option.ts';
import { StringMatcher } from './matcher.ts';
import { Int64Range } from './percent.ts';
import { bool, duration, enumeration, string, uint32 } from './scalar.ts';
import { exactlyOne, list, message, optional, Refusal, required, type Static } from './schema.ts';

export const HttpHealthCheck = message('envoy.config.core.v3.HealthCheck.HttpHealthCheck', {
  host: optional(string({ form: 'header-value' }), 'Authority; default the cluster\'s name. The endpoint\'s '
    + 'health_check_config.hostname goes before it.'),
  path: required(string({ minLength: 1, form: 'header-value' }), 'Path that is asked for.'),
  requestHeadersToAdd: optional(list(HeaderValueOption, { max: 1000 }), 'Further fields, without operators.'),
  expectedStatuses: optional(list(Int64Range), 'Healthy answers; default 200.'),
  retriableStatuses: optional(list(Int64Range), 'Answers that fail a check by unhealthy_threshold; any other that is '
    + 'not expected fails the endpoint at once.'),
  codecClientType: optional(enumeration(['HTTP1', 'HTTP2'], { refused: { HTTP3: 'HTTP/3 is not supported' } }),
    'Protocol; default HTTP1.'),
  serviceNameMatcher: optional(StringMatcher, 'The answer\'s x-envoy-upstream-healthchecked-cluster must match.'),
  method: optional(enumeration(['METHOD_UNSPECIFIED', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS',
    'TRACE', 'PATCH']), 'Default GET.'),
}, {
  refused: {
    'status and fields are judged, no bodies': ['send', 'receive', 'response_buffer_size'],
    'there is nothing to remove from what is sent': ['request_headers_to_remove'],
  },
  check: ({ method }) => (method === 'CONNECT' ? new Refusal('must not be CONNECT', ['method']) : undefined),
});
export interface HttpHealthCheck extends Static<typeof HttpHealthCheck> {}

export const GrpcHealthCheck = message('envoy.config.core.v3.HealthCheck.GrpcHealthCheck', {
  serviceName: optional(string(), 'Service that grpc.health.v1.Health is asked about; default the whole server.'),
  authority: optional(string({ form: 'header-value' }), 'Default the cluster\'s name. The endpoint\'s '
    + 'health_check_config.hostname goes before it.'),
  initialMetadata: optional(list(HeaderValueOption, { max: 1000 }), 'Further fields, without operators.'),
});
export interface GrpcHealthCheck extends Static<typeof GrpcHealthCheck> {}

const TcpHealthCheck = message('envoy.config.core.v3.HealthCheck.TcpHealthCheck', {}, {
  refused: { 'a connection is made, and nothing is said on it': ['send', 'receive', 'proxy_protocol_config'] },
});

const TlsOptions = message('envoy.config.core.v3.HealthCheck.TlsOptions', {
  alpnProtocols: optional(list(string({ minLength: 1 })), 'Offered where the transport socket names none.'),
});

export const HealthCheck = message('envoy.config.core.v3.HealthCheck', {
  timeout: required(duration({ above: 0 }), 'A check without an answer has failed after this.'),
  interval: required(duration({ above: 0 }), 'From the end of a check to the next.'),
  initialJitter: optional(duration(), 'The first check waits a random time up to this; default 0s.'),
  intervalJitter: optional(duration(), 'A random time up to this is added to each interval; default 0s.'),
  intervalJitterPercent: optional(uint32(), 'The same as a share of the interval; default 0.'),
  unhealthyThreshold: required(uint32(), 'Failures in a row that take an endpoint out.'),
  healthyThreshold: required(uint32(), 'Successes in a row that take it in again; the very first one is enough.'),
  altPort: optional(uint32({ minimum: 1, maximum: 65_535 }), 'Port of the checks; default the endpoint\'s.'),
  reuseConnection: optional(bool(), 'Checks share a connection. Default true.'),
  httpHealthCheck: optional(HttpHealthCheck, 'By a request.'),
  tcpHealthCheck: optional(TcpHealthCheck, 'By a connection.'),
  grpcHealthCheck: optional(GrpcHealthCheck, 'By grpc.health.v1.Health.'),
  noTrafficInterval: optional(duration({ above: 0 }), 'interval while the cluster has carried nothing yet; default '
    + '60s.'),
  noTrafficHealthyInterval: optional(duration({ above: 0 }), 'The same of healthy endpoints; default '
    + 'no_traffic_interval.'),
  unhealthyInterval: optional(duration({ above: 0 }), 'interval of unhealthy endpoints; default interval.'),
  unhealthyEdgeInterval: optional(duration({ above: 0 }), 'interval after the failure that begins to take an endpoint '
    + 'out; default unhealthy_interval.'),
  healthyEdgeInterval: optional(duration({ above: 0 }), 'interval after the success that begins to take it in; default '
    + 'interval.'),
  tlsOptions: optional(TlsOptions, 'Of checks over TLS.'),
}, {
  refused: {
    'checks are of HTTP, gRPC or TCP': ['custom_health_check'],
    'checks use the endpoint\'s transport socket': ['transport_socket_match_criteria'],
  },
  warned: {
    'results are shown by /clusters and health_check.*': ['event_log_path', 'event_logger', 'event_service',
      'always_log_health_check_failures', 'always_log_health_check_success'],
  },
  oneOf: [exactlyOne('http_health_check', 'tcp_health_check', 'grpc_health_check', 'custom_health_check')],
});
export interface HealthCheck extends Static<typeof HealthCheck> {}
