// What a stream is given by its connection manager, and whom it tells of its life.
import type { TracedWay } from './route-note.ts';
import type { Clock } from '../base/clock.ts';
import type { ProxyError } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { RouteEntry } from '../route/route-entry.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { FilterChain } from './chain.ts';

/** What all streams of one HTTP connection manager share; the manager compiles it once. */
export interface StreamSettings {
  readonly chain: FilterChain;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerWheel;
  readonly bufferBytesMax: number;
  /** 0 is off; Envoy's default 5 min. */
  readonly idleTimeoutMs: number;
  /** Whole life of a request, whatever it does (max_stream_duration); 0 is off. */
  readonly maxDurationMs: number;
  /** Until the request has arrived whole (request_timeout); 0 is off. */
  readonly requestTimeoutMs: number;
  readonly tracedWay: TracedWay;
  /** The table of this moment: kept by the stream until it ends, so that a request sees one configuration only. */
  matchRoute(request: RequestHead, info: StreamInfo): RouteEntry | undefined;
  /** Forwarding headers, request id, trace start; an error refuses the request. */
  prepareRequest(request: RequestHead, info: StreamInfo): ProxyError | undefined;
  /** What is also done to a request in the place of one that was redirected here; an error refuses it. */
  normalize(request: RequestHead, localPort: number): ProxyError | undefined;
  startTrace(request: RequestHead, info: StreamInfo): void;
  /** Server, date, via and the like, on every response. */
  prepareResponse(response: ResponseHead, info: StreamInfo): void;
  /** Whether an upgrade token or `connect` may pass. */
  allowsUpgrade(token: string, route: RouteEntry | undefined): boolean;
  onStreamStart(info: StreamInfo): void;
  /** Stats, access log, span. */
  onStreamEnd(info: StreamInfo): void;
}

/** Who is told that a stream is over: its connection. */
export interface StreamOwner {
  /** This stream's response is the connection's last one. */
  closeAfterResponse(): void;
  /** A response head is about to be sent: the moment to make it the connection's last one. */
  onResponseStart(): void;
  /** Another stream begins in the place of one that ends: it will be done for both. */
  onReplace(): void;
  onStreamDone(): void;
}
