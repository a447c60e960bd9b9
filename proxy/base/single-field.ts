// Header names of which Envoy keeps one field a message, joining further values with a comma (observed on Envoy 1.40).

/** In requests: conditions and format strings see the joined value, and appending joins. Other fields stand alone. */
export const SINGLE_IN_REQUESTS: ReadonlySet<string> = new Set([
  'accept', 'accept-encoding', 'access-control-request-headers', 'access-control-request-method',
  'access-control-request-private-network', 'authorization', 'cache-control', 'content-encoding', 'content-type',
  'grpc-accept-encoding', 'grpc-timeout', 'if-match', 'if-modified-since', 'if-none-match', 'if-range',
  'if-unmodified-since', 'origin', 'pragma', 'proxy-status', 'referer', 'user-agent', 'via', 'x-client-trace-id',
  'x-envoy-attempt-count', 'x-envoy-decorator-operation', 'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node', 'x-envoy-external-address', 'x-envoy-original-host', 'x-envoy-original-path',
  'x-forwarded-client-cert', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto',
  'x-request-id',
]);

/** In responses. */
export const SINGLE_IN_RESPONSES: ReadonlySet<string> = new Set([
  'access-control-allow-credentials', 'access-control-allow-headers', 'access-control-allow-methods',
  'access-control-allow-origin', 'access-control-allow-private-network', 'access-control-expose-headers',
  'access-control-max-age', 'age', 'cache-control', 'content-encoding', 'content-type', 'date', 'etag', 'expires',
  'grpc-message', 'grpc-status', 'last-modified', 'location', 'proxy-status', 'server', 'vary', 'via',
  'x-envoy-attempt-count', 'x-envoy-decorator-operation', 'x-envoy-degraded', 'x-envoy-immediate-health-check-fail',
  'x-envoy-ratelimited', 'x-envoy-upstream-canary', 'x-envoy-upstream-healthchecked-cluster',
  'x-envoy-upstream-service-time', 'x-request-id',
]);
