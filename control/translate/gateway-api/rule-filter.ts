// What filters of a rule come to: redirects, paths, headers, cross-origin rules, sessions.
import { durationMs } from '../../../proxy/config/duration.ts';
import type { Route } from '../../../proxy/config/route.ts';
import type { RedirectAction, RouteAction } from '../../../proxy/config/route-action.ts';
import {
  COOKIE_SESSION_TYPE, CORS_POLICY_TYPE, SESSION_PER_ROUTE_TYPE,
} from '../../../proxy/config/type-url.ts';
import { trimmed, type RequestRoute, type RouteRule, type RuleMatch } from '../../gateway-api/rule.ts';
import type {
  CorsFilter, HeaderFilter, HttpRouteFilter, PathModifier, RedirectFilter,
} from '../../model/gateway-api/route-filter.ts';
import type { SessionPersistence } from '../../model/gateway-api/route.ts';
import type { HeaderOperations, HeaderRules } from '../../model/http-route.ts';
import type { StringMatch } from '../../model/string-match.ts';
import { CORS_FILTER, SESSION_FILTER } from '../http-filter.ts';
import { redirectCode } from '../http-route.ts';
import { cors } from '../route-filter.ts';

/** The first filter of a type, by the field that it sets. */
export function filterOf<K extends keyof HttpRouteFilter>(
  filters: readonly HttpRouteFilter[], field: K,
): HttpRouteFilter[K] | undefined {
  return filters.find((filter) => filter[field] !== undefined)?.[field];
}

export function headerRules(request: HeaderFilter | undefined, response: HeaderFilter | undefined): HeaderRules {
  return {
    ...(request !== undefined && { request: operations(request) }),
    ...(response !== undefined && { response: operations(response) }),
  };
}

/** Of several of one name the first holds. */
function operations({ set = [], add = [], remove = [] }: HeaderFilter): HeaderOperations {
  const named = (headers: typeof set): Record<string, string> => {
    const first = new Map<string, [string, string]>();
    for (const { name, value } of headers) {
      if (!first.has(name.toLowerCase())) first.set(name.toLowerCase(), [name, value]);
    }
    return Object.fromEntries(first.values());
  };
  return { set: named(set), add: named(add), remove };
}

const LITERAL = /[\\^$.*+?()[\]{}|]/g;

function literal(text: string): string {
  return text.replaceAll(LITERAL, String.raw`\$&`);
}

/** In a substitution a backslash begins a group's number. */
function substitute(text: string): string {
  return text.replaceAll('\\', String.raw`\\`);
}

type PathRewrite = Pick<RouteAction, 'prefixRewrite' | 'regexRewrite'>;

/** What stands after the matched prefix stays, with exactly one slash before it. */
export function pathRewrite(modifier: PathModifier, matched: string): PathRewrite {
  if (modifier.type === 'ReplaceFullPath') {
    const whole = modifier.replaceFullPath ?? '';
    return { regexRewrite: { pattern: { regex: '^.*$' }, substitution: substitute(whole === '' ? '/' : whole) } };
  }
  const prefix = trimmed(matched);
  const replacement = trimmed(modifier.replacePrefixMatch ?? '');
  if (prefix !== '' && replacement !== '') return { prefixRewrite: replacement };
  const pattern = { regex: prefix === '' ? '^/' : `^${literal(prefix)}/?` };
  return { regexRewrite: { pattern, substitution: `${substitute(replacement)}/` } };
}

interface Arrival {
  readonly port: number;
  readonly scheme: 'http' | 'https';
}

const USUAL_PORT = { http: 80, https: 443 } as const;

/** Without a port the new scheme's holds, and without a new scheme the listener's. */
export function redirectAction(filter: RedirectFilter, match: RuleMatch, arrival: Arrival): RedirectAction {
  const { scheme, hostname, port, path, statusCode = 302 } = filter;
  const usual = USUAL_PORT[scheme ?? arrival.scheme];
  const wanted = port ?? (scheme === undefined ? arrival.port : usual);
  return {
    ...(scheme !== undefined && { schemeRedirect: scheme }),
    ...(hostname !== undefined && { hostRedirect: hostname }),
    ...(wanted !== usual && { portRedirect: wanted }),
    ...(path?.type === 'ReplaceFullPath' && { pathRedirect: path.replaceFullPath ?? '/' }),
    ...(path?.type === 'ReplacePrefixMatch' && pathRewrite(path, match.path.value)),
    responseCode: redirectCode(statusCode),
  };
}

type PerFilter = Pick<Route, 'typedPerFilterConfig'>;

export function routeFilterConfig(route: RequestRoute, rule: RouteRule, match: RuleMatch): PerFilter {
  const rules = filterOf(rule.filters, 'cors');
  const sessions = rule.sessionPersistence;
  const filters: NonNullable<Route['typedPerFilterConfig']> = {
    ...(rules !== undefined && { [CORS_FILTER]: { '@type': CORS_POLICY_TYPE, ...corsPolicy(rules) } }),
    ...(sessions !== undefined && { [SESSION_FILTER]: sessionConfig(route, rule, match, sessions) }),
  };
  return Object.keys(filters).length === 0 ? {} : { typedPerFilterConfig: filters };
}

const CORS_MAX_AGE_S = 5;

function corsPolicy(filter: CorsFilter): ReturnType<typeof cors> {
  const { allowOrigins = [], allowMethods, allowHeaders, exposeHeaders, allowCredentials, maxAge } = filter;
  return cors({
    allowOrigins: allowOrigins.map(originMatch),
    ...(allowMethods !== undefined && { allowMethods }),
    ...(allowHeaders !== undefined && { allowHeaders }),
    ...(exposeHeaders !== undefined && { exposeHeaders }),
    ...(allowCredentials !== undefined && { allowCredentials }),
    maxAge: `${maxAge ?? CORS_MAX_AGE_S}s`,
    unmatchedPreflights: 'IGNORE',
  });
}

/** `*` in a host stands for any number of its parts. */
function originMatch(origin: string): StringMatch {
  if (origin === '*' || !origin.includes('*')) return { exact: origin };
  return { regex: literal(origin).replace(String.raw`\*`, '[^/:]+') };
}

function sessionConfig(
  route: RequestRoute, { index }: RouteRule, match: RuleMatch, sessions: SessionPersistence,
): NonNullable<Route['typedPerFilterConfig']>[string] {
  const { sessionName = `${route.namespace}-${route.name}-${index}`, type = 'Cookie', absoluteTimeout } = sessions;
  const isPermanent = sessions.cookieConfig?.lifetimeType === 'Permanent';
  const ttl = isPermanent && absoluteTimeout !== undefined && (durationMs(absoluteTimeout) ?? 0) > 0
    ? { ttl: absoluteTimeout } : {};
  const path = match.path.type === 'RegularExpression' ? '/' : match.path.value;
  const sessionState = type === 'Header' ? {
    name: 'envoy.http.stateful_session.header',
    typedConfig: { '@type': HEADER_STATE_TYPE, name: sessionName },
  } as const : {
    name: 'envoy.http.stateful_session.cookie',
    typedConfig: { '@type': COOKIE_SESSION_TYPE, cookie: { name: sessionName, path, ...ttl } },
  } as const;
  return { '@type': SESSION_PER_ROUTE_TYPE, statefulSession: { sessionState } };
}

const HEADER_STATE_TYPE =
  'type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState';
