// The global rate limit filter: asks a service about each request, which waits for the answer.
import { ProxyError } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import type { GlobalRateLimit } from '../config/global-rate-limit.ts';
import { isToken } from '../http/char-class.ts';
import { Headers } from '../http/headers.ts';
import type { ResponseHead } from '../http/message.ts';
import { FRAMING } from '../route/header-operations.ts';
import { describeAll, describeRoute } from '../route/rate-limit-rule.ts';
import type { Descriptor } from '../route/rate-limit-rule.ts';
import type { RouteEntry } from '../route/route-entry.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { NodeFacts } from '../telemetry/workload.ts';
import type { Cluster, ClusterSet } from '../upstream/upstream.ts';
import type { FilterStream, HttpFilter, LocalReply, Verdict } from './filter.ts';
import { GlobalRateLimitSettings, RateLimitCounters } from './global-rate-limit-settings.ts';
import { GrpcCall } from './grpc-call.ts';
import type { GrpcCallSink } from './grpc-call.ts';
import { decodeAnswer, encodeRequest } from './rate-limit-messages.ts';
import type { RateLimitAnswer } from './rate-limit-messages.ts';
import { RateLimitRouteSettings } from './rate-limit-per-route.ts';
import { limitHeaders } from './rate-limit-headers.ts';

export interface GlobalRateLimitDeps {
  readonly clusters: ClusterSet;
  readonly random: Random;
  readonly stats: Stats;
  readonly node: NodeFacts;
}

/** envoy.extensions.filters.http.ratelimit.v3.RateLimit. */
export class GlobalRateLimitFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #settings: GlobalRateLimitSettings;
  readonly #deps: GlobalRateLimitDeps;
  readonly #statPrefix: string;
  readonly #counters = new WeakMap<Cluster, RateLimitCounters>();

  /** Throws ConfigError below `path`. */
  constructor(name: string, config: GlobalRateLimit, deps: GlobalRateLimitDeps, path: string) {
    this.name = name;
    this.#settings = new GlobalRateLimitSettings(config, path);
    this.#deps = deps;
    this.#statPrefix = config.statPrefix ?? '';
  }

  onRequestHead(stream: FilterStream): Verdict {
    const settings = this.#settings;
    const { route } = stream;
    if (route?.action.kind !== 'forward' || !this.#draws(settings.enabledShare)) return 'continue';
    if (!concernsType(settings.requestType, stream)) return 'continue';
    const cluster = this.#deps.clusters.get(stream.cluster);
    if (cluster === undefined) return 'continue';
    const own = route.perFilterConfig.get(this.name);
    const perRoute = own instanceof RateLimitRouteSettings ? own : undefined;
    const descriptors = this.#describe(stream, route, perRoute);
    if (descriptors.length === 0) return 'continue';
    const question = new Question(settings, stream, this.#countersOf(cluster), this.#draws(settings.enforcedShare));
    stream.setState(this.index, question);
    return question.ask(this.#deps.clusters, encodeRequest(perRoute?.domain || settings.domain, descriptors));
  }

  onResponseHead(stream: FilterStream, { headers }: ResponseHead): void {
    (stream.getState(this.index) as Question | undefined)?.tell(headers);
  }

  onComplete(stream: FilterStream): void {
    (stream.getState(this.index) as Question | undefined)?.cancel();
  }

  #describe(
    stream: FilterStream, { action }: RouteEntry, perRoute: RateLimitRouteSettings | undefined,
  ): readonly Descriptor[] {
    const { stage } = this.#settings;
    const rules = perRoute?.rules ?? this.#settings.rules;
    const ownCluster = this.#deps.node.cluster;
    if (rules !== undefined) return describeAll(rules, stage, stream, ownCluster);
    const limits = action.kind === 'forward' ? action.rateLimits : undefined;
    return describeRoute(limits, perRoute?.host ?? 'OVERRIDE', stage, stream, ownCluster);
  }

  #countersOf(cluster: Cluster): RateLimitCounters {
    let counters = this.#counters.get(cluster);
    if (counters === undefined) {
      counters = new RateLimitCounters(this.#deps.stats, cluster.statScope, this.#statPrefix);
      this.#counters.set(cluster, counters);
    }
    return counters;
  }

  #draws(share: number): boolean {
    return share >= 1 || (share > 0 && this.#deps.random.float() < share);
  }
}

function concernsType(type: string, { request }: FilterStream): boolean {
  return type === 'both' || (type === 'internal') === (request.headers.get('x-envoy-internal') === 'true');
}

/** One request's, from its head to its end. */
class Question implements GrpcCallSink {
  readonly #settings: GlobalRateLimitSettings;
  readonly #stream: FilterStream;
  readonly #counters: RateLimitCounters;
  readonly #enforced: boolean;
  #call: GrpcCall | undefined = undefined;
  /** Undefined until the answer is there, or there will be none. */
  #verdict: Verdict | undefined = undefined;
  #waits = false;
  #answer: RateLimitAnswer | undefined = undefined;
  #refused = false;

  constructor(
    settings: GlobalRateLimitSettings, stream: FilterStream, counters: RateLimitCounters, enforced: boolean,
  ) {
    this.#settings = settings;
    this.#stream = stream;
    this.#counters = counters;
    this.#enforced = enforced;
  }

  ask(clusters: ClusterSet, message: Uint8Array): Verdict {
    const { cluster: name, target, metadata } = this.#settings;
    const cluster = clusters.get(name);
    if (cluster === undefined) return this.#fail();
    const headers = new Headers();
    metadata?.apply(headers, this.#stream.info);
    this.#call = new GrpcCall(cluster, target, this.#stream.timers, this);
    this.#call.start(target, headers, message);
    if (this.#verdict !== undefined) return this.#verdict;
    this.#waits = true;
    return 'pause';
  }

  cancel(): void {
    this.#call?.cancel();
  }

  onCallDone(outcome: Buffer | ProxyError): void {
    const answer = outcome instanceof ProxyError ? undefined : decodeAnswer(outcome);
    const verdict = answer === undefined ? this.#fail() : this.#judge(answer);
    this.#verdict = verdict;
    if (this.#waits && verdict === 'continue') this.#stream.resumeRequest();
  }

  tell(headers: Headers): void {
    const answer = this.#answer;
    if (answer === undefined) return;
    const { tellsLimits, tellsLimited, responseHeaders } = this.#settings;
    for (let i = 0; i < answer.responseHeaders.length; i += 2) {
      addHeader(headers, answer.responseHeaders[i]!, answer.responseHeaders[i + 1]!, this.#refused);
    }
    if (tellsLimits) limitHeaders(headers, answer.statuses);
    if (answer.overLimit && tellsLimited) headers.append('x-envoy-ratelimited', 'true');
    if (this.#refused) responseHeaders?.apply(headers, this.#stream.info);
  }

  #judge(answer: RateLimitAnswer): Verdict {
    this.#answer = answer;
    (answer.overLimit ? this.#counters.overLimit : this.#counters.ok).inc();
    if (answer.overLimit && this.#enforced) {
      this.#refused = true;
      return this.#reply({ ...this.#settings.refusal, body: answer.body });
    }
    const { headers } = this.#stream.request;
    for (let i = 0; i < answer.requestHeaders.length; i += 2) {
      addHeader(headers, answer.requestHeaders[i]!, answer.requestHeaders[i + 1]!, false);
    }
    return 'continue';
  }

  #fail(): Verdict {
    this.#counters.error.inc();
    if (this.#settings.deniesOnError) return this.#reply(this.#settings.errorReply);
    this.#counters.failureModeAllowed.inc();
    return 'continue';
  }

  #reply(reply: LocalReply): Verdict {
    this.#stream.sendLocalReply(reply);
    return 'replied';
  }
}

/** The service's word on framing is not heard; of a refusal's body it says the type. */
function addHeader(headers: Headers, name: string, value: string, replaces: boolean): void {
  if (!isToken(name) || name === 'host' || FRAMING.has(name)) return;
  if (replaces && name === 'content-type') headers.set(name, value);
  else headers.append(name, value);
}
