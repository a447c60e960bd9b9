// One try of a request on one endpoint: waits for a connection, sends on it, passes the response on, and settles
// accounts.
import { ProxyError } from '../base/error.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget } from '../base/timers.ts';
import type { ClientStream, ResponseSink } from '../http/codec.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import type { Pool, PoolContext, PoolUser, ReadyConnection } from './pool.ts';
import type { Attempt, AttemptSink } from './upstream.ts';

/**
 * `waiting`: in the pool's queue. `active`: on a connection. `ending`: the connection has gone on to others, the
 * response's last event is still to come. `done`: nothing more happens, whoever ended it.
 */
type State = 'waiting' | 'active' | 'ending' | 'done';

/** What came from the request while it waited. Chunks are copies, because a chunk is valid only during its call. */
interface Held {
  readonly chunks: Buffer[];
  trailers: Headers | undefined;
}

export class UpstreamAttempt implements Attempt, PoolUser, ResponseSink, TimerTarget {
  readonly endpoint: UpstreamEndpoint;
  readonly #context: PoolContext;
  readonly #pool: Pool;
  readonly #sink: AttemptSink;
  readonly #head: RequestHead;
  /** The head alone is the request. */
  readonly #headOnly: boolean;
  #state: State = 'waiting';
  #connection: ReadyConnection | undefined = undefined;
  #stream: ClientStream | undefined = undefined;
  #held: Held | undefined = undefined;
  #requestEnded: boolean;
  #paused = false;
  #responded = false;
  /** When it was sent; 0 where nobody asks. */
  #sentMs = 0;
  #duration: Timer | undefined = undefined;

  constructor(
    endpoint: UpstreamEndpoint, pool: Pool, context: PoolContext,
    sink: AttemptSink, head: RequestHead, endStream: boolean,
  ) {
    this.endpoint = endpoint;
    this.#pool = pool;
    this.#context = context;
    this.#sink = sink;
    this.#head = head;
    this.#headOnly = endStream;
    this.#requestEnded = endStream;
  }

  /** Asks the pool; the sink may hear onAttemptReady before this returns. */
  start(): ProxyError | undefined {
    const refusal = this.#pool.take(this);
    if (refusal !== undefined) this.#state = 'done';
    return refusal;
  }

  // --- the request, from the router

  /** While the connection is made every chunk asks to hold back: at most what was on its way is kept. */
  sendData(chunk: Buffer, endStream: boolean): boolean {
    if (this.#state === 'done' || this.#state === 'ending') return true;
    this.#requestEnded ||= endStream;
    if (this.#state === 'active') return this.#stream!.sendRequestData(chunk, endStream);
    this.#hold().chunks.push(Buffer.from(chunk));
    return false;
  }

  sendTrailers(trailers: Headers): void {
    if (this.#state === 'done' || this.#state === 'ending') return;
    this.#requestEnded = true;
    if (this.#state === 'active') this.#stream!.sendRequestTrailers(trailers);
    else this.#hold().trailers = trailers;
  }

  pauseBody(): void {
    this.#paused = true;
    if (this.#state === 'active') this.#stream!.pauseBody();
  }

  resumeBody(): void {
    this.#paused = false;
    if (this.#state === 'active') this.#stream!.resumeBody();
  }

  cancel(): void {
    const state = this.#state;
    if (state === 'waiting') {
      this.#held = undefined;
      this.#pool.abandon(this);
    } else if (state === 'active') {
      this.#finish();
      this.#context.stats.counters.rqTxReset.inc();
      this.#reset();
    }
    this.#state = 'done';
  }

  // --- from the pool

  onPoolReady(connection: ReadyConnection): void {
    this.#state = 'active';
    this.#connection = connection;
    this.#stream = connection.codec.newStream(this);
    this.endpoint.requestStarted();
    this.#sentMs = this.endpoint.latency?.nowMs() ?? 0;
    this.endpoint.connected();
    this.#context.stats.counters.rqTotal.inc();
    this.#context.stats.gauges.rqActive.inc();
    this.#startClock();
    this.#sink.onAttemptReady(connection.localAddress, connection.tls);
    if (this.#isActive()) this.#sendHeld();
  }

  onExchangeDone(): void {
    if (this.#state !== 'active') return;
    this.#state = 'ending';
    this.#settle();
  }

  onPoolFailure(error: ProxyError): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'done';
    this.#held = undefined;
    this.#sink.onResponseError(error);
  }

  // --- the response, from the codec

  onInformational(head: ResponseHead): void {
    if (!this.#hears()) return;
    this.#responded = true;
    this.#sink.onInformational(head);
  }

  onResponseHead(head: ResponseHead, endStream: boolean): void {
    if (!this.#hears()) return;
    this.#responded = true;
    if (this.#sentMs > 0) this.endpoint.latency?.answered(this.#sentMs);
    this.endpoint.onResponseHead(head);
    if (endStream) this.#finish();
    this.#sink.onResponseHead(head, endStream);
    if (endStream) this.#dropRest();
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    if (!this.#hears()) return;
    if (endStream) this.#finish();
    this.#sink.onResponseData(chunk, endStream);
    if (endStream) this.#dropRest();
  }

  onResponseTrailers(trailers: Headers): void {
    if (!this.#hears()) return;
    this.#finish();
    this.#sink.onResponseTrailers(trailers);
    this.#dropRest();
  }

  onResponseError(error: ProxyError): void {
    if (this.#state !== 'active') return;
    this.#finish();
    if (error.kind === 'upstream-reset') this.#context.stats.counters.rqRxReset.inc();
    this.#sink.onResponseError(this.#judged(error));
  }

  onRequestDrain(): void {
    if (this.#state === 'active') this.#sink.onRequestDrain();
  }

  /** max_stream_duration. */
  onTimer(): void {
    if (this.#state !== 'active') return;
    this.#finish();
    this.#context.stats.counters.rqMaxDuration.inc();
    this.#reset();
    this.#sink.onResponseError(new ProxyError('max-duration', 'upstream', 'upstream_max_stream_duration_reached'));
  }

  // --- inside

  #hears(): boolean {
    return this.#state === 'active' || this.#state === 'ending';
  }

  /** Asked again after each call into the sink, which may cancel. */
  #isActive(): boolean {
    return this.#state === 'active';
  }

  #hold(): Held {
    return (this.#held ??= { chunks: [], trailers: undefined });
  }

  #startClock(): void {
    const { settings, timers } = this.#context;
    if (settings.maxStreamDurationMs === undefined) return;
    this.#duration = new Timer(timers, this);
    this.#duration.arm(settings.maxStreamDurationMs);
  }

  #sendHeld(): void {
    const stream = this.#stream!;
    const held = this.#held;
    this.#held = undefined;
    if (this.#paused) stream.pauseBody();
    stream.sendRequestHead(this.#head, this.#headOnly);
    if (held === undefined) return;
    const { chunks, trailers } = held;
    let room = true;
    chunks.forEach((chunk, i) => {
      const last = this.#requestEnded && trailers === undefined && i === chunks.length - 1;
      room = stream.sendRequestData(chunk, last);
    });
    if (trailers !== undefined) stream.sendRequestTrailers(trailers);
    if (room && !this.#requestEnded) this.#sink.onRequestDrain();
  }

  /** The codec knows whether the connection was used before and any byte came; after an event none of it counts. */
  #judged(error: ProxyError): ProxyError {
    if (!this.#responded || error.retry === 'never') return error;
    return new ProxyError(error.kind, error.source, error.detail, 'never', error.cause);
  }

  /** The response is complete but the request is not: nobody reads the rest of it. */
  #dropRest(): void {
    if (this.#requestEnded) return;
    this.#reset();
    // Who was told to hold back would never see its client's end.
    this.#sink.onRequestDrain();
  }

  #reset(): void {
    this.#connection!.giveUp();
    this.#stream!.resetStream();
  }

  #finish(): void {
    if (this.#state === 'active') this.#settle();
    this.#state = 'done';
  }

  /** Pays back what the try has taken. */
  #settle(): void {
    this.#duration?.cancel();
    this.#context.breaker.requestDone();
    this.#context.stats.gauges.rqActive.dec();
    this.endpoint.requestEnded();
  }
}
