// The gRPC statistics filter: calls by status, and messages in both directions.
import type { GrpcStats } from '../config/grpc-stats.ts';
import type { Headers } from '../http/headers.ts';
import type { ResponseHead } from '../http/message.ts';
import type { GrpcCallStats } from '../telemetry/grpc-call-stats.ts';
import { isGrpc, isGrpcResponse } from '../telemetry/grpc-status.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { BodyVerdict, FilterStream, HttpFilter, Verdict } from './filter.ts';
import { GrpcCallCounters, methodKey } from './grpc-call-counters.ts';
import type { GrpcCountersDeps, ToldApart } from './grpc-call-counters.ts';
import { GrpcFrames } from './grpc-frames.ts';

/** One call; without counters where its path or cluster is none, but its messages are counted all the same. */
class Call {
  readonly stats: GrpcCallStats | undefined;
  readonly requests = new GrpcFrames();
  readonly responses = new GrpcFrames();
  answered = false;
  /** The response ended as gRPC's do: by trailers, or by a head that is all. */
  ended = false;

  constructor(stats: GrpcCallStats | undefined) {
    this.stats = stats;
  }
}

/** envoy.extensions.filters.http.grpc_stats.v3.FilterConfig. */
export class GrpcStatsFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly borrows = true;
  readonly #counters: GrpcCallCounters;
  readonly #toldApart: ToldApart;
  readonly #emits: boolean;
  readonly #timesUpstream: boolean;

  constructor(name: string, config: GrpcStats, deps: GrpcCountersDeps) {
    this.name = name;
    this.#toldApart = config.statsForAllMethods === true ? 'every' : namesOf(config);
    this.#counters = new GrpcCallCounters(deps, 'grpc', config.replaceDotsInGrpcServiceName === true
      && this.#toldApart === 'every' ? '_' : '.');
    this.#emits = config.emitFilterState ?? false;
    this.#timesUpstream = config.enableUpstreamStats ?? false;
  }

  onRequestHead(stream: FilterStream): Verdict {
    if (isGrpc(stream.request)) stream.setState(this.index, new Call(this.#counters.of(stream, this.#toldApart)));
    return 'continue';
  }

  onRequestData(stream: FilterStream, chunk: Buffer): BodyVerdict {
    const call = this.#callOf(stream);
    const count = call?.requests.read(chunk) ?? 0;
    if (call === undefined || count === 0) return 'continue';
    call.stats?.requestMessages(count);
    this.#note(call, stream.info);
    return 'continue';
  }

  onResponseHead(stream: FilterStream, head: ResponseHead, endStream: boolean): void {
    const call = this.#callOf(stream);
    if (call === undefined) return;
    call.answered = isGrpcResponse(head, endStream);
    call.ended = endStream;
    countStatus(call, head.headers);
  }

  onResponseData(stream: FilterStream, chunk: Buffer): void {
    const call = this.#callOf(stream);
    if (call === undefined || !call.answered) return;
    const count = call.responses.read(chunk);
    if (count === 0) return;
    call.stats?.responseMessages(count);
    this.#note(call, stream.info);
  }

  onResponseTrailers(stream: FilterStream, trailers: Headers): void {
    const call = this.#callOf(stream);
    if (call === undefined) return;
    call.ended = true;
    countStatus(call, trailers);
  }

  onComplete(stream: FilterStream): void {
    const call = this.#callOf(stream);
    if (!this.#timesUpstream || call?.stats === undefined || !call.ended) return;
    const { upstreamFirstByteMs, upstreamSentMs, requestEndMs, endMs } = stream.info;
    if (upstreamFirstByteMs === -1) return;
    call.stats.requestTime(Math.max(0, endMs - Math.max(upstreamSentMs, requestEndMs)));
  }

  #note(call: Call, info: StreamInfo): void {
    if (!this.#emits) return;
    const messages = (info.grpcMessages ??= { requests: 0, responses: 0 });
    messages.requests = call.requests.count;
    messages.responses = call.responses.count;
  }

  #callOf(stream: FilterStream): Call | undefined {
    return stream.getState(this.index) as Call | undefined;
  }
}

function countStatus({ stats }: Call, headers: Headers): void {
  const status = stats === undefined ? undefined : headers.get('grpc-status');
  if (status !== undefined) stats!.ended(status);
}

function namesOf({ individualMethodStatsAllowlist }: GrpcStats): ReadonlySet<string> {
  const services = individualMethodStatsAllowlist?.services ?? [];
  return new Set(services.flatMap(({ name, methodNames }) => methodNames.map((method) => methodKey({ service: name,
    method }))));
}
