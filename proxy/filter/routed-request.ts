// A request on its way to an upstream: its tries, their retries and timeouts, and the response that comes back.
import { ProxyError, messageOf } from '../base/error.ts';
import type { TimerTarget } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { Headers } from '../http/headers.ts';
import type { ResponseHead } from '../http/message.ts';
import { tellTimes } from '../route/request-times.ts';
import type { ConnectionInfo, TlsInfo } from '../telemetry/stream-info.ts';
import { ANY_HOST, RetryHosts } from '../upstream/retry.ts';
import type { Attempt, Cluster, Endpoint, Outcome } from '../upstream/upstream.ts';
import type { RoutedStream } from './filter.ts';
import { HedgedTries } from './hedged-tries.ts';
import type { HedgedTry, HedgingRequest } from './hedged-tries.ts';
import { startMirrors } from './mirrored-request.ts';
import type { MirroredRequests } from './mirrored-request.ts';
import { RequestBuffer } from './request-buffer.ts';
import { RetryState } from './retry-state.ts';
import { changeResponse, tellServiceTime } from './route-note.ts';
import type { Routing } from './routing.ts';
import { countedStatus, noEndpoint, outcomeOf, outcomeOfHead } from './try-outcome.ts';

const ROUTE_TIMER = 0;
const TRY_TIMER = 1;
const TRY_IDLE_TIMER = 2;

/** Lives from the router's first hook to the stream's end; one try is active, or more where they are hedged. */
export class RoutedRequest implements HedgingRequest, TimerTarget {
  readonly downstream: ConnectionInfo;
  readonly #stream: RoutedStream;
  readonly #routing: Routing;
  readonly #cluster: Cluster;
  readonly #retries: RetryState | undefined;
  #attempt: Attempt | undefined = undefined;
  #attemptReady = false;
  /** The request so far, for another try; undefined once it cannot be replayed. */
  #replay: RequestBuffer | undefined;
  #hosts: RetryHosts | undefined = undefined;
  readonly #hedged: HedgedTries | undefined;
  #mirrors: MirroredRequests | undefined = undefined;
  #routeTimer: Timer | undefined = undefined;
  #tryTimer: Timer | undefined = undefined;
  #tryIdleTimer: Timer | undefined = undefined;
  #responded = false;
  /** When the request had come whole; -1 before. */
  #sentMs = -1;

  constructor(stream: RoutedStream, routing: Routing) {
    this.#stream = stream;
    this.downstream = stream.info.connection;
    this.#routing = routing;
    this.#cluster = routing.cluster;
    const { retry } = routing;
    this.#retries = retry === undefined ? undefined : new RetryState(retry, stream, routing.cluster, this);
    const hedges = routing.times.hedges && retry !== undefined && !routing.action.connectTerminates;
    this.#hedged = hedges ? new HedgedTries(this) : undefined;
    if (routing.wishes !== undefined) this.#hosts = this.#newHosts();
    const held = retry !== undefined || routing.action.redirects !== undefined;
    // A body of just that size fits.
    this.#replay = held ? new RequestBuffer((routing.action.replayBytesMax ?? stream.bufferBytesMax) + 1) : undefined;
  }

  start(endStream: boolean): void {
    if (endStream) this.#startRouteTimer();
    this.#try(endStream);
  }

  // --- the request, from downstream

  sendData(chunk: Buffer, endStream: boolean): void {
    this.#mirrors?.sendData(chunk, endStream);
    if (this.#responded && this.#attempt === undefined) return;
    if (endStream) this.#startRouteTimer();
    if (this.#replay !== undefined && !this.#replay.add(chunk, endStream)) this.#replay = undefined;
    if (this.#attempt !== undefined && !this.#attempt.sendData(chunk, endStream)) this.#stream.pauseRequestBody();
    if (this.#hedged?.sendData(chunk, endStream) === false) this.#stream.pauseRequestBody();
  }

  sendTrailers(trailers: Headers): void {
    this.#mirrors?.sendTrailers(trailers);
    this.#startRouteTimer();
    if (this.#replay !== undefined) this.#replay.trailers = trailers;
    this.#hedged?.sendTrailers(trailers);
    this.#attempt?.sendTrailers(trailers);
  }

  resumeResponse(): void {
    this.#attempt?.resumeBody();
  }

  /** The stream is over, however it ended. */
  close(): void {
    this.#mirrors?.close();
    this.#routeTimer?.cancel();
    this.#tryTimer?.cancel();
    this.#tryIdleTimer?.cancel();
    this.#retries?.end();
    this.#hedged?.cancel();
    if (this.#attempt !== undefined) this.#abandon('cancelled');
  }

  // --- tries

  #try(endStream: boolean): void {
    const picked = this.#cluster.pick(this.#hosts);
    this.#stream.info.attempts++;
    if (typeof picked === 'string') {
      this.#fail(noEndpoint(this.#hosts?.override?.missingStatus));
      return;
    }
    this.#prepareHead(picked, endStream);
    this.#attemptReady = false;
    const hedged = this.#hedged?.next();
    const started = this.#routing.action.connectTerminates
      ? this.#cluster.startTunnel(picked, this)
      : this.#cluster.startAttempt(picked, hedged ?? this, this.#stream.request, endStream);
    if (started instanceof ProxyError) {
      this.#fail(started);
      return;
    }
    this.#attempt = started;
    if (hedged !== undefined) hedged.attempt = started;
    this.#noteEndpoint(picked);
    const perTryMs = this.#retries?.policy.settings.perTryTimeoutMs ?? 0;
    if (perTryMs > 0) (this.#tryTimer ??= new Timer(this.#stream.timers, this, TRY_TIMER)).arm(perTryMs);
    this.#touchTry();
  }

  /** The head is the same object for all tries: what an earlier one was told is told anew. */
  #prepareHead(endpoint: Endpoint, endStream: boolean): void {
    const { request, info } = this.#stream;
    const { action, mirrors, quiet, route, times } = this.#routing;
    if (info.attempts > 1) tellTimes(request.headers, times, this.#spentMs(), quiet);
    if (route.attemptCountRequest) request.headers.set('x-envoy-attempt-count', String(info.attempts));
    if (info.attempts === 1) this.#mirrors = startMirrors(mirrors, this.#stream, times.timeoutMs, endStream, quiet);
    action.rewriteToEndpoint?.(request, endpoint.hostname, quiet);
  }

  /** Since the request had been sent whole. */
  #spentMs(): number {
    return this.#sentMs === -1 ? 0 : this.#stream.clock.nowMs() - this.#sentMs;
  }

  #noteEndpoint(endpoint: Endpoint): void {
    this.#stream.info.upstreamAddress = endpoint.address;
    this.#stream.info.upstreamWorkload = endpoint.workload;
  }

  /** per_try_idle_timeout: from the start of a try, and again from each part of its response. */
  #touchTry(): void {
    const ms = this.#retries?.policy.settings.perTryIdleTimeoutMs ?? 0;
    if (ms > 0) (this.#tryIdleTimer ??= new Timer(this.#stream.timers, this, TRY_IDLE_TIMER)).arm(ms);
  }

  /** Envoy counts the route's timeout from the end of the request. */
  #startRouteTimer(): void {
    const { timeoutMs } = this.#routing.times;
    this.#sentMs = this.#stream.clock.nowMs();
    if (timeoutMs > 0) (this.#routeTimer ??= new Timer(this.#stream.timers, this, ROUTE_TIMER)).arm(timeoutMs);
  }

  onTimer(tag: number): void {
    if (tag === TRY_TIMER && this.#hedged !== undefined) this.#hedge(this.#hedged);
    else if (tag === TRY_TIMER) this.#onTryTimeout('try-timeout', 'upstream_per_try_timeout');
    else if (tag === TRY_IDLE_TIMER) this.#onTryTimeout('try-idle-timeout', 'upstream_per_try_idle_timeout');
    else this.#onRouteTimeout();
  }

  #onRouteTimeout(): void {
    // Each try that is under way has timed out.
    const others = (this.#hedged?.waiting ?? 0) - (this.#attempt === undefined ? 1 : 0);
    for (let i = 0; i < others; i++) this.#cluster.countResponse(504, this.#elapsedMs());
    this.#abandon('timeout');
    this.#hedged?.cancel();
    this.#retries?.end();
    this.#finishWith(new ProxyError('upstream-timeout', 'upstream', 'response_timeout'));
  }

  #onTryTimeout(outcome: Outcome, detail: string): void {
    if (this.#attempt === undefined) return;
    this.#rememberHost(this.#attempt.endpoint);
    this.#abandon(outcome);
    this.#fail(new ProxyError('per-try-timeout', 'upstream', detail));
  }

  /** The try goes on, and where another may be made it will race this one: whatever the policy retries, as in Envoy. */
  #hedge(hedged: HedgedTries): void {
    if (this.#attempt === undefined || this.#responded) return;
    hedged.report('try-timeout');
    this.#rememberHost(this.#attempt.endpoint);
    if (this.#retries?.policy.settings.retryOn === 0 || !this.#scheduleRetry()) return;
    hedged.outrun();
    this.#attempt = undefined;
  }

  /** Another try may still answer. */
  #othersWait(): boolean {
    if (this.#hedged === undefined) return false;
    return this.#hedged.waiting > 0 || this.#attempt !== undefined || this.#retries!.due;
  }

  onRivalHead(rival: HedgedTry, head: ResponseHead, endStream: boolean): void {
    this.#hedged!.remove(rival);
    const { attempt } = rival;
    if (this.#retries!.policy.retriesResponse(head) && this.#othersWait()) {
      if (!endStream) attempt.cancel();
      return;
    }
    this.#abandon('cancelled');
    this.#hedged!.win(rival);
    this.#attempt = attempt;
    this.#noteEndpoint(attempt.endpoint);
    this.onAttemptReady(rival.localAddress, rival.tls);
    this.#accept(head, endStream, attempt);
  }

  onRivalError(rival: HedgedTry, error: ProxyError): void {
    this.#hedged!.remove(rival);
    this.#finishWith(error);
  }

  /** How a try ended, of which its endpoint has not heard yet. */
  #report(attempt: Attempt, outcome: Outcome): void {
    if (this.#hedged === undefined) attempt.endpoint.done(outcome);
    else this.#hedged.report(outcome);
  }

  #abandon(outcome: Outcome): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.#attempt = undefined;
    attempt.cancel();
    if (!this.#responded) this.#report(attempt, outcome);
  }

  // --- failures and retries

  /** A try failed without a response head; another one, or the end. */
  #fail(error: ProxyError): void {
    this.#tryTimer?.cancel();
    this.#tryIdleTimer?.cancel();
    if (this.#retries?.policy.retriesFailure(error, this.#attemptReady) === true && this.#scheduleRetry()) return;
    this.#finishWith(error);
  }

  /** The end, unless another try may still answer. */
  #finishWith(error: ProxyError): void {
    const { info } = this.#stream;
    if (error.source === 'upstream' && error.cause !== undefined) info.upstreamFailure = messageOf(error.cause);
    info.overloaded = error.kind === 'overflow' && !this.#routing.quiet;
    if (this.#stream.responseStarted) {
      this.#stream.abortResponse(error);
      return;
    }
    this.#cluster.countResponse(countedStatus(error), this.#elapsedMs());
    if (!this.#othersWait()) this.#stream.failStream(error);
  }

  /** False when policy, replay buffer or circuit breaker say no. `head` is the response that asks for it. */
  #scheduleRetry(head?: ResponseHead): boolean {
    if (this.#retries === undefined || this.#stream.responseStarted || this.#replay === undefined) return false;
    return this.#retries.schedule(head);
  }

  /** Its back-off is over. */
  onRetry(): void {
    const held = this.#replay?.peek();
    if (held === undefined) return;
    this.#cluster.countRetry('retry');
    const { chunks, ended, trailers } = held;
    const headOnly = this.#stream.requestComplete && chunks.length === 0 && trailers === undefined;
    this.#try(headOnly);
    for (let i = 0; i < chunks.length && this.#attempt !== undefined; i++) {
      this.#attempt.sendData(chunks[i]!, ended && trailers === undefined && i === chunks.length - 1);
    }
    if (trailers !== undefined) this.#attempt?.sendTrailers(trailers);
  }

  #rememberHost(endpoint: Endpoint): void {
    if (this.#retries === undefined) return;
    this.#hosts ??= this.#newHosts();
    this.#hosts.add(endpoint);
  }

  #newHosts(): RetryHosts {
    return new RetryHosts(this.#retries?.policy.settings ?? ANY_HOST, this.#routing.wishes);
  }

  // --- the response, from upstream

  onAttemptReady(localAddress: string, tls: TlsInfo | undefined): void {
    this.#attemptReady = true;
    const info = this.#stream.info;
    info.upstreamLocalAddress = localAddress;
    info.upstreamTls = tls;
    info.upstreamSentMs = this.#stream.clock.nowMs();
  }

  onRequestDrain(): void {
    this.#stream.resumeRequestBody();
  }

  onInformational(head: ResponseHead): void {
    this.#stream.respondInformational(head);
  }

  onResponseHead(head: ResponseHead, endStream: boolean): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.#tryTimer?.cancel();
    this.#stream.info.upstreamFirstByteMs = this.#stream.clock.nowMs();
    const unwanted = this.#retries?.policy.retriesResponse(head) === true;
    if (unwanted) {
      this.#rememberHost(attempt.endpoint);
      if (this.#scheduleRetry(head) || (this.#hedged?.waiting ?? 0) > 0) {
        if (!endStream) attempt.cancel();
        this.#report(attempt, outcomeOfHead(head, this.#stream.request));
        this.#attempt = undefined;
        return;
      }
    }
    if (!unwanted) this.#retries?.succeed();
    this.#accept(head, endStream, attempt);
  }

  /** This response is the request's: it goes to the client, or elsewhere. */
  #accept(head: ResponseHead, endStream: boolean, attempt: Attempt): void {
    if (!this.#redirects(head, attempt)) this.#begin(head, endStream, attempt);
  }

  /** True when another request has begun in this one's place: this one is closed by then. */
  #redirects(head: ResponseHead, attempt: Attempt): boolean {
    const policy = this.#routing.action.redirects;
    if (policy?.concerns(head.status) !== true) return false;
    this.#responded = true;
    const followed = this.#routing.redirects.follow(this.#stream, policy, head, this.#replay?.peek());
    this.#cluster.countRedirect(followed);
    if (followed) this.#report(attempt, outcomeOfHead(head, this.#stream.request));
    return followed;
  }

  #begin(head: ResponseHead, endStream: boolean, attempt: Attempt): void {
    this.#responded = true;
    this.#replay = undefined;
    this.#retries?.end();
    this.#hedged?.cancel();
    const { info } = this.#stream;
    info.detail = 'via_upstream';
    this.#cluster.countResponse(head.status, this.#elapsedMs());
    this.#report(attempt, outcomeOfHead(head, this.#stream.request));
    this.#finishHead(head);
    if (endStream) this.#complete();
    else this.#touchTry();
    this.#stream.respondHead(head, endStream);
  }

  #finishHead(head: ResponseHead): void {
    const { headers } = head;
    const { info } = this.#stream;
    const { route, choice, quiet, hashCookie } = this.#routing;
    info.status = head.status;
    if (hashCookie !== undefined) headers.append('set-cookie', hashCookie);
    if (!quiet && this.#sentMs !== -1) tellServiceTime(headers, this.#elapsedMs());
    changeResponse(route, choice, head, info);
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    const attempt = this.#attempt;
    if (endStream) this.#complete();
    else this.#touchTry();
    if (!this.#stream.respondData(chunk, endStream)) attempt?.pauseBody();
  }

  onResponseTrailers(trailers: Headers): void {
    this.#complete();
    this.#stream.respondTrailers(trailers);
  }

  onResponseError(error: ProxyError): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt !== undefined && !this.#responded) {
      this.#rememberHost(attempt.endpoint);
      this.#report(attempt, outcomeOf(error));
    }
    this.#fail(error);
  }

  /** The try is over; a request that is still being sent loses its taker. */
  #complete(): void {
    this.#routeTimer?.cancel();
    this.#tryIdleTimer?.cancel();
    if (this.#stream.requestComplete) this.#attempt = undefined;
  }

  #elapsedMs(): number {
    const { info, clock } = this.#stream;
    return clock.nowMs() - (info.requestEndMs === -1 ? info.startMs : info.requestEndMs);
  }
}
