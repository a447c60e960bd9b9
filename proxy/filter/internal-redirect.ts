// Follows an upstream's redirect: another request in the place of the one that it answers, within the route's policy.
import { LIMITS } from '../config/limits.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { RedirectTrail, parseLocation } from '../route/internal-redirect.ts';
import type { InternalRedirects, RedirectTarget } from '../route/internal-redirect.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { RoutedStream } from './filter.ts';
import { NOTHING } from './request-buffer.ts';
import type { HeldRequest } from './request-buffer.ts';

/** Why a redirect goes to the client, in `http.<stat_prefix>.passthrough_internal_redirect_*`. */
const REASONS = {
  badLocation: 'bad_location', unsafeScheme: 'unsafe_scheme', tooMany: 'too_many_redirects', noRoute: 'no_route',
  predicate: 'predicate',
} as const;

type Reason = keyof typeof REASONS;

/** One for each router. */
export class RedirectFollower {
  readonly #reasons: Readonly<Record<Reason, Counter>>;

  /** `scope` is the connection manager's. */
  constructor(stats: Stats, scope: StatScope) {
    const counters = Object.entries(REASONS).map(([key, name]) =>
      [key, stats.counter(statName(scope, `passthrough_internal_redirect_${name}`))]);
    this.#reasons = Object.fromEntries(counters) as Record<Reason, Counter>;
  }

  /** True when another request has begun. `body` is the whole of the request's; undefined where it is not held. */
  follow(
    stream: RoutedStream, policy: InternalRedirects, response: ResponseHead, body: HeldRequest | undefined,
  ): boolean {
    const location = response.headers.get('location');
    if (!stream.replaceable || body === undefined || location === undefined) return false;
    const trail = stream.redirects ?? new RedirectTrail();
    const target = parseLocation(location);
    const refused = target === undefined ? 'badLocation' : refusalOf(schemeOf(stream), target, policy, trail);
    if (refused !== undefined) return this.#refuse(refused);
    return this.#step(stream, policy, response, target!, trail, body);
  }

  #step(
    stream: RoutedStream, policy: InternalRedirects, response: ResponseHead, target: RedirectTarget,
    trail: RedirectTrail, body: HeldRequest,
  ): boolean {
    const { request } = stream;
    const from = schemeOf(stream);
    const next = policy.next(request, response, target, from);
    if (bytesOf(next) > LIMITS.headersBytesMax) return this.#refuse('badLocation');
    const route = stream.routeOf(next);
    if (route === undefined) return this.#refuse('noRoute');
    const schemes = { fromHttps: from === 'https', toHttps: target.scheme === 'https' };
    const step = { from: stream.info.routeName, to: route.name, trail, ...schemes };
    if (!policy.allows(step)) return this.#refuse('predicate');
    trail.count++;
    stream.replace(response, next, route, trail, next.method === request.method ? body : NOTHING);
    return true;
  }

  #refuse(reason: Reason): false {
    this.#reasons[reason].inc();
    return false;
  }
}

/** How the client came: by TLS to this proxy, and to all before it. */
function schemeOf({ info, request }: RoutedStream): string {
  return info.connection.tls !== undefined && request.headers.get('x-forwarded-proto') !== 'http' ? 'https' : 'http';
}

/** In Envoy's order. */
function refusalOf(
  scheme: string, target: RedirectTarget, policy: InternalRedirects, trail: RedirectTrail,
): Reason | undefined {
  if (!policy.crossScheme && target.scheme !== scheme) return 'unsafeScheme';
  if (target.scheme !== 'http' && target.scheme !== 'https') return 'badLocation';
  return trail.count >= policy.max ? 'tooMany' : undefined;
}

/** Each step may add headers, of the route's and the response's: no head may outgrow what a client may send (S86). */
function bytesOf({ headers, path }: RequestHead): number {
  return path.length + headerBytes(headers);
}

function headerBytes(headers: Headers): number {
  let bytes = 0;
  for (let i = 0; i < headers.count; i++) bytes += headers.nameAt(i).length + headers.valueAt(i).length;
  return bytes;
}
