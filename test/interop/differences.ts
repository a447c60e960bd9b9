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
];

/** Response headers whose values depend on the moment or the implementation; their presence is compared, not the value. */
export const VOLATILE_RESPONSE_HEADERS: readonly string[] = ['date', 'server', 'x-envoy-upstream-service-time'];

/** Headers that reach the upstream with values of chance. */
export const VOLATILE_REQUEST_HEADERS: readonly string[] = [
  'x-request-id', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled',
];
