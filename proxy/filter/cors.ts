// The CORS filter: answers preflights, and tells browsers whose pages may read an answer (Fetch standard).
import type { Random } from '../base/random.ts';
import type { Headers } from '../http/headers.ts';
import type { ResponseHead } from '../http/message.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import { CorsRules } from './cors-policy.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import { routeFilterConfig } from './route-filter-lookup.ts';

export interface CorsDeps {
  readonly random: Random;
  readonly stats: Stats;
  /** `http.<stat_prefix>.` */
  readonly scope: StatScope;
}

/** An allowed request from another origin, kept until its response. */
interface CrossOrigin {
  readonly origin: string;
  readonly rules: CorsRules;
}

/** envoy.extensions.filters.http.cors.v3.Cors: what the route's CorsPolicy says. A foreign origin is not refused. */
export class CorsFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #random: Random;
  readonly #originValid: Counter;
  readonly #originInvalid: Counter;

  constructor(name: string, { random, stats, scope }: CorsDeps) {
    this.name = name;
    this.#random = random;
    this.#originValid = stats.counter(statName(scope, 'cors.origin_valid'));
    this.#originInvalid = stats.counter(statName(scope, 'cors.origin_invalid'));
  }

  onRequestHead(stream: FilterStream): Verdict {
    const { route } = stream;
    const rules = routeFilterConfig(stream, this.name);
    // Redirects and direct responses have no CORS, as in Envoy.
    if (!(rules instanceof CorsRules) || route?.action.kind !== 'forward') return 'continue';
    const draw = rules.draw(this.#random);
    const origin = draw === 'skip' ? undefined : stream.request.headers.joined('origin');
    if (origin === undefined || origin === '') return 'continue';
    const allowed = rules.allowsOrigin(origin);
    (allowed ? this.#originValid : this.#originInvalid).inc();
    if (draw === 'count') return 'continue';
    if (allowed) stream.setState(this.index, { origin, rules } satisfies CrossOrigin);
    if (!isPreflight(stream) || (!allowed && rules.forwardsForeignPreflights)) return 'continue';
    answerPreflight(stream, rules, allowed ? origin : undefined);
    return 'replied';
  }

  /** Also on replies of our own: a page may read that it was refused. */
  onResponseHead(stream: FilterStream, { headers }: ResponseHead): void {
    const request = stream.getState(this.index) as CrossOrigin | undefined;
    if (request === undefined) return;
    headers.set('access-control-allow-origin', request.origin);
    if (request.rules.allowCredentials) headers.set('access-control-allow-credentials', 'true');
    const { exposeHeaders } = request.rules;
    if (exposeHeaders !== '') headers.set('access-control-expose-headers', exposeHeaders);
  }
}

function isPreflight({ request }: FilterStream): boolean {
  return request.method === 'OPTIONS' && (request.headers.joined('access-control-request-method') ?? '') !== '';
}

/** `origin` is undefined when it is not allowed: the browser then refuses by the missing header. */
function answerPreflight(stream: FilterStream, rules: CorsRules, origin: string | undefined): void {
  const asked = stream.request.headers;
  const headers: [string, string][] = [];
  const add = (name: string, value: string): void => {
    if (value !== '') headers.push([`access-control-${name}`, value]);
  };
  add('allow-origin', origin ?? '');
  add('allow-credentials', rules.allowCredentials ? 'true' : '');
  add('allow-methods', echoed(rules.allowMethods, asked, 'access-control-request-method'));
  add('allow-headers', echoed(rules.allowHeaders, asked, 'access-control-request-headers'));
  add('max-age', rules.maxAge);
  const wantsPrivate = asked.joined('access-control-request-private-network') === 'true';
  add('allow-private-network', rules.allowPrivateNetwork && wantsPrivate ? 'true' : '');
  // Asked for once, the cluster is on record: the log tells where the request would have gone.
  void stream.clusterChoice;
  stream.sendLocalReply({ status: 200, body: '', detail: 'cors_response', flags: 0, headers, plain: true });
}

/** `*` is answered by what was asked for: with credentials browsers take it for the name of a method or header. */
function echoed(allowed: string, asked: Headers, name: string): string {
  return allowed === '*' ? (asked.joined(name) ?? '') : allowed;
}
