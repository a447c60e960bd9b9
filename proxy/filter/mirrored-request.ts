// A copy of a request on its way to a second cluster: one try, whose answer nobody hears.
import { ProxyError } from '../base/error.ts';
import type { Clock } from '../base/clock.ts';
import type { TimerTarget } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { RequestMirror } from '../route/request-mirror.ts';
import type { Attempt, AttemptSink, Cluster, Outcome } from '../upstream/upstream.ts';
import type { RoutedStream } from './filter.ts';

/** May outlive the request: it ends with its answer, a failure, or its route's timeout. */
export class MirroredRequest implements AttemptSink, TimerTarget {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #timeout: Timer;
  readonly #timeoutMs: number;
  readonly #bytesMax: number;
  readonly #startMs: number;
  #attempt: Attempt | undefined = undefined;
  #responded = false;
  #sent = false;
  #over = false;
  /** Bytes that its upstream did not take yet: it must not slow the request down, nor grow without bound. */
  #waiting = 0;

  constructor(cluster: Cluster, stream: RoutedStream, timeoutMs: number) {
    this.#cluster = cluster;
    this.#clock = stream.clock;
    this.#timeout = new Timer(stream.timers, this);
    this.#timeoutMs = timeoutMs;
    this.#bytesMax = stream.bufferBytesMax;
    this.#startMs = stream.clock.nowMs();
  }

  start(head: RequestHead, endStream: boolean): void {
    const endpoint = this.#cluster.pick(undefined);
    if (typeof endpoint === 'string') return;
    if (endStream) this.#onSent();
    const started = this.#cluster.startAttempt(endpoint, this, head, endStream);
    if (started instanceof ProxyError) this.#end();
    else if (!this.#over) this.#attempt = started;
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.#attempt === undefined) return;
    if (endStream) this.#onSent();
    if (this.#attempt.sendData(chunk, endStream)) return;
    this.#waiting += chunk.length;
    if (this.#waiting > this.#bytesMax) this.#giveUp('cancelled');
  }

  sendTrailers(trailers: Headers): void {
    if (this.#attempt === undefined) return;
    this.#onSent();
    this.#attempt.sendTrailers(trailers.clone());
  }

  /** The request is over: a copy that has been sent whole goes on. */
  close(): void {
    if (!this.#sent) this.#giveUp('cancelled');
  }

  onTimer(): void {
    this.#giveUp('timeout');
  }

  onAttemptReady(): void {}

  onRequestDrain(): void {
    this.#waiting = 0;
  }

  onInformational(): void {}

  onResponseHead(head: ResponseHead, endStream: boolean): void {
    const attempt = this.#attempt;
    this.#responded = true;
    attempt?.endpoint.done(head.status);
    this.#cluster.countResponse(head.status, this.#clock.nowMs() - this.#startMs);
    if (endStream) this.#end();
  }

  onResponseData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#end();
  }

  onResponseTrailers(): void {
    this.#end();
  }

  onResponseError(error: ProxyError): void {
    if (!this.#responded) this.#attempt?.endpoint.done(error.kind === 'connect-failure' ? 'connect-failure' : 'reset');
    this.#end();
  }

  #onSent(): void {
    this.#sent = true;
    if (this.#timeoutMs > 0) this.#timeout.arm(this.#timeoutMs);
  }

  #giveUp(outcome: Outcome): void {
    const attempt = this.#attempt;
    this.#end();
    attempt?.cancel();
    if (!this.#responded) attempt?.endpoint.done(outcome);
  }

  #end(): void {
    this.#over = true;
    this.#timeout.cancel();
    this.#attempt = undefined;
  }
}

/** Where one copy goes. */
export interface MirrorTarget {
  readonly cluster: Cluster;
  readonly mirror: RequestMirror;
}

/**
 * Starts the copies of a request whose head is as its first upstream gets it. `timeoutMs` is the route's, which copies
 * are told unless `quiet`.
 */
export function startMirrors(
  targets: readonly MirrorTarget[], stream: RoutedStream, timeoutMs: number, endStream: boolean,
  quiet = false,
): MirroredRequests | undefined {
  if (targets.length === 0) return undefined;
  return new MirroredRequests(targets.map(({ cluster, mirror }) => {
    const copy = new MirroredRequest(cluster, stream, timeoutMs);
    const head = mirror.copy(stream.request);
    // A copy has no tries: all of the time is its own.
    if (timeoutMs > 0 && !quiet) head.headers.set('x-envoy-expected-rq-timeout-ms', String(Math.round(timeoutMs)));
    copy.start(head, endStream);
    return copy;
  }));
}

/** The copies of one request. */
export class MirroredRequests {
  readonly #copies: readonly MirroredRequest[];

  constructor(copies: readonly MirroredRequest[]) {
    this.#copies = copies;
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    for (const copy of this.#copies) copy.sendData(chunk, endStream);
  }

  sendTrailers(trailers: Headers): void {
    for (const copy of this.#copies) copy.sendTrailers(trailers);
  }

  close(): void {
    for (const copy of this.#copies) copy.close();
  }
}
