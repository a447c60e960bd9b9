// The generator's routes: what becomes of requests, with fields of the route API that weft accepts.
import type { RegexMatchAndSubstitute } from '../../proxy/config/matcher.ts';
import type { RequestMirrorPolicy } from '../../proxy/config/request-mirror.ts';
import type { DirectResponseAction, RedirectAction, RouteAction } from '../../proxy/config/route-action.ts';
import type { RouteMatch } from '../../proxy/config/route-match.ts';
import type { Route } from '../../proxy/config/route.ts';
import type { Draw } from '../harness/draw.ts';
import {
  CLUSTERS, CLUSTER_HEADER, HASH_HEADER, HOST_HEADER, LIVE_CLUSTERS, MIRROR_HEADER, SHADOW_CLUSTERS, TIMEOUT,
} from './generated-clusters.ts';
import { drawFilterConfig } from './generated-filters.ts';
import { drawHeaderChanges } from './generated-headers.ts';
import { VALUES, drawMatch, templateOf } from './generated-matches.ts';
import { drawRetryPolicy } from './generated-retries.ts';

const REWRITES: readonly (readonly [string, string])[] = [
  ['/a', '/z'], ['^/([^/]+)/(.*)$', '/\\2/\\1'], ['[0-9]+', '<\\0>'], ['/+', '/'], ['(a)(b)?', '\\2\\1'],
  ['(?i)API', 'rest'], ['\\.html$', ''], ['^', '/pre'], ['$', '/end'], ['x|y', '\\\\'],
];

function drawSubstitution(draw: Draw): RegexMatchAndSubstitute {
  const [regex, substitution] = draw.pick(REWRITES);
  return { pattern: { regex }, ...(substitution !== '' && { substitution }) };
}

function drawDestination(draw: Draw): RouteAction {
  switch (draw.below(9)) {
    case 0: return { clusterHeader: CLUSTER_HEADER };
    case 3: {
      const weight = () => (
        { name: draw.pick(LIVE_CLUSTERS), weight: 1 + draw.below(3), ...drawHeaderChanges(draw, 0.2) });
      return { weightedClusters: { headerName: HASH_HEADER, clusters: [weight(), weight(), weight()] } };
    }
    case 1: {
      const other = { name: draw.pick(CLUSTERS), weight: 0 };
      const chosen = { name: draw.pick(CLUSTERS), weight: 1 + draw.below(100), ...drawHeaderChanges(draw, 0.4),
        ...draw.maybe(0.2, () => ({ hostRewriteLiteral: 'weighted.test' })), ...drawFilterConfig(draw, 0.1) };
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
    case 2: return { autoHostRewrite: true };
    case 3: return { hostRewritePathRegex: { pattern: { regex: '^/([a-z0-9]*).*$' }, substitution: '\\1.test' } };
    default: return {};
  }
}

function drawPathRewrite(
  draw: Draw, match: RouteMatch,
): Pick<RouteAction, 'prefixRewrite' | 'regexRewrite' | 'pathRewritePolicy'> {
  const template = templateOf(match);
  if (template !== undefined) {
    return draw.chance(0.5) ? {} : { pathRewritePolicy: { name: 'template', typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig',
      pathTemplateRewrite: template[1] } } };
  }
  switch (draw.below(5)) {
    case 0: return { prefixRewrite: draw.pick(['/', '/new', '/new/', '/a?b=c', '/%41']) };
    case 1: return { regexRewrite: drawSubstitution(draw) };
    default: return {};
  }
}

/** Copies of requests: all or none, as with faults. */
export function drawMirrors(draw: Draw, probability: number): Pick<RouteAction, 'requestMirrorPolicies'> {
  if (!draw.chance(probability)) return {};
  const policy = (): RequestMirrorPolicy => ({
    ...(draw.chance(0.2) ? { clusterHeader: MIRROR_HEADER } : { cluster: draw.pick(SHADOW_CLUSTERS) }),
    ...draw.maybe(0.3, () => ({ runtimeFraction: { defaultValue: { numerator: draw.pick([0, 100]) } } })),
    ...draw.maybe(0.3, () => ({ disableShadowHostSuffixAppend: true })),
  });
  return { requestMirrorPolicies: [policy(), ...draw.some(1, policy)] };
}

function drawForward(draw: Draw, match: RouteMatch): RouteAction {
  return {
    ...drawDestination(draw), ...drawHostRewrite(draw), ...drawPathRewrite(draw, match),
    hashPolicy: [{ header: { headerName: HASH_HEADER } }],
    ...draw.maybe(0.2, () => ({ appendXForwardedHost: true })), ...drawMirrors(draw, 0.15),
    ...draw.maybe(0.45, () => ({ retryPolicy: drawRetryPolicy(draw) })),
    ...draw.maybe(0.3, () => ({ timeout: draw.pick([TIMEOUT, '30s', '0s']) })),
    ...draw.maybe(0.06, () => ({ idleTimeout: '20s' })),
    ...draw.maybe(0.08, () => ({ maxGrpcTimeout: draw.pick(['0s', '20s']) })),
    ...draw.maybe(0.06, () => ({ maxStreamDuration: draw.pick([{ maxStreamDuration: '30s' },
      { grpcTimeoutHeaderMax: '20s' }]) })),
  };
}

function drawRedirect(draw: Draw, match: RouteMatch): RedirectAction {
  const codes = ['MOVED_PERMANENTLY', 'FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT'] as const;
  // Envoy refuses other rewrites of what a template has matched.
  const where = match.pathMatchPolicy === undefined ? draw.below(5) : 0;
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
    status: draw.pick([200, 201, 204, 302, 304, 400, 404, 418, 503, 599]),
    ...draw.maybe(0.7, () => ({ body: { inlineString: draw.pick(VALUES) || 'text' } })),
  };
}

export function drawRoute(draw: Draw, name: string): Route {
  const kind = draw.below(10);
  const match = drawMatch(draw);
  return {
    ...draw.maybe(0.8, () => ({ name })),
    match,
    ...(kind < 6 ? { route: drawForward(draw, match) } : kind < 8 ? { redirect: drawRedirect(draw, match) }
      : { directResponse: drawDirect(draw) }),
    ...draw.maybe(0.1, () => ({ decorator: { operation: 'op', ...draw.maybe(0.3, () => ({ propagate: false })) } })),
    ...drawHeaderChanges(draw, 0.3),
    ...drawFilterConfig(draw, 0.15),
  };
}
