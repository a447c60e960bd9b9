// The ext_authz filter: asks a service about each request, which waits for the answer (envoy.filters.http.ext_authz).
import { ProxyError } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import type { ExtAuthz } from '../config/external-authorization.ts';
import type { ResponseHead } from '../http/message.ts';
import type { AccessDecisions } from '../telemetry/decision-sink.ts';
import { addMetadata } from '../telemetry/dynamic-metadata.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { NodeFacts } from '../telemetry/workload.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import { applyWords, changeQuery, isSendable, removeNames } from './ext-authz-answer.ts';
import type { AuthAnswer } from './ext-authz-answer.ts';
import { ExtAuthzStats } from './ext-authz-stats.ts';
import { checkHeaders } from './ext-authz-facts.ts';
import type { HeldBody } from './ext-authz-facts.ts';
import { denialReply } from './ext-authz-denial.ts';
import { startCheck } from './ext-authz-service.ts';
import type { RunningCheck } from './ext-authz-service.ts';
import { ExtAuthzRouteSettings } from './ext-authz-per-route.ts';
import type { BodyWish } from './ext-authz-per-route.ts';
import { ExtAuthzSettings } from './ext-authz-settings.ts';
import type { FilterStream, HttpFilter, LocalReply, Verdict } from './filter.ts';
import type { BodyWatcher, HeldRequest } from './request-buffer.ts';
import { routeFilterConfig } from './route-filter-lookup.ts';

/** Of what the service says beside. */
const NAMESPACE = 'envoy.filters.http.ext_authz';
const FAILURE_ALLOWED = 'x-envoy-auth-failure-mode-allowed';
const NO_EXTENSIONS: ReadonlyMap<string, string> = new Map();

export interface ExtAuthzDeps {
  readonly clusters: ClusterSet;
  readonly random: Random;
  readonly stats: Stats;
  readonly node: NodeFacts;
  readonly decisions: AccessDecisions;
  /** `http.<stat_prefix>.` */
  readonly scope: StatScope;
}

/** What the checks of one filter share. */
interface Shared {
  readonly name: string;
  readonly settings: ExtAuthzSettings;
  readonly clusters: ClusterSet;
  readonly stats: ExtAuthzStats;
  readonly decisions: AccessDecisions;
}

export class ExtAuthzFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #shared: Shared;
  readonly #random: Random;

  /** Throws ConfigError below `path`. */
  constructor(name: string, config: ExtAuthz, deps: ExtAuthzDeps, path: string) {
    this.name = name;
    this.#random = deps.random;
    this.#shared = {
      name, settings: new ExtAuthzSettings(config, deps.node, path), clusters: deps.clusters,
      stats: new ExtAuthzStats(deps.stats, deps.scope, config.statPrefix ?? ''), decisions: deps.decisions,
    };
  }

  onRequestHead(stream: FilterStream, endStream: boolean): Verdict {
    const found = routeFilterConfig(stream, this.name);
    const own = found instanceof ExtAuthzRouteSettings ? found : undefined;
    if (own?.disabled === true) return 'continue';
    const { settings, stats } = this.#shared;
    if (!this.#judges(stream)) {
      stats.disabled.inc();
      if (!settings.deniesUnjudged) return 'continue';
      this.#shared.decisions.deny(this.name, settings.errorReply.detail, stream.info);
      stream.sendLocalReply(settings.errorReply);
      return 'replied';
    }
    const wish = endStream || own?.withoutBody === true ? undefined : own?.body ?? settings.body;
    const check = new Check(this.#shared, stream, own?.extensions ?? NO_EXTENSIONS, hasEnd(stream) ? wish : undefined);
    stream.setState(this.index, check);
    return check.begin();
  }

  onResponseHead(stream: FilterStream, head: ResponseHead): void {
    (stream.getState(this.index) as Check | undefined)?.tell(head);
  }

  onComplete(stream: FilterStream): void {
    (stream.getState(this.index) as Check | undefined)?.cancel();
  }

  #judges({ info }: FilterStream): boolean {
    const { enabledShare: share, enabledWhere } = this.#shared.settings;
    if (share < 1 && !(share > 0 && this.#random.float() < share)) return false;
    return enabledWhere === undefined || enabledWhere.holds(info);
  }
}

/** What becomes bytes both ways has a body without an end. */
function hasEnd({ request }: FilterStream): boolean {
  return request.upgrade === undefined && request.method !== 'CONNECT';
}

/** One request's, from its head to its end. */
class Check implements BodyWatcher {
  readonly #shared: Shared;
  readonly #stream: FilterStream;
  readonly #extensions: ReadonlyMap<string, string>;
  readonly #wish: BodyWish | undefined;
  #asked = false;
  #call: RunningCheck | undefined = undefined;
  /** Undefined until the answer is there, or there will be none. */
  #verdict: Verdict | undefined = undefined;
  #waits = false;
  #answer: AuthAnswer | undefined = undefined;

  constructor(
    shared: Shared, stream: FilterStream, extensions: ReadonlyMap<string, string>, wish: BodyWish | undefined,
  ) {
    this.#shared = shared;
    this.#stream = stream;
    this.#extensions = extensions;
    this.#wish = wish;
  }

  begin(): Verdict {
    if (this.#wish === undefined) this.#ask(undefined);
    else this.#stream.watchBody(this.#wish.bytesMax, this);
    if (this.#verdict !== undefined) return this.#verdict;
    this.#waits = true;
    return 'pause';
  }

  onHeld(held: HeldRequest, bytes: number, complete: boolean): void {
    const wish = this.#wish;
    if (this.#asked || wish === undefined) return;
    if (bytes > wish.bytesMax && !wish.partial) {
      this.#asked = true;
      this.#stream.failStream(new ProxyError('payload-too-large', 'downstream', 'request_payload_too_large'));
    } else if (complete || (wish.partial && bytes >= wish.bytesMax)) {
      const whole = Buffer.concat(held.chunks);
      this.#ask({ bytes: whole.subarray(0, wish.bytesMax), partial: bytes > wish.bytesMax });
    }
  }

  cancel(): void {
    this.#asked = true;
    this.#call?.cancel();
  }

  tell(head: ResponseHead): void {
    if (this.#answer !== undefined) applyWords(head.headers, this.#answer.responseHeaders);
  }

  #ask(body: HeldBody | undefined): void {
    this.#asked = true;
    const { settings, clusters } = this.#shared;
    const { request } = this.#stream;
    const facts = {
      headers: checkHeaders(request, settings, body), body: body?.bytes, extensions: this.#extensions,
    };
    const onAnswer = (answer: AuthAnswer | undefined): void => this.#settle(this.#judge(answer));
    this.#call = startCheck(settings, clusters, this.#stream, facts, onAnswer);
    if (this.#call === undefined) this.#settle(this.#fail());
  }

  #settle(verdict: Verdict): void {
    this.#verdict = verdict;
    if (this.#waits && verdict === 'continue') this.#stream.resumeRequest();
  }

  #judge(answer: AuthAnswer | undefined): Verdict {
    if (answer === undefined) return this.#fail();
    const { settings } = this.#shared;
    if (answer.allows && settings.validates && !isValid(answer)) return this.#invalid();
    if (answer.metadata !== undefined && settings.takesMetadata) {
      addMetadata(this.#stream.info, NAMESPACE, answer.metadata);
    };
    return answer.allows ? this.#allow(answer) : this.#deny(answer);
  }

  #allow(answer: AuthAnswer): Verdict {
    const { settings, stats, clusters } = this.#shared;
    const { request } = this.#stream;
    stats.count('ok', clusters.get(this.#stream.cluster));
    const changes = answer.headers.length + answer.removed.length + answer.querySet.length + answer.queryRemoved.length;
    if (changes > 0) {
      applyWords(request.headers, answer.headers);
      removeNames(request.headers, answer.removed);
      request.path = changeQuery(request.path, answer);
      if (settings.clearsRoute) this.#stream.clearRouteCache();
    }
    this.#answer = answer;
    return 'continue';
  }

  #deny(answer: AuthAnswer): Verdict {
    const { settings, stats, clusters } = this.#shared;
    const cluster = clusters.get(this.#stream.cluster);
    stats.count('denied', cluster);
    const reply = denialReply(answer, settings.bodyCharactersMax);
    if (settings.chargesCluster) cluster?.countResponse(reply.status, undefined);
    if (settings.validates && !isValid(answer)) return this.#invalid();
    return this.#reply(reply);
  }

  #invalid(): Verdict {
    const { stats, settings, clusters } = this.#shared;
    stats.count('invalid', clusters.get(this.#stream.cluster));
    return this.#reply(settings.invalidReply);
  }

  #fail(): Verdict {
    const { settings, stats, clusters } = this.#shared;
    const cluster = clusters.get(this.#stream.cluster);
    stats.count('error', cluster);
    if (!settings.failsOpen || this.#stream.request.method === 'CONNECT') return this.#reply(settings.errorReply);
    stats.count('failure_mode_allowed', cluster);
    if (settings.tellsFailure) this.#stream.request.headers.append(FAILURE_ALLOWED, 'true');
    return 'continue';
  }

  #reply(reply: LocalReply): Verdict {
    const { decisions, name } = this.#shared;
    const { info } = this.#stream;
    decisions.deny(name, reply.detail, info);
    this.#stream.sendLocalReply(reply);
    return 'replied';
  }
}

function isValid({ headers, responseHeaders, querySet }: AuthAnswer): boolean {
  return headers.every(isSendable) && responseHeaders.every(isSendable)
    && querySet.every((text) => !/[^!-~]/.test(text));
}
