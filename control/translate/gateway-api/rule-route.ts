// One match of a rule of HTTPRoute or GRPCRoute as a route.
import type { HeaderMatcher } from '../../../proxy/config/header-matcher.ts';
import type { Route } from '../../../proxy/config/route.ts';
import type { ClusterWeight, RouteAction } from '../../../proxy/config/route-action.ts';
import type { RouteMatch } from '../../../proxy/config/route-match.ts';
import { backendOf, isBackend } from '../../gateway-api/backend.ts';
import { trimmed, type RequestRoute, type RouteRule, type RuleMatch } from '../../gateway-api/rule.ts';
import type { HttpRouteFilter } from '../../model/gateway-api/route-filter.ts';
import type { BackendRef } from '../../model/gateway-api/reference.ts';
import type { HttpBackendRef, ValueMatch } from '../../model/gateway-api/route.ts';
import type { HeaderRules } from '../../model/http-route.ts';
import { serviceHost } from '../../registry/hostname.ts';
import { hashing, hashPolicies } from '../consistent-hash.ts';
import { timeouts } from '../http-route.ts';
import type { MeshView, Scope } from '../mesh-view.ts';
import { provenance } from '../provenance.ts';
import { outboundCluster } from '../resource-name.ts';
import { fraction } from '../route-filter.ts';
import { headerChanges, hostRewrite } from '../route-header.ts';
import { retryPolicy } from '../route-retry.ts';
import { filterOf, headerRules, pathRewrite, redirectAction, routeFilterConfig } from './rule-filter.ts';

/** For whom a route is made, and at which port its requests come. */
export interface RouteContext {
  readonly view: MeshView;
  readonly scope: Scope;
  readonly port: number;
  readonly scheme: 'http' | 'https';
}

/** Nobody has a cluster of this name: its share of requests is answered 500. */
export const INVALID_BACKEND = 'invalid-backend';

export function ruleRoute(route: RequestRoute, rule: RouteRule, match: RuleMatch, context: RouteContext): Route {
  const name = `${route.namespace}.${route.name}.${rule.name ?? rule.index}`;
  const backends = liveBackends(rule);
  const rules = [headersOf(rule.filters), ...(backends.length === 1 ? [headersOf(backends[0]?.filters ?? [])] : [])];
  return {
    name,
    match: routeMatch(match),
    ...action(route, rule, match, context),
    metadata: provenance(route, route.locate(['spec', 'rules', rule.index])),
    decorator: { operation: `${name}${match.path.type === 'Exact' ? match.path.value : `${match.path.value}*`}` },
    ...routeFilterConfig(route, rule, match),
    ...headerChanges(rules),
  };
}

function headersOf(filters: readonly HttpRouteFilter[]): HeaderRules {
  return headerRules(filterOf(filters, 'requestHeaderModifier'), filterOf(filters, 'responseHeaderModifier'));
}

function routeMatch({ path, method, headers, queryParams, isGrpc }: RuleMatch): RouteMatch {
  const asked: HeaderMatcher[] = [
    ...distinct(headers).map(({ name, ...value }) => ({ name: name.toLowerCase(), stringMatch: valueMatcher(value) })),
    ...(method === undefined ? [] : [{ name: ':method', stringMatch: { exact: method } }]),
  ];
  const query = distinct(queryParams).map(({ name, ...value }) => ({ name, stringMatch: valueMatcher(value) }));
  return {
    ...pathMatch(path),
    ...(isGrpc && { grpc: {} }),
    ...(asked.length > 0 && { headers: asked }),
    ...(query.length > 0 && { queryParameters: query }),
  };
}

/** Of several of one name the first holds. */
function distinct(matches: readonly ValueMatch[]): ValueMatch[] {
  const names = matches.map(({ name }) => name.toLowerCase());
  return matches.filter((_, at) => names.indexOf(names[at] ?? '') === at);
}

function valueMatcher({ type = 'Exact', value }: Pick<ValueMatch,
  'type' | 'value'>): HeaderMatcher['stringMatch'] & {} {
  return type === 'Exact' ? { exact: value } : { safeRegex: { regex: value } };
}

function pathMatch({ type, value }: RuleMatch['path']): RouteMatch {
  if (type === 'Exact') return { path: value };
  if (type === 'RegularExpression') return { safeRegex: { regex: value } };
  const prefix = trimmed(value);
  return prefix === '' ? { prefix: '/' } : { pathSeparatedPrefix: prefix };
}

/** A share of 0 is none. */
function liveBackends({ backendRefs }: RouteRule): HttpBackendRef[] {
  return backendRefs.filter(({ weight = 1 }) => weight > 0);
}

const FAILED = { directResponse: { status: 500 } };

function action(
  route: RequestRoute, rule: RouteRule, match: RuleMatch, context: RouteContext,
): Pick<Route, 'route' | 'redirect' | 'directResponse'> {
  if (filterOf(rule.filters, 'extensionRef') !== undefined) return FAILED;
  const redirect = filterOf(rule.filters, 'requestRedirect');
  if (redirect !== undefined) return { redirect: redirectAction(redirect, match, context) };
  const clusters = weighted(route, liveBackends(rule), context);
  if (clusters.every(({ name }) => name === INVALID_BACKEND)) return FAILED;
  const [only] = clusters;
  const single = clusters.length === 1 ? only : undefined;
  return {
    route: {
      ...(single === undefined ? { weightedClusters: { clusters } } : { cluster: single.name ?? '' }),
      ...(clusters.some(({ name }) => name === INVALID_BACKEND) && {
        clusterNotFoundResponseCode: 'INTERNAL_SERVER_ERROR',
      }),
      ...forwarding(route, rule, match, context),
      ...authority(rule, single),
    },
  };
}

function weighted(route: RequestRoute, backends: readonly HttpBackendRef[], context: RouteContext): ClusterWeight[] {
  return backends.map((backend) => {
    const { weight = 1, filters = [] } = backend;
    const rules = headersOf(filters);
    const isUnknown = filterOf(filters, 'extensionRef') !== undefined;
    const host = filterOf(filters, 'urlRewrite')?.hostname ?? hostRewrite(rules);
    return {
      name: isUnknown ? INVALID_BACKEND : clusterOf(route, backend, context) ?? INVALID_BACKEND,
      weight,
      ...(host !== undefined && { hostRewriteLiteral: host }),
      ...(backends.length > 1 && headerChanges([rules])),
    };
  });
}

function clusterOf(route: RequestRoute, ref: BackendRef, { view }: RouteContext): string | undefined {
  const found = backendOf(view.inventory, route, ref);
  return isBackend(found)
    ? outboundCluster(found.port, '', serviceHost(found.name, found.namespace, view.registry.domain)) : undefined;
}

function authority(rule: RouteRule, single: ClusterWeight | undefined): Pick<RouteAction, 'hostRewriteLiteral'> {
  const own = filterOf(rule.filters, 'urlRewrite')?.hostname ?? hostRewrite(headersOf(rule.filters));
  const host = own ?? single?.hostRewriteLiteral;
  return host === undefined ? {} : { hostRewriteLiteral: host };
}

/** Everything but where to. */
function forwarding(
  route: RequestRoute, rule: RouteRule, match: RuleMatch, context: RouteContext,
): Partial<RouteAction> {
  const { view, scope, port } = context;
  const hosts = rule.backendRefs.flatMap((ref) => {
    const found = backendOf(view.inventory, route, ref);
    return isBackend(found) ? [{ host: serviceHost(found.name, found.namespace, view.registry.domain),
      port: { number: found.port } }] : [];
  });
  const hashes = hashPolicies(view, scope, route.namespace, port, hosts);
  const retry = retries(rule, hashes.length > 0);
  const rewrite = filterOf(rule.filters, 'urlRewrite')?.path;
  return {
    ...timeouts(nonZero(rule.timeouts?.request)),
    ...(retry !== undefined && { retryPolicy: retry }),
    ...hashing(hashes),
    ...mirrors(route, rule, context),
    ...(rewrite !== undefined && pathRewrite(rewrite, match.path.value)),
  };
}

function nonZero(duration: string | undefined): string | undefined {
  return duration === undefined || /^0+(\.0+)?s$/.test(duration) ? undefined : duration;
}

/** Tries that a rule without `retry` has by the mesh's default. */
const DEFAULT_ATTEMPTS = 2;
const BEFORE_ANSWER = 'connect-failure,refused-stream,unavailable,cancelled';

function retries({ retry, timeouts: limits }: RouteRule, isHashed: boolean): RouteAction['retryPolicy'] {
  const perTry = nonZero(limits?.backendRequest);
  const perTryTimeout = perTry === undefined ? {} : { perTryTimeout: perTry };
  if (retry === undefined) {
    return retryPolicy(perTry === undefined ? undefined : { attempts: DEFAULT_ATTEMPTS, ...perTryTimeout }, isHashed);
  }
  const { attempts = 1, codes = [], backoff } = retry;
  // A try that takes too long is a 504 that the proxy makes itself.
  const words = [BEFORE_ANSWER, ...codes, ...(codes.includes(504) ? ['reset'] : [])];
  return retryPolicy({
    attempts, retryOn: words.join(','), ...perTryTimeout, ...(backoff !== undefined && { backoff }),
  }, isHashed);
}

/** Copies go to backends that can be had, without a change of their host. */
function mirrors(route: RequestRoute, { filters }: RouteRule, context: RouteContext): Partial<RouteAction> {
  const requestMirrorPolicies = filters.flatMap(({ requestMirror }) => {
    if (requestMirror === undefined) return [];
    const { backendRef, percent, fraction: share } = requestMirror;
    const cluster = clusterOf(route, backendRef, context);
    const percentage = share === undefined ? percent ?? 100 : 100 * share.numerator / (share.denominator ?? 100);
    if (cluster === undefined || percentage === 0) return [];
    const runtimeFraction = { defaultValue: fraction(percentage) };
    return [{ cluster, runtimeFraction, disableShadowHostSuffixAppend: true }];
  });
  const fields: object = requestMirrorPolicies.length === 0 ? {} : { requestMirrorPolicies };
  return fields;
}
