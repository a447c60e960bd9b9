// What ends a request in time: silence, its longest life, and how long it may take to arrive.
import { ProxyError } from '../base/error.ts';
import type { TimerTarget } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { RequestHead } from '../http/message.ts';
import type { RouteEntry } from '../route/route-entry.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { bodyDeadlineMs } from './body-deadline.ts';
import type { StreamSettings } from './stream-settings.ts';

const IDLE_TIMER = 0;
const DURATION_TIMER = 1;
const REQUEST_TIMER = 2;

/** Who is told that its time is over. */
export interface TimedStream {
  readonly info: StreamInfo;
  readonly requestComplete: boolean;
  timeOut(error: ProxyError): void;
}

/** One request's; each is armed when it begins to count. */
export class StreamDeadlines implements TimerTarget {
  readonly #settings: StreamSettings;
  readonly #stream: TimedStream;
  /** `clock.nowMs()` of the last event of the request or its response. */
  lastActiveMs: number;
  /** stream_idle_timeout, or the route's own; 0 is off. */
  #idleMs: number;
  #idleTimer: Timer | undefined;
  #durationTimer: Timer | undefined;
  /** There was no time left when the route became known. */
  #expired = false;
  #requestTimer: Timer | undefined = undefined;

  constructor(settings: StreamSettings, stream: TimedStream, nowMs: number) {
    this.#settings = settings;
    this.#stream = stream;
    this.lastActiveMs = nowMs;
    this.#idleMs = settings.idleTimeoutMs;
    this.#idleTimer = this.#timer(IDLE_TIMER, settings.idleTimeoutMs);
    this.#durationTimer = this.#timer(DURATION_TIMER, settings.maxDurationMs);
  }

  /** A route's idle_timeout and max_stream_duration stand in place of the connection manager's. */
  takeRoute(route: RouteEntry | undefined, request: RequestHead): void {
    if (route?.action.kind !== 'forward') return;
    const { idleTimeoutMs, streamDuration } = route.action;
    if (idleTimeoutMs !== undefined) {
      this.#idleTimer?.cancel();
      this.#idleMs = idleTimeoutMs;
      this.#idleTimer = this.#timer(IDLE_TIMER, idleTimeoutMs);
    }
    if (streamDuration === undefined) return;
    this.#durationTimer?.cancel();
    const deadlineMs = streamDuration.deadlineMs(request, this.#settings.maxDurationMs);
    if (deadlineMs === undefined) return;
    const leftMs = deadlineMs - (this.#settings.clock.nowMs() - this.#stream.info.startMs);
    this.#expired = leftMs <= 0;
    this.#durationTimer = this.#timer(DURATION_TIMER, Math.max(1, leftMs));
  }

  /** Ends a stream that had no time left when its route became known. */
  endExpired(): void {
    if (this.#expired) this.#onLifeOver();
  }

  /** The head came, and a body follows. */
  awaitBody(head: RequestHead): void {
    this.#requestTimer = this.#timer(REQUEST_TIMER, bodyDeadlineMs(head, this.#settings.requestTimeoutMs));
  }

  requestArrived(): void {
    this.#requestTimer?.cancel();
  }

  touch(): void {
    this.lastActiveMs = this.#settings.clock.nowMs();
  }

  cancel(): void {
    this.#idleTimer?.cancel();
    this.#durationTimer?.cancel();
    this.#requestTimer?.cancel();
  }

  onTimer(tag: number): void {
    if (tag === IDLE_TIMER) this.#onIdle();
    else if (tag === DURATION_TIMER) this.#onLifeOver();
    else this.#stream.timeOut(new ProxyError('request-timeout', 'downstream', 'request_overall_timeout'));
  }

  /** Idle for the whole of stream_idle_timeout: 408 before the request is complete, 504 after it (as Envoy). */
  #onIdle(): void {
    const left = this.#idleMs - (this.#settings.clock.nowMs() - this.lastActiveMs);
    if (left > 0) {
      this.#idleTimer?.arm(left);
      return;
    }
    const { requestComplete, info } = this.#stream;
    const kind = requestComplete ? 'stream-idle-timeout' : 'request-timeout';
    info.flags |= flagBit('SI');
    this.#stream.timeOut(new ProxyError(kind, requestComplete ? 'upstream' : 'downstream', 'stream_idle_timeout'));
  }

  #onLifeOver(): void {
    this.#stream.timeOut(new ProxyError('max-duration', 'internal', 'max_duration_timeout'));
  }

  #timer(tag: number, ms: number): Timer | undefined {
    if (ms <= 0) return undefined;
    const timer = new Timer(this.#settings.timers, this, tag);
    timer.arm(ms);
    return timer;
  }
}
