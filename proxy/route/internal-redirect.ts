// Which responses a route follows itself, and where to (envoy.config.route.v3.InternalRedirectPolicy).
import { isVisible } from '../base/ascii.ts';
import type { InternalRedirectPolicy, RedirectPredicate } from '../config/internal-redirect.ts';
import type { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import type { ResponseHead } from '../http/message.ts';

/** Others name no other place for the same request (RFC 9110 section 15.4). */
const FOLLOWED: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const DEFAULT_STATUS = 302;
const PORT_MAX = 65_535;

/** Redirects of one request so far: it lives with the client's request, through all that come in its place. */
export class RedirectTrail {
  count = 0;
  readonly #led = new Map<string, Set<string>>();

  /** False where `from` has led to `to` before. */
  leads(from: string, to: string): boolean {
    const targets = this.#led.get(from) ?? new Set();
    this.#led.set(from, targets);
    if (targets.has(to)) return false;
    targets.add(to);
    return true;
  }
}

/** A step from one route to another, before it is made. */
export interface RedirectStep {
  /** Names of routes. */
  readonly from: string;
  readonly to: string;
  readonly fromHttps: boolean;
  readonly toHttps: boolean;
  readonly trail: RedirectTrail;
}

/** Where a location leads. */
export interface RedirectTarget {
  readonly scheme: string;
  readonly authority: string;
  /** With query, without fragment. */
  readonly path: string;
}

type Predicate = (step: RedirectStep) => boolean;

export class InternalRedirects {
  readonly max: number;
  readonly crossScheme: boolean;
  readonly #statuses: ReadonlySet<number>;
  readonly #predicates: readonly Predicate[];
  readonly #copied: readonly string[];

  constructor(config: InternalRedirectPolicy) {
    const { redirectResponseCodes: statuses = [], responseHeadersToCopy: copied = [], predicates = [] } = config;
    this.max = config.maxInternalRedirects ?? 1;
    this.crossScheme = config.allowCrossSchemeRedirect === true;
    this.#statuses = new Set(statuses.length === 0 ? [DEFAULT_STATUS] : statuses.filter((one) => FOLLOWED.has(one)));
    this.#predicates = predicates.map(compilePredicate);
    this.#copied = copied.map((name) => name.toLowerCase());
  }

  concerns(status: number): boolean {
    return this.#statuses.has(status);
  }

  allows(step: RedirectStep): boolean {
    return this.#predicates.every((allows) => allows(step));
  }

  /** The request in the place of `request`, which stays as it is, and came by the scheme `from`. */
  next(
    request: RequestHead, response: ResponseHead, { scheme, authority, path }: RedirectTarget, from: string,
  ): RequestHead {
    const plain = response.status === 303 && request.method !== 'GET' && request.method !== 'HEAD';
    const headers = request.headers.clone();
    const next = new RequestHead(plain ? 'GET' : request.method, authority, path, headers, request.protocol);
    next.scheme = scheme;
    next.contentLength = plain ? 0 : request.contentLength;
    next.acceptsTrailers = request.acceptsTrailers;
    if (plain) headers.remove('content-length');
    for (const name of this.#copied) copyHeader(name, response.headers, headers);
    headers.set('x-envoy-original-url', `${from}://${request.authority}${request.path}`);
    return next;
  }
}

function compilePredicate({ typedConfig }: RedirectPredicate): Predicate {
  switch (typedConfig['@type']) {
    case 'type.googleapis.com/envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig': {
      const names = new Set(typedConfig.allowedRouteNames);
      return ({ to }) => names.has(to);
    }
    case 'type.googleapis.com/envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig':
      return ({ trail, from, to }) => trail.leads(from, to);
    case 'type.googleapis.com/envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig':
      return ({ fromHttps, toHttps }) => fromHttps || !toHttps;
  }
}

function copyHeader(name: string, from: Headers, to: Headers): void {
  to.remove(name);
  for (let i = 0; i < from.count; i++) if (from.nameAt(i) === name) to.append(name, from.valueAt(i));
}

/** An absolute URL with a host as Envoy's; undefined for all else. Its scheme may be any, its user is left out. */
export function parseLocation(location: string): RedirectTarget | undefined {
  const colon = location.indexOf('://');
  if (colon <= 0 || !isVisible(location)) return undefined;
  const end = authorityEnd(location, colon + 3);
  const authority = withoutUser(location.slice(colon + 3, end)).toLowerCase();
  if (!HOST.test(authority) || portOf(authority) > PORT_MAX) return undefined;
  const fragment = location.indexOf('#', end);
  const rest = fragment === -1 ? location.slice(end) : location.slice(end, fragment);
  return { scheme: location.slice(0, colon).toLowerCase(), authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}

/** A name, or an IPv6 address, and maybe a port. */
const HOST = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/;

function portOf(authority: string): number {
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') ? Number(authority.slice(colon + 1)) : 0;
}

function withoutUser(authority: string): string {
  return authority.slice(authority.indexOf('@') + 1);
}

function authorityEnd(text: string, start: number): number {
  for (let i = start; i < text.length; i++) if ('/?#'.includes(text[i]!)) return i;
  return text.length;
}
