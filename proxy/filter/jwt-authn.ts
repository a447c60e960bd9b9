// The token filter: requests have the tokens that their rule asks for, verified, or are refused
// (envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication).
import type { Clock } from '../base/clock.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { JwtAuthentication, JwtProvider, RemoteJwks } from '../config/jwt-authn.ts';
import type { RequestHead } from '../http/message.ts';
import { pathEnd } from '../route/path-match.ts';
import { RequestMatch } from '../route/request-match.ts';
import type { AccessDecisions } from '../telemetry/decision-sink.ts';
import { addMetadata } from '../telemetry/dynamic-metadata.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import type { FilterStream, HttpFilter, LocalReply, Verdict } from './filter.ts';
import type { KeySource, KeyWaiter } from './jwks-source.ts';
import { RemoteKeys } from './jwks-source.ts';
import type { JwtFailure } from './jwt-failure.ts';
import { VerifyBudget } from './jwt-memory.ts';
import { JwtRouteSettings } from './jwt-per-route.ts';
import type { JwtCounters, Moment } from './jwt-provider.ts';
import { TokenProvider } from './jwt-provider.ts';
import { refusal, unknownRequirement } from './jwt-refusal.ts';
import type { Providers, TokenCheck, TokenRequirement } from './jwt-requirement.ts';
import { compileRequirement } from './jwt-requirement.ts';
import type { Jwt } from './jwt-token.ts';
import { parseJwt, textClaim } from './jwt-token.ts';
import { routeFilterConfig } from './route-filter-lookup.ts';

/** Namespace of what the filter says of a request, as in Envoy. */
const METADATA = 'envoy.filters.http.jwt_authn';
/** Fetched key sets of a worker; where there are more, the one that was named first is forgotten. */
const SOURCES_MAX = 256;

export interface JwtAuthnDeps {
  readonly clusters: ClusterSet;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly stats: Stats;
  readonly decisions: AccessDecisions;
  readonly scope: StatScope;
  /** What filters keep from one configuration to the next. */
  readonly kept: Map<string, unknown>;
}

interface Rule {
  readonly match: RequestMatch;
  /** Undefined: nothing is required. */
  readonly requirement: TokenRequirement | undefined;
}

export class JwtAuthnFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #providers: Providers;
  readonly #rules: readonly Rule[];
  readonly #named: ReadonlyMap<string, TokenRequirement>;
  readonly #spares: boolean;
  readonly #strips: boolean;
  readonly #allowed: Counter;
  readonly #denied: Counter;
  readonly #preflights: Counter;
  /** Some keys are fetched, so that a request may have to wait. */
  readonly #fetches: boolean;
  readonly #decisions: AccessDecisions;

  /** Throws ConfigError below `path`. */
  constructor(name: string, config: JwtAuthentication, deps: JwtAuthnDeps, path: string) {
    this.name = name;
    this.#decisions = deps.decisions;
    const counter = (stat: string): Counter => deps.stats.counter(statName(deps.scope, `jwt_authn.${stat}`));
    this.#providers = compileProviders(config, deps, counter, path);
    this.#named = new Map(Object.entries(config.requirementMap ?? {}).map(([key, requirement]) =>
      [key, compileRequirement(requirement, this.#providers, `${path}.requirementMap[${JSON.stringify(key)}]`)]));
    this.#rules = (config.rules ?? []).map(({ match, requires, requirementName }, i) => ({
      match: new RequestMatch(match, `${path}.rules[${i}].match`),
      requirement: requires === undefined ? this.#named.get(requirementName ?? '')
        : compileRequirement(requires, this.#providers, `${path}.rules[${i}].requires`),
    }));
    this.#spares = config.bypassCorsPreflight === true;
    this.#strips = config.stripFailureResponse === true;
    this.#allowed = counter('allowed');
    this.#denied = counter('denied');
    this.#preflights = counter('cors_preflight_bypassed');
    this.#fetches = Object.values(config.providers ?? {}).some(({ remoteJwks }) => remoteJwks !== undefined);
  }

  onRequestHead(stream: FilterStream): Verdict {
    if (this.#spares && isPreflight(stream.request)) {
      this.#preflights.inc();
      this.#allowed.inc();
      return 'continue';
    }
    const requirement = this.#requirementOf(stream);
    if (typeof requirement === 'string') return this.#refuse(stream, requirement);
    if (requirement === undefined) {
      this.#allowed.inc();
      return 'continue';
    }
    if (this.#fetches && this.#waits(stream, requirement)) return 'pause';
    return this.check(stream, requirement);
  }

  onComplete(stream: FilterStream): void {
    (stream.getState(this.index) as Waiting | undefined)?.cancel();
  }

  /** Judges the request with the keys that are there. */
  check(stream: FilterStream, requirement: TokenRequirement): Verdict {
    const check = new RequestCheck(stream);
    const { path } = stream.request;
    const failure = requirement.check(check);
    if (failure !== undefined) return this.#deny(stream, failure, path);
    if (check.metadata !== undefined) addMetadata(stream.info, METADATA, check.metadata);
    if (check.clearsRoute) stream.clearRouteCache();
    this.#allowed.inc();
    return 'continue';
  }

  /** A text: why none can be found. */
  #requirementOf(stream: FilterStream): TokenRequirement | undefined | string {
    const own = routeFilterConfig(stream, this.name);
    if (own instanceof JwtRouteSettings) {
      if (own.requirementName === undefined) return undefined;
      return this.#named.get(own.requirementName) ?? unknownRequirement(own.requirementName, [...this.#named.keys()]);
    }
    const { request, info } = stream;
    const end = pathEnd(request.path);
    return this.#rules.find(({ match }) => match.matches(request, end, 0, info))?.requirement;
  }

  #waits(stream: FilterStream, requirement: TokenRequirement): boolean {
    const sources = new Set<KeySource>();
    const waiting = new Waiting(this, stream, requirement, sources);
    const { startMs } = stream.info;
    for (const provider of this.#providers.values()) {
      if (provider.config.remoteJwks === undefined) continue;
      provider.source.refresh(startMs);
      for (const { token } of provider.locations.extract(stream.request)) {
        if (provider.knows(token, startMs)) continue;
        const jwt = parseJwt(token);
        if (typeof jwt === 'string' || (provider.issuer !== '' && provider.issuer !== textClaim(jwt, 'iss'))) continue;
        if (provider.source.waits(jwt, startMs, waiting)) sources.add(provider.source);
      }
    }
    if (sources.size === 0) return false;
    stream.setState(this.index, waiting);
    return true;
  }

  #deny(stream: FilterStream, failure: JwtFailure, path: string): Verdict {
    return this.#reply(stream, refusal(failure, stream.request, path, this.#strips));
  }

  #refuse(stream: FilterStream, reason: string): Verdict {
    return this.#reply(stream, {
      status: 403, body: this.#strips ? '' : `Failed JWT authentication: ${reason}`, flags: 0,
      detail: `jwt_authn_access_denied{${reason.replaceAll(' ', '_')}}`,
    });
  }

  #reply(stream: FilterStream, reply: LocalReply): Verdict {
    this.#denied.inc();
    this.#decisions.deny(this.name, reply.detail, stream.info);
    stream.sendLocalReply(reply);
    return 'replied';
  }
}

/** What good tokens say of one request. */
class RequestCheck implements TokenCheck {
  readonly request: RequestHead;
  readonly moment: Moment;
  metadata: Record<string, unknown> | undefined = undefined;
  clearsRoute = false;

  constructor({ request, info }: FilterStream) {
    this.request = request;
    this.moment = info;
  }

  onToken(provider: TokenProvider, jwt: Jwt): void {
    if (provider.config.clearRouteCache === true) this.clearsRoute = true;
    for (const [key, value] of provider.describe(jwt)) this.metadata = { ...this.metadata, [key]: value };
  }
}

/** A request whose keys are being fetched. */
class Waiting implements KeyWaiter {
  readonly #filter: JwtAuthnFilter;
  readonly #stream: FilterStream;
  readonly #requirement: TokenRequirement;
  readonly #sources: ReadonlySet<KeySource>;
  #heard = 0;
  #cancelled = false;

  constructor(
    filter: JwtAuthnFilter, stream: FilterStream, requirement: TokenRequirement, sources: ReadonlySet<KeySource>,
  ) {
    this.#filter = filter;
    this.#stream = stream;
    this.#requirement = requirement;
    this.#sources = sources;
  }

  onKeys(): void {
    this.#heard++;
    if (this.#cancelled || this.#heard < this.#sources.size) return;
    if (this.#filter.check(this.#stream, this.#requirement) === 'continue') this.#stream.resumeRequest();
  }

  cancel(): void {
    this.#cancelled = true;
    for (const source of this.#sources) source.forget(this);
  }
}

function compileProviders(
  { providers = {} }: JwtAuthentication, deps: JwtAuthnDeps, counter: (stat: string) => Counter, path: string,
): Providers {
  const counters: JwtCounters = {
    cacheHit: counter('jwt_cache_hit'), cacheMiss: counter('jwt_cache_miss'),
    overload: counter('verify_overload'), keysRefused: counter('jwks_keys_refused'),
  };
  const fetches = { succeeded: counter('jwks_fetch_success'), failed: counter('jwks_fetch_failed') };
  const budget = keptIn(deps.kept, 'jwt-budget', () => new VerifyBudget());
  // By name, since protobuf's maps have no order of their own.
  const named = Object.entries(providers).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map(named.map(([name, config]: [string, JwtProvider]) => {
    const at = `${path}.providers[${JSON.stringify(name)}]`;
    const source = config.remoteJwks === undefined ? undefined
      : remoteKeys(config.remoteJwks, { ...deps, ...fetches }, deps.kept, `${at}.remoteJwks`);
    return [name, new TokenProvider(name, config, source, budget, counters, at)];
  }));
}

function remoteKeys(
  config: RemoteJwks, deps: ConstructorParameters<typeof RemoteKeys>[1], kept: Map<string, unknown>, path: string,
): RemoteKeys {
  const { uri, cluster } = config.httpUri;
  const sources = keptIn(kept, 'jwks', () => new Map<string, RemoteKeys>());
  const known = sources.get(`${cluster} ${uri}`);
  if (known !== undefined) {
    known.configure(config);
    return known;
  }
  const made = new RemoteKeys(config, deps, path);
  if (sources.size >= SOURCES_MAX) sources.delete(sources.keys().next().value!);
  sources.set(`${cluster} ${uri}`, made);
  return made;
}

function keptIn<T>(kept: Map<string, unknown>, name: string, make: () => T): T {
  if (!kept.has(name)) kept.set(name, make());
  return kept.get(name) as T;
}

/** Browsers send them without credentials. */
function isPreflight({ method, headers }: RequestHead): boolean {
  return method === 'OPTIONS' && (headers.get('origin') ?? '') !== ''
    && (headers.get('access-control-request-method') ?? '') !== '';
}
