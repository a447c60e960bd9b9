// A finished span as workers send it to the supervisor: plain values with our own ids and times.

/** Who gets a span: the collector's cluster, its path, and the host that is asked for. */
export interface SpanTarget {
  readonly cluster: string;
  readonly path: string;
  readonly hostname: string;
}

/** One span. Ids are lower-case hex: a trace id has 16 or 32 digits, a span id 16. */
export interface SpanRecord {
  readonly target: SpanTarget;
  readonly traceId: string;
  readonly spanId: string;
  /** '' for a root. */
  readonly parentId: string;
  readonly kind: 'server' | 'client';
  /** A server span under the id of its client's span (B3's shared span context). */
  readonly shared: boolean;
  readonly name: string;
  /** Unix microseconds. */
  readonly startUs: number;
  readonly durationUs: number;
  readonly error: boolean;
  /** Flat [name, value, name, value, …]. */
  readonly tags: readonly string[];
}

/** What a sampled request keeps until its span is finished; unsampled ones keep nothing. */
export interface ActiveSpan {
  readonly parentId: string;
  readonly shared: boolean;
  /** Id of the client span of its own that goes upstream; '' where the request has one span. */
  readonly clientSpanId: string;
}
