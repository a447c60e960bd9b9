// Every intended difference between weft and Envoy on the same bootstrap, with the reason and the threat's id.

/** A difference that the differential test accepts: for requests whose name matches, weft's status may be `weft`. */
export interface Difference {
  /** Name of the request in the differential test. */
  readonly request: string;
  readonly envoy: number | 'closed';
  readonly weft: number | 'closed';
  /** Threat id of threats.md, or the design decision. */
  readonly id: string;
  readonly reason: string;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    request: 'unknown method', envoy: 400, weft: 400, id: 'allow_custom_methods',
    reason: 'any token is a method and reaches the upstream, which is the one that refuses it here',
  },
  { request: 'folded header', envoy: 200, weft: 400, id: 'S04', reason: 'folded lines are refused, not joined' },
  {
    request: 'HTTP/1.2', envoy: 426, weft: 505, id: 'S17',
    reason: 'only HTTP/1.0 and HTTP/1.1 are versions of this protocol',
  },
  {
    request: 'host in upper case', envoy: 200, weft: 200, id: 'S13',
    reason: 'the host is folded to lower case once, for routes, policy and the upstream alike',
  },
];

/** A difference in gRPC-Web: what the test of that name sees through each of the two. */
export interface GrpcWebDifference {
  readonly what: string;
  readonly envoy: string;
  readonly weft: string;
  readonly id: string;
  readonly reason: string;
}

export const GRPC_WEB_DIFFERENCES: readonly GrpcWebDifference[] = [
  {
    what: 'bytes of a long page that a client sees', envoy: '6000', weft: '4096', id: 'gRPC-Web, limit',
    reason: 'grpc-message stands in the head, and clients refuse a head that is larger than theirs may be',
  },
  {
    what: 'text padded in the middle of a message', envoy: '400 13', weft: '200 0', id: 'gRPC-Web, text',
    reason: 'a sender may flush between two groups, so that padding may end any of them',
  },
  {
    what: 'status and grpc-status in the access log', envoy: '200 9, 200 2, 500 2', weft: '200 9, 200 0, 500 2',
    id: 'gRPC-Web, log', reason: 'Envoy no longer finds the trailers of a good call, and logs UNKNOWN for it',
  },
];

/** A figure that a scenario over time leaves out, and why. */
export interface FigureDifference {
  readonly scenario: string;
  readonly figure: string;
  readonly reason: string;
}

export const FIGURE_DIFFERENCES: readonly FigureDifference[] = [
  {
    scenario: 'a retry budget grows with the requests that are active',
    figure: 'circuit_breakers.default.rq_retry_open',
    reason: 'weft says whether the budget lets another retry in, Envoy what max_retries would, which is not in force',
  },
  {
    scenario: 'a degraded host gets what the others leave',
    figure: 'health_check.degraded',
    reason: 'Envoy adds to this gauge and never takes from it; weft shows how many are degraded',
  },
];

/** What a client of a listener with tenants is told, by the name of the case in tls-tenants.test.ts. */
export const TENANT_DIFFERENCES: readonly Difference[] = [
  {
    request: 'SNI of the open tenant, host of the closed one', envoy: 200, weft: 421, id: 'S54',
    reason: 'a client could ask for hosts by the certificates, and the demands on its own, of another chain',
  },
  {
    request: 'SNI of the closed tenant, host of nobody', envoy: 200, weft: 421, id: 'S54',
    reason: 'a host that SNI would not have led to is not served there',
  },
];

/**
 * Response headers whose values depend on the moment or the implementation; their presence is compared, not the value.
 */
export const VOLATILE_RESPONSE_HEADERS: readonly string[] = ['date', 'server', 'x-envoy-upstream-service-time'];

/** Headers that reach the upstream with values of chance. */
export const VOLATILE_REQUEST_HEADERS: readonly string[] = [
  'x-request-id', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled',
];
