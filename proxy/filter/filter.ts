// The contract of an HTTP filter: named hooks over one stream, answered synchronously.
import type { Clock } from '../base/clock.ts';
import type { ProxyError } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { ServerStream } from '../http/codec.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { RedirectTrail } from '../route/internal-redirect.ts';
import type { ClusterChoice, RouteEntry } from '../route/route-entry.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { BodyWatcher, HeldRequest } from './request-buffer.ts';

/**
 * What a hook answers. `continue`: go on to the next filter. `pause`: this filter holds the stream and will call
 * `resumeRequest` (bytes that arrive meanwhile are buffered within the stream's limit, then reading stops).
 * `replied`: the filter has called sendLocalReply or took the stream over; no later filter sees this event.
 */
export type Verdict = 'continue' | 'pause' | 'replied';

/** Body hooks cannot pause: a filter that must wait pauses at the head, and the bytes wait with it. */
export type BodyVerdict = Exclude<Verdict, 'pause'>;

/** A response made by the proxy itself. Extra `headers` are added after the standard ones. */
export interface LocalReply {
  readonly status: number;
  readonly body: string;
  readonly detail: string;
  /** Bits of response-flag.ts. */
  readonly flags: number;
  readonly headers?: readonly (readonly [string, string])[];
  /** What gRPC clients get instead of the status's own translation (fault aborts with grpc_status). */
  readonly grpcStatus?: number;
  /** The route's own answer: its header changes are made, as otherwise only where a route forwards. As in Envoy. */
  readonly ofRoute?: boolean;
  /** A message that stays as it is: without header changes, and no gRPC status. The answer to a preflight. */
  readonly plain?: boolean;
}

/** What a filter may see and do of a stream. Implemented by filter/stream.ts alone. */
export interface FilterStream {
  readonly info: StreamInfo;
  readonly request: RequestHead;
  /** Set once response headers flow. */
  readonly response: ResponseHead | undefined;
  /** The matched route; undefined when none matched. Matched before the first filter runs. */
  readonly route: RouteEntry | undefined;
  /** Name of the cluster that the route's action drew for this request; '' for other actions, or when none fits. */
  readonly cluster: string;
  /** The route's choice of cluster, with what its own level changes. */
  readonly clusterChoice: ClusterChoice | undefined;
  readonly timers: TimerWheel;
  /** A value that one filter keeps for this stream; `index` is the filter's own (see HttpFilter.index). */
  getState(index: number): unknown;
  setState(index: number, value: unknown): void;
  /** After `pause`: runs the filters that follow. Harmless when the stream has ended meanwhile. */
  resumeRequest(): void;
  /** Before `pause`: says what is held of the body meanwhile, for which there is room for so many bytes. */
  watchBody(bytesMax: number, watcher: BodyWatcher): void;
  /** Answers in place of the upstream; passes the response filters before the caller, as in Envoy. */
  sendLocalReply(reply: LocalReply): void;
  /** As sendLocalReply, with status, flag and body from the table in http/local-reply.ts. */
  failStream(error: ProxyError): void;
  /**
   * Puts a translation between this stream's responses and its codec, while the request's head is looked at: a later
   * filter's comes before an earlier one's, and all come after the response hooks. Replies of our own are made for it
   * as text, whatever the request's type has become.
   */
  translateResponse(translation: (codec: ServerStream) => ServerStream): void;
  /** The body of the response goes out no faster than so many KiB in a second. */
  paceResponse(kibPerSecond: number): void;
  /** Forgets the route after a filter changed what it matches on; the next `route` matches anew. */
  clearRouteCache(): void;
}

/** What the router, and it alone, may do beside: answer with the upstream's response and hold the request's bytes. */
export interface RoutedStream extends FilterStream {
  readonly clock: Clock;
  readonly random: Random;
  readonly bufferBytesMax: number;
  /** The whole request has arrived. */
  readonly requestComplete: boolean;
  /** A response head has been sent on, so that no local reply is possible any more. */
  readonly responseStarted: boolean;
  respondInformational(head: ResponseHead): void;
  respondHead(head: ResponseHead, endStream: boolean): void;
  /** False: hold the upstream back until the router's `onResponseDrain`. */
  respondData(chunk: Buffer, endStream: boolean): boolean;
  respondTrailers(trailers: Headers): void;
  /** Ends a response that has begun in a way that the client can see is not a clean end. */
  abortResponse(error: ProxyError): void;
  /** Another request may come in this one's place: it has come whole, and nothing was answered or translated. */
  readonly replaceable: boolean;
  /** What led here from the client's own request; undefined for that itself. */
  readonly redirects: RedirectTrail | undefined;
  /** The route of a request in this one's place, whose path is made normal; undefined also where that is refused. */
  routeOf(request: RequestHead): RouteEntry | undefined;
  /** Ends this request, answered by `response`, and runs `request` through the filters for the same client. */
  replace(
    response: ResponseHead, request: RequestHead, route: RouteEntry, redirects: RedirectTrail, body: HeldRequest,
  ): void;
  pauseRequestBody(): void;
  resumeRequestBody(): void;
}

/**
 * A compiled filter, shared by all streams of a chain: per-stream state lives in the stream. All hooks are optional;
 * the chain calls only those that exist. The router is the last filter and the only one that talks to upstreams.
 */
export interface HttpFilter {
  /** Envoy's filter name, as configured. */
  readonly name: string;
  /** Place in the chain; set by the chain when it is folded. */
  index: number;
  /** Chunks that it holds after a data hook it takes by `keep`. Otherwise every chunk that it sees is its own. */
  readonly borrows?: boolean;
  onRequestHead?(stream: FilterStream, endStream: boolean): Verdict;
  /** A buffer goes on in the chunk's place; an empty one that ends nothing does not go on. */
  onRequestData?(stream: FilterStream, chunk: Buffer, endStream: boolean): BodyVerdict | Buffer;
  onRequestTrailers?(stream: FilterStream, trailers: Headers): BodyVerdict;
  /** Response hooks run in reverse order and may change the head; they cannot pause. */
  onResponseHead?(stream: FilterStream, head: ResponseHead, endStream: boolean): void;
  onResponseData?(stream: FilterStream, chunk: Buffer, endStream: boolean): void;
  onResponseTrailers?(stream: FilterStream, trailers: Headers): void;
  /** The client can take more of the response after respondData returned false (router only). */
  onResponseDrain?(stream: FilterStream): void;
  /** The stream is over, however it ended; called once, before the access log. */
  onComplete?(stream: FilterStream): void;
}
