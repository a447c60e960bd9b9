// The generator's routes: what becomes of requests, with fields of the route API that weft accepts.
import type { HeaderValueOption } from '../../proxy/config/header-value-option.ts';
import type { RegexMatchAndSubstitute } from '../../proxy/config/matcher.ts';
import type { RetryPolicy } from '../../proxy/config/retry-policy.ts';
import type { DirectResponseAction, RedirectAction, RouteAction } from '../../proxy/config/route-action.ts';
import type { Route } from '../../proxy/config/route.ts';
import type { Draw } from '../harness/draw.ts';
import { drawFilterConfig } from './generated-filters.ts';
import { NAMES, VALUES, drawMatch } from './generated-matches.ts';

/** Clusters that answer. */
export const LIVE_CLUSTERS = ['c1', 'c2', 'c3'] as const;
/** Beside them, one that refuses connections and one without endpoints. */
const CLUSTERS = [...LIVE_CLUSTERS, ...LIVE_CLUSTERS, ...LIVE_CLUSTERS, 'refusing', 'empty'];
export const CLUSTER_HEADER = 'x-cluster';
export const HOST_HEADER = 'x-host';
/** Longer than any answer without a delay takes, even on a busy machine; and a delay that is longer still. */
export const TIMEOUT = '1s';
export const DELAY_MS = 2500;

/** Header values whose operators do not depend on the moment, on ports or on the proxy. */
const FORMATS = ['plain', '', 'a%%b', '%REQ(x-a)%', '%REQ(x-a?x-b)%', '%REQ(x-b):2%', '[%REQ(:path)%]', '%PROTOCOL%',
  '%REQ(:METHOD)% %REQ(:authority)%', '%REQ(:SCHEME)%', '%REQ(absent)%', '%ROUTE_NAME%', '%REQ(cookie)%|',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%', '%REQ(X-Case)%',
  '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', '%PATH(NQ)%', '%PATH(WQ:ORIG_OR_PATH)%',
  'a, b', '%UPSTREAM_CLUSTER%', '%FILTER_CHAIN_NAME%'];
const RESPONSE_FORMATS = [...FORMATS, '%RESP(x-up)%', '%RESP(x-multi)%', '%RESPONSE_CODE%',
  '%RESP(:status)%', '%RESP(absent?x-up):3%', '%UPSTREAM_REQUEST_ATTEMPT_COUNT%'];
const ACTIONS = ['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD',
  'OVERWRITE_IF_EXISTS'] as const;

const REWRITES: readonly (readonly [string, string])[] = [
  ['/a', '/z'], ['^/([^/]+)/(.*)$', '/\\2/\\1'], ['[0-9]+', '<\\0>'], ['/+', '/'], ['(a)(b)?', '\\2\\1'],
  ['(?i)API', 'rest'], ['\\.html$', ''], ['^', '/pre'], ['$', '/end'], ['x|y', '\\\\'],
];

function drawSubstitution(draw: Draw): RegexMatchAndSubstitute {
  const [regex, substitution] = draw.pick(REWRITES);
  return { pattern: { regex }, ...(substitution !== '' && { substitution }) };
}

function drawChange(draw: Draw, formats: readonly string[], names: readonly string[]): HeaderValueOption {
  return {
    header: { key: draw.pick(names), value: draw.pick(formats) },
    ...draw.maybe(0.7, () => ({ appendAction: draw.pick(ACTIONS) })),
    ...draw.maybe(0.2, () => ({ keepEmptyValue: true })),
  };
}

/** The four lists of header changes, as tables, virtual hosts and routes have them. */
export function drawHeaderChanges(draw: Draw, probability: number): HeaderChanges {
  const request = [...NAMES, 'x-new', 'x-level', 'x-forwarded-host'];
  const response = ['x-up', 'x-multi', 'x-new', 'X-Level', 'content-type', 'cache-control'];
  const several = <T>(make: () => T): T[] => [make(), ...draw.some(2, make)];
  // One header changes once in a list: Envoy looks for absent ones before the first change, weft before each.
  const once = (options: HeaderValueOption[]): HeaderValueOption[] => options.filter(({ header: { key } }, i) =>
    options.findIndex(({ header }) => header.key.toLowerCase() === key.toLowerCase()) === i);
  return {
    ...draw.maybe(probability, () => ({ requestHeadersToAdd: once(several(() => drawChange(draw, FORMATS,
      request))) })),
    ...draw.maybe(probability / 3, () => ({ requestHeadersToRemove: several(() => draw.pick(request)) })),
    ...draw.maybe(probability, () => ({
      responseHeadersToAdd: once(several(() => drawChange(draw, RESPONSE_FORMATS, response))),
    })),
    ...draw.maybe(probability / 3, () => ({
      responseHeadersToRemove: several(() => draw.pick([...response, 'x-gone'])),
    })),
  };
}

export type HeaderChanges = Pick<Route, 'requestHeadersToAdd' | 'requestHeadersToRemove' | 'responseHeadersToAdd'
  | 'responseHeadersToRemove'>;

const RETRIES = ['5xx', 'gateway-error', 'reset', 'connect-failure', 'retriable-4xx', 'retriable-status-codes',
  'retriable-headers', 'envoy-ratelimited', 'unavailable', 'refused-stream', 'reset-before-request', 'cancelled'];

/** Back-offs are short: how long they are is for other tests. */
export function drawRetryPolicy(draw: Draw): RetryPolicy {
  return {
    retryOn: [draw.pick(RETRIES), ...draw.some(3, () => draw.pick(RETRIES))].join(','),
    ...draw.maybe(0.7, () => ({ numRetries: draw.below(5) })),
    ...draw.maybe(0.15, () => ({ perTryTimeout: TIMEOUT })),
    ...draw.maybe(0.4, () => ({ retriableStatusCodes: [draw.pick([404, 409, 429, 200, 500])] })),
    ...draw.maybe(0.3, () => ({ retriableHeaders: [{ name: 'x-up',
      stringMatch: { exact: draw.pick(LIVE_CLUSTERS) } }] })),
    retryBackOff: { baseInterval: '0.001s', maxInterval: '0.002s' },
  };
}

function drawDestination(draw: Draw): RouteAction {
  switch (draw.below(8)) {
    case 0: return { clusterHeader: CLUSTER_HEADER };
    case 1: {
      const other = { name: draw.pick(CLUSTERS), weight: 0 };
      const chosen = { name: draw.pick(CLUSTERS), weight: 1 + draw.below(100) };
      return { weightedClusters: { clusters: draw.chance(0.5) ? [other, chosen] : [chosen, other] } };
    }
    case 2: return { cluster: 'unknown', ...draw.maybe(0.7, () => ({
      clusterNotFoundResponseCode: draw.pick(['NOT_FOUND', 'INTERNAL_SERVER_ERROR', 'SERVICE_UNAVAILABLE'] as const),
    })) };
    default: return { cluster: draw.pick(CLUSTERS) };
  }
}

function drawHostRewrite(draw: Draw): Partial<RouteAction> {
  switch (draw.below(8)) {
    case 0: return { hostRewriteLiteral: draw.pick(['new.test', 'New.Test:81']) };
    case 1: return { hostRewriteHeader: HOST_HEADER };
    case 2: return { hostRewritePathRegex: { pattern: { regex: '^/([a-z0-9]*).*$' }, substitution: '\\1.test' } };
    default: return {};
  }
}

function drawPathRewrite(draw: Draw): Pick<RouteAction, 'prefixRewrite' | 'regexRewrite'> {
  switch (draw.below(5)) {
    case 0: return { prefixRewrite: draw.pick(['/', '/new', '/new/', '/a?b=c', '/%41']) };
    case 1: return { regexRewrite: drawSubstitution(draw) };
    default: return {};
  }
}

function drawForward(draw: Draw): RouteAction {
  return {
    ...drawDestination(draw), ...drawHostRewrite(draw), ...drawPathRewrite(draw),
    ...draw.maybe(0.2, () => ({ appendXForwardedHost: true })),
    ...draw.maybe(0.45, () => ({ retryPolicy: drawRetryPolicy(draw) })),
    ...draw.maybe(0.3, () => ({ timeout: draw.pick([TIMEOUT, '30s', '0s']) })),
    ...draw.maybe(0.06, () => ({ idleTimeout: '20s' })),
    ...draw.maybe(0.08, () => ({ maxGrpcTimeout: draw.pick(['0s', '20s']) })),
    ...draw.maybe(0.06, () => ({ maxStreamDuration: draw.pick([{ maxStreamDuration: '30s' },
      { grpcTimeoutHeaderMax: '20s' }]) })),
  };
}

function drawRedirect(draw: Draw): RedirectAction {
  const codes = ['MOVED_PERMANENTLY', 'FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT'] as const;
  const where = draw.below(5);
  return {
    ...draw.maybe(0.4, () => (draw.chance(0.6) ? { httpsRedirect: true } : { schemeRedirect: 'ftp' })),
    ...draw.maybe(0.4, () => ({ hostRedirect: draw.pick(['there.test', 'There.test:81', '[::1]']) })),
    ...draw.maybe(0.4, () => ({ portRedirect: draw.pick([80, 443, 8443]) })),
    ...(where === 0 && { pathRedirect: draw.pick(['/there', '/there?own=1', '/']) }),
    ...(where === 1 && { prefixRewrite: draw.pick(['/there', '/', '/there/']) }),
    ...(where === 2 && { regexRewrite: drawSubstitution(draw) }),
    ...draw.maybe(0.6, () => ({ responseCode: draw.pick(codes) })),
    ...draw.maybe(0.3, () => ({ stripQuery: true })),
  };
}

function drawDirect(draw: Draw): DirectResponseAction {
  return {
    status: draw.pick([200, 204, 304, 400, 404, 418, 503, 599]),
    ...draw.maybe(0.7, () => ({ body: { inlineString: draw.pick(VALUES) || 'text' } })),
  };
}

export function drawRoute(draw: Draw, name: string): Route {
  const kind = draw.below(10);
  return {
    ...draw.maybe(0.8, () => ({ name })),
    match: drawMatch(draw),
    ...(kind < 6 ? { route: drawForward(draw) } : kind < 8 ? { redirect: drawRedirect(draw) }
      : { directResponse: drawDirect(draw) }),
    ...drawHeaderChanges(draw, 0.3),
    ...drawFilterConfig(draw, 0.15),
  };
}
