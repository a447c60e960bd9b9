// The contract of an HTTP filter: named hooks over one stream, answered synchronously.
import type { ProxyError } from '../base/error.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { RouteEntry } from '../route/route-entry.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';

/**
 * What a hook answers. `continue`: go on to the next filter. `pause`: this filter holds the stream and will call
 * `resumeRequest` (bytes that arrive meanwhile are buffered within the stream's limit, then reading stops).
 * `replied`: the filter has called sendLocalReply or took the stream over; no later filter sees this event.
 */
export type Verdict = 'continue' | 'pause' | 'replied';

/** A response made by the proxy itself. Extra `headers` are added after the standard ones. */
export interface LocalReply {
  readonly status: number;
  readonly body: string;
  readonly detail: string;
  /** Bits of response-flag.ts. */
  readonly flags: number;
  readonly headers?: readonly (readonly [string, string])[];
}

/** What a filter may see and do of a stream. Implemented by filter/stream.ts alone. */
export interface FilterStream {
  readonly info: StreamInfo;
  readonly request: RequestHead;
  /** Set once response headers flow. */
  readonly response: ResponseHead | undefined;
  /** The matched route; undefined when none matched. Matched before the first filter runs. */
  readonly route: RouteEntry | undefined;
  readonly timers: TimerWheel;
  /** A value that one filter keeps for this stream; `index` is the filter's own (see HttpFilter.index). */
  getState(index: number): unknown;
  setState(index: number, value: unknown): void;
  /** After `pause`: runs the filters that follow. Harmless when the stream has ended meanwhile. */
  resumeRequest(): void;
  /** Answers in place of the upstream; passes the response filters before the caller, as in Envoy. */
  sendLocalReply(reply: LocalReply): void;
  /** As sendLocalReply, with status, flag and body from the table in http/local-reply.ts. */
  failStream(error: ProxyError): void;
  /** Forgets the route after a filter changed what it matches on; the next `route` matches anew. */
  clearRouteCache(): void;
}

/**
 * A compiled filter, shared by all streams of a chain: per-stream state lives in the stream. All hooks are optional; the
 * chain calls only those that exist. The router is the last filter and the only one that talks to upstreams.
 */
export interface HttpFilter {
  /** Envoy's filter name, as configured. */
  readonly name: string;
  /** Place in the chain; set by the chain when it is folded. */
  index: number;
  onRequestHead?(stream: FilterStream, endStream: boolean): Verdict;
  onRequestData?(stream: FilterStream, chunk: Buffer, endStream: boolean): Verdict;
  onRequestTrailers?(stream: FilterStream, trailers: Headers): Verdict;
  /** Response hooks run in reverse order and may change the head; they cannot pause. */
  onResponseHead?(stream: FilterStream, head: ResponseHead, endStream: boolean): void;
  onResponseData?(stream: FilterStream, chunk: Buffer, endStream: boolean): void;
  onResponseTrailers?(stream: FilterStream, trailers: Headers): void;
  /** The stream is over, however it ended; called once, before the access log. */
  onComplete?(stream: FilterStream): void;
}
