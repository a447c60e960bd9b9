// One request while it lives: takes what the codec reads, runs the filter chain over it,
// gives the response to the codec.
import type { Clock } from '../base/clock.ts';
import { ProxyError } from '../base/error.ts';
import { keep } from '../base/lent-buffer.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { RequestSink, ServerStream } from '../http/codec.ts';
import type { Headers } from '../http/headers.ts';
import { localReplyFor } from '../http/local-reply.ts';
import type { RequestHead } from '../http/message.ts';
import { ResponseHead } from '../http/message.ts';
import type { RedirectTrail } from '../route/internal-redirect.ts';
import type { ClusterChoice, RouteEntry } from '../route/route-entry.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';
import { StreamInfo } from '../telemetry/stream-info.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { LocalReply, RoutedStream } from './filter.ts';
import { errorReply, completeReply, replyHead } from './local-reply-head.ts';
import { RequestBuffer } from './request-buffer.ts';
import type { BodyWatcher, HeldRequest } from './request-buffer.ts';
import { ResponsePace } from './response-pace.ts';
import type { PacedStream } from './response-pace.ts';
import { changeReply, noteReplaced, noteRequest, noteRoute } from './route-note.ts';
import { StreamDeadlines } from './stream-deadlines.ts';
import type { TimedStream } from './stream-deadlines.ts';
import type { StreamOwner, StreamSettings } from './stream-settings.ts';
import { upgradeRefusal } from './upgrade-refusal.ts';

const NOT_PAUSED = -1;

/** See filter.ts for what filters may do with it. Calls after its end do nothing. */
export class Stream implements RoutedStream, RequestSink, TimedStream, PacedStream {
  readonly info: StreamInfo;
  request!: RequestHead;
  response: ResponseHead | undefined = undefined;
  requestComplete = false;
  responseStarted = false;
  redirects: RedirectTrail | undefined = undefined;
  readonly #settings: StreamSettings;
  #codec: ServerStream;
  #translated = false;
  readonly #owner: StreamOwner;
  readonly #state: unknown[];
  readonly #buffer: RequestBuffer;
  #route: RouteEntry | undefined = undefined;
  #routeKnown = false;
  #cluster: ClusterChoice | undefined = undefined;
  #clusterKnown = false;
  #pausedAt = NOT_PAUSED;
  #ended = false;
  #pace: ResponsePace | undefined = undefined;
  /** The request in this one's place, which hears from the codec in its stead. */
  #next: Stream | undefined = undefined;
  readonly #deadlines: StreamDeadlines;

  constructor(settings: StreamSettings, codec: ServerStream, owner: StreamOwner, connection: ConnectionInfo) {
    this.#settings = settings;
    this.#codec = codec;
    this.#owner = owner;
    this.#state = settings.chain.noState.slice();
    this.#buffer = new RequestBuffer(settings.bufferBytesMax);
    const nowMs = settings.clock.nowMs();
    this.info = new StreamInfo(connection, nowMs, settings.clock.wallMs());
    this.#deadlines = new StreamDeadlines(settings, this, nowMs);
    settings.onStreamStart(this.info);
  }

  get timers(): TimerWheel {
    return this.#settings.timers;
  }

  get clock(): Clock {
    return this.#settings.clock;
  }

  get random(): Random {
    return this.#settings.random;
  }

  get bufferBytesMax(): number {
    return this.#settings.bufferBytesMax;
  }

  get route(): RouteEntry | undefined {
    if (!this.#routeKnown) this.#takeRoute(this.#settings.matchRoute(this.request, this.info));
    return this.#route;
  }

  #takeRoute(route: RouteEntry | undefined): void {
    this.#route = route;
    this.#routeKnown = true;
    noteRoute(route, this.request, this.info, this.#settings.tracedWay);
    this.#deadlines.takeRoute(route, this.request);
  }

  get cluster(): string {
    return this.clusterChoice?.cluster ?? '';
  }

  get clusterChoice(): ClusterChoice | undefined {
    if (!this.#clusterKnown) {
      const action = this.route?.action;
      this.#cluster = action?.kind === 'forward' ? action.pickCluster(this.request, this.random.float()) : undefined;
      this.#clusterKnown = true;
      this.info.clusterName = this.#cluster?.cluster ?? '';
    }
    return this.#cluster;
  }

  translateResponse(translation: (codec: ServerStream) => ServerStream): void {
    this.#codec = translation(this.#codec);
    this.#translated = true;
  }

  clearRouteCache(): void {
    this.#routeKnown = false;
    this.#clusterKnown = false;
  }

  getState(index: number): unknown {
    return this.#state[index];
  }

  setState(index: number, value: unknown): void {
    this.#state[index] = value;
  }

  // --- the request, from the codec

  onRequestHead(head: RequestHead, endStream: boolean): void {
    this.request = head;
    this.info.request = head;
    if (endStream) this.#completeRequest();
    else this.#deadlines.awaitBody(head);
    const refused = this.#settings.prepareRequest(head, this.info) ?? upgradeRefusal(this, this.#settings);
    if (refused !== undefined) {
      this.failStream(refused);
      return;
    }
    if (head.expectContinue) this.#codec.sendInformational(new ResponseHead(100));
    this.#runHeads(0, endStream);
    this.#deadlines.endExpired();
  }

  onRequestData(chunk: Buffer, endStream: boolean): void {
    if (this.#ended) return;
    this.#deadlines.touch();
    this.info.bytesReceived += chunk.length;
    if (endStream) this.#completeRequest();
    if (this.#pausedAt === NOT_PAUSED && this.#buffer.empty) this.#runData(chunk, endStream);
    else if (!this.#buffer.add(chunk, endStream)) this.pauseRequestBody();
  }

  onRequestTrailers(trailers: Headers): void {
    if (this.#ended) return;
    this.#completeRequest();
    if (this.#pausedAt === NOT_PAUSED && this.#buffer.empty) this.#runTrailers(trailers);
    else this.#buffer.trailers = trailers;
  }

  onRequestError(error: ProxyError): void {
    this.#next?.onRequestError(error);
    if (this.#ended) return;
    if (error.kind === 'downstream-reset') {
      this.info.flags |= flagBit(localReplyFor(error).flag!);
      this.info.detail = error.detail;
      this.#end();
      return;
    }
    this.failStream(error);
  }

  onResponseDrain(): void {
    this.#next?.onResponseDrain();
    if (this.#ended) return;
    if (this.#pace === undefined) this.onPaceRoom();
    else this.#pace.resume();
  }

  onPaceRoom(): void {
    for (const filter of this.#settings.chain.responseDrain) filter.onResponseDrain(this);
  }

  // --- filters

  resumeRequest(): void {
    if (this.#ended || this.#pausedAt === NOT_PAUSED) return;
    const from = this.#pausedAt + 1;
    this.#pausedAt = NOT_PAUSED;
    this.#runHeads(from, this.requestComplete && this.#buffer.empty && this.#buffer.trailers === undefined);
    if (this.#pausedAt === NOT_PAUSED && !this.#ended) this.#replayBuffer();
  }

  /** Bytes that were held while a filter waited. */
  #replayBuffer(): void {
    const { chunks, ended, trailers } = this.#buffer.take();
    for (let i = 0; i < chunks.length && !this.#ended; i++) {
      this.#runData(chunks[i]!, ended && trailers === undefined && i === chunks.length - 1);
    }
    if (trailers !== undefined && !this.#ended) this.#runTrailers(trailers);
    if (!this.#ended && !this.requestComplete) this.#codec.resumeBody();
  }

  #runHeads(from: number, endStream: boolean): void {
    for (const filter of this.#settings.chain.requestHead) {
      if (filter.index < from) continue;
      const verdict = filter.onRequestHead(this, endStream);
      if (verdict === 'continue' && !this.#ended) continue;
      if (verdict === 'pause') this.#pausedAt = filter.index;
      return;
    }
  }

  #runData(chunk: Buffer, endStream: boolean): void {
    if (this.#settings.chain.holdsRequestData) keep(chunk);
    let bytes = chunk;
    for (const filter of this.#settings.chain.requestData) {
      const verdict = filter.onRequestData(this, bytes, endStream);
      if (verdict === 'replied' || this.#ended) return;
      if (verdict === 'continue') continue;
      bytes = verdict;
      if (bytes.length === 0 && !endStream) return;
    }
  }

  #runTrailers(trailers: Headers): void {
    for (const filter of this.#settings.chain.requestTrailers) {
      if (filter.onRequestTrailers(this, trailers) !== 'continue' || this.#ended) return;
    }
  }

  sendLocalReply(reply: LocalReply): void {
    if (this.#ended) return;
    this.info.flags |= reply.flags;
    this.info.detail = reply.detail;
    if (this.responseStarted) {
      this.abortResponse(new ProxyError('internal', 'internal', reply.detail));
      return;
    }
    const head = replyHead(reply);
    if (reply.plain !== true && this.#routeKnown) changeReply(this.#route, reply, this.clusterChoice, head, this.info);
    const body = completeReply(head, this.info.request, reply, this.#translated, this.info.grpc);
    this.respondHead(head, body === undefined);
    if (body !== undefined) this.respondData(body, true);
  }

  failStream(error: ProxyError): void {
    if (this.#ended) return;
    // A malformed request has no head.
    const reply = errorReply(error, this.info.attempts > 1, error.kind === 'path-redirect' ? this.request.path : '');
    if (reply.close) this.#owner.closeAfterResponse();
    this.sendLocalReply(reply);
  }

  // --- the response, from the router

  respondInformational(head: ResponseHead): void {
    // An expectation is met here and never sent on: an upstream's 100 answers nothing.
    if (!this.#ended && !this.responseStarted && head.status !== 100) this.#codec.sendInformational(head);
  }

  respondHead(head: ResponseHead, endStream: boolean): void {
    if (this.#ended || this.responseStarted) return;
    this.#deadlines.touch();
    this.response = head;
    this.info.response = head;
    this.info.status = head.status;
    this.info.responseStartMs = this.#deadlines.lastActiveMs;
    // A malformed request has no head that filters could look at: they are left out, as in Envoy.
    if (this.info.request !== undefined) this.#settings.chain.onResponseHead(this, head, endStream);
    this.#settings.prepareResponse(head, this.info);
    this.responseStarted = true;
    this.#owner.onResponseStart();
    this.#codec.sendResponseHead(head, endStream);
    if (endStream) this.#end();
  }

  watchBody(bytesMax: number, watcher: BodyWatcher): void {
    this.#buffer.watch(bytesMax, watcher);
  }

  paceResponse(kibPerSecond: number): void {
    this.#pace = new ResponsePace(kibPerSecond, this);
  }

  respondData(chunk: Buffer, endStream: boolean): boolean {
    if (this.#ended) return true;
    return this.#pace === undefined ? this.sendPaced(chunk, endStream) : this.#pace.take(chunk, endStream);
  }

  sendPaced(chunk: Buffer, endStream: boolean): boolean {
    this.#deadlines.touch();
    this.info.bytesSent += chunk.length;
    if (this.info.request !== undefined) {
      const { responseData, holdsResponseData } = this.#settings.chain;
      if (holdsResponseData) keep(chunk);
      for (const filter of responseData) filter.onResponseData(this, chunk, endStream);
    }
    const room = this.#codec.sendResponseData(chunk, endStream);
    if (endStream) this.#end();
    return room;
  }

  respondTrailers(trailers: Headers): void {
    if (this.#ended) return;
    if (this.#pace === undefined) this.sendPacedTrailers(trailers);
    else this.#pace.takeTrailers(trailers);
  }

  sendPacedTrailers(trailers: Headers): void {
    this.info.responseTrailers = trailers;
    for (const filter of this.#settings.chain.responseTrailers) filter.onResponseTrailers(this, trailers);
    this.#codec.sendResponseTrailers(trailers);
    this.#end();
  }

  abortResponse(error: ProxyError): void {
    if (this.#ended) return;
    const { flag } = localReplyFor(error);
    if (flag !== undefined) this.info.flags |= flagBit(flag);
    this.info.detail = error.detail;
    this.#codec.resetStream(error);
    this.#end();
  }

  pauseRequestBody(): void {
    if (!this.requestComplete) this.#codec.pauseBody();
  }

  resumeRequestBody(): void {
    if (!this.requestComplete) this.#codec.resumeBody();
  }

  // --- another request in this one's place

  get replaceable(): boolean {
    return this.requestComplete && !this.responseStarted && !this.#ended && !this.#translated;
  }

  routeOf(request: RequestHead): RouteEntry | undefined {
    if (this.#settings.normalize(request, this.info.connection.localPort) !== undefined) return undefined;
    return this.#settings.matchRoute(request, this.info);
  }

  replace(
    response: ResponseHead, request: RequestHead, route: RouteEntry, redirects: RedirectTrail, body: HeldRequest,
  ): void {
    noteReplaced(this.info, response, request, route);
    this.#finish();
    const next = new Stream(this.#settings, this.#codec, this.#owner, this.info.connection);
    this.#next = next;
    this.#owner.onReplace();
    next.#begin(this.info, request, route, redirects, body);
  }

  /** As onRequestHead and onRequestData, but for what the connection manager does once for a client's request. */
  #begin(
    before: StreamInfo, request: RequestHead, route: RouteEntry, redirects: RedirectTrail,
    { chunks, trailers }: HeldRequest,
  ): void {
    this.request = request;
    this.redirects = redirects;
    noteRequest(this.info, before, request);
    this.#settings.startTrace(request, this.info);
    this.#completeRequest();
    this.#takeRoute(route);
    this.#runHeads(0, chunks.length === 0 && trailers === undefined);
    this.#deadlines.endExpired();
    chunks.forEach((chunk, i) => this.onRequestData(chunk, trailers === undefined && i === chunks.length - 1));
    if (trailers !== undefined) this.onRequestTrailers(trailers);
  }

  timeOut(error: ProxyError): void {
    if (this.responseStarted) this.abortResponse(error);
    else this.failStream(error);
  }

  #completeRequest(): void {
    this.requestComplete = true;
    this.#deadlines.requestArrived();
    this.info.requestEndMs = this.#settings.clock.nowMs();
  }

  #end(): void {
    if (this.#ended) return;
    this.#finish();
    this.#owner.onStreamDone();
  }

  #finish(): void {
    this.#ended = true;
    this.#deadlines.cancel();
    this.#pace?.cancel();
    this.info.endMs = this.#settings.clock.nowMs();
    this.#buffer.clear();
    if (this.info.request !== undefined) for (const filter of this.#settings.chain.complete) filter.onComplete(this);
    this.#settings.onStreamEnd(this.info);
  }
}
