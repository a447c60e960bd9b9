// One call of a filter to a service of its own, over the pools of the service's cluster; its answer comes whole.
import { ProxyError } from '../base/error.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { Attempt, AttemptSink, Cluster, Outcome } from '../upstream/upstream.ts';

/** Longer answers are failures, where the sink does not say another length. */
const ANSWER_BYTES_MAX = 64 * 1024;

export interface HttpAnswer {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly trailers: Headers | undefined;
}

/** Hears the end of a call, once; never after cancel. */
export interface HttpCallSink {
  readonly answerBytesMax?: number;
  /** A head that is no answer ends the call. */
  accepts?(head: ResponseHead, endStream: boolean): boolean;
  onCallDone(answer: HttpAnswer | ProxyError): void;
}

export class HttpCall implements AttemptSink, TimerTarget {
  readonly #sink: HttpCallSink;
  readonly #cluster: Cluster;
  readonly #timer: Timer | undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #head: ResponseHead | undefined = undefined;
  #attempt: Attempt | undefined = undefined;
  #done = false;

  /** `timeoutMs` 0 is for ever. */
  constructor(cluster: Cluster, timeoutMs: number, timers: TimerWheel, sink: HttpCallSink) {
    this.#cluster = cluster;
    this.#sink = sink;
    if (timeoutMs > 0) {
      this.#timer = new Timer(timers, this);
      this.#timer.arm(timeoutMs);
    }
  }

  /** The sink may hear of a failure before this returns. */
  start(head: RequestHead, body: Buffer | undefined): void {
    const endpoint = this.#cluster.pick(undefined);
    if (typeof endpoint === 'string') {
      this.#fail(new ProxyError('no-healthy-upstream', 'upstream', 'no_healthy_upstream'));
      return;
    }
    const started = this.#cluster.startAttempt(endpoint, this, head, body === undefined);
    if (started instanceof ProxyError) {
      this.#fail(started);
      return;
    }
    this.#attempt = started;
    if (body !== undefined) started.sendData(body, true);
  }

  cancel(): void {
    this.#finish('cancelled', true);
  }

  onAttemptReady(): void {}

  onInformational(): void {}

  onRequestDrain(): void {}

  onResponseHead(head: ResponseHead, endStream: boolean): void {
    this.#head = head;
    if (this.#sink.accepts?.(head, endStream) === false) this.#fail(noAnswer());
    else if (endStream) this.#end(undefined);
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    this.#bytes += chunk.length;
    if (this.#bytes > (this.#sink.answerBytesMax ?? ANSWER_BYTES_MAX)) {
      this.#fail(noAnswer());
      return;
    }
    this.#chunks.push(Buffer.from(chunk));
    if (endStream) this.#end(undefined);
  }

  onResponseTrailers(trailers: Headers): void {
    this.#end(trailers);
  }

  onResponseError(error: ProxyError): void {
    if (this.#finish('reset', false)) this.#sink.onCallDone(error);
  }

  onTimer(): void {
    if (this.#finish('timeout', true)) {
      this.#sink.onCallDone(new ProxyError('upstream-timeout', 'upstream', 'call_timeout'));
    }
  }

  #end(trailers: Headers | undefined): void {
    const head = this.#head!;
    if (!this.#finish(head.status, false)) return;
    this.#sink.onCallDone({ head, body: Buffer.concat(this.#chunks), trailers });
  }

  #fail(error: ProxyError): void {
    if (this.#finish('reset', true)) this.#sink.onCallDone(error);
  }

  /** False when it was over before. */
  #finish(outcome: Outcome, cancels: boolean): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#timer?.cancel();
    this.#attempt?.endpoint.done(outcome);
    if (cancels) this.#attempt?.cancel();
    this.#attempt = undefined;
    return true;
  }
}

/** Too long, or nothing like what was asked for. */
export function noAnswer(): ProxyError {
  return new ProxyError('upstream-protocol', 'upstream', 'no_answer');
}
