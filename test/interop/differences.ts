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

/**
 * Response headers whose values depend on the moment or the implementation; their presence is compared, not the value.
 */
export const VOLATILE_RESPONSE_HEADERS: readonly string[] = ['date', 'server', 'x-envoy-upstream-service-time'];

/** Headers that reach the upstream with values of chance. */
export const VOLATILE_REQUEST_HEADERS: readonly string[] = [
  'x-request-id', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled',
];
