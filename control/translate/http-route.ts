// One rule of a VirtualService as a route.
import type { Route } from '../../proxy/config/route.ts';
import type {
  ClusterWeight, DirectResponseAction, RedirectAction, RouteAction,
} from '../../proxy/config/route-action.ts';
import type { RouteMatch } from '../../proxy/config/route-match.ts';
import type { Destination } from '../model/destination.ts';
import type { DirectResponse, HttpMatch, HttpRule, Redirect, RouteDestination } from '../model/http-route.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { Registry } from '../registry/registry.ts';
import { hashing, hashPolicies } from './consistent-hash.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { provenance } from './provenance.ts';
import { outboundCluster } from './resource-name.ts';
import { fraction, routeFilters } from './route-filter.ts';
import { headerChanges, hostRewrite } from './route-header.ts';
import { ANY_PATH, routeMatch } from './route-match.ts';
import { retryPolicy } from './route-retry.ts';

/** Where a rule stands, and for which port of the host that was called it is translated. */
export interface RuleContext {
  readonly view: MeshView;
  readonly scope: Scope;
  readonly object: MeshObject<'VirtualService'>;
  readonly ruleIndex: number;
  readonly port: number;
}

/** Longest direct response that a VirtualService may have (Istio's validation). */
export const DIRECT_RESPONSE_BYTES_MAX = 1_048_576;

/** No request times out by itself (Istio); Envoy's default would be 15 s. */
const NO_TIMEOUT = '0s';

export function httpRoute(rule: HttpRule, match: HttpMatch | undefined, context: RuleContext): Route {
  const { object, ruleIndex, port } = context;
  const matched = routeMatch(match);
  const name = [rule.name ?? '', match?.name ?? ''].filter((part) => part !== '').join('.');
  const [only] = rule.route ?? [];
  const single = rule.route?.length === 1 ? only : undefined;
  const action = routeAction(rule, context);
  return {
    ...(name !== '' && { name }),
    match: matched,
    ...action,
    metadata: provenance(object, object.locate(['spec', 'http', ruleIndex])),
    decorator: { operation: operation(matched, single?.destination, context, `${object.name}:${port}`) },
    ...routeFilters(rule),
    // A single destination's changes come after the route's, as in Istio.
    ...headerChanges([rule.headers, single?.headers]),
  };
}

/** The route of a service for which no rule is written. */
export function defaultRoute(view: MeshView, scope: Scope, host: string, port: number): Route {
  const hashes = hashPolicies(view, scope, '', port, [{ host, port: { number: port } }]);
  const retry = retryPolicy(undefined, hashes.length > 0);
  return {
    name: 'default',
    match: ANY_PATH,
    route: {
      cluster: outboundCluster(port, '', host),
      ...timeouts(undefined),
      ...hashing(hashes),
      ...(retry !== undefined && { retryPolicy: retry }),
    },
    decorator: { operation: `${host}:${port}/*` },
  };
}

/** Without a limit gRPC's callers set their own by grpc-timeout; a rule's bounds theirs too, as in Istio. */
export function timeouts(
  timeout: string | undefined,
): Pick<RouteAction, 'timeout' | 'maxStreamDuration' | 'maxGrpcTimeout'> {
  if (timeout !== undefined && timeout !== NO_TIMEOUT) return { timeout, maxGrpcTimeout: timeout };
  return {
    timeout: NO_TIMEOUT, maxStreamDuration: { maxStreamDuration: NO_TIMEOUT, grpcTimeoutHeaderMax: NO_TIMEOUT },
  };
}

function routeAction(rule: HttpRule, context: RuleContext): Pick<Route, 'route' | 'redirect' | 'directResponse'> {
  if (rule.redirect !== undefined) return { redirect: redirect(rule.redirect, context.port) };
  if (rule.directResponse !== undefined) return { directResponse: directResponse(rule.directResponse) };
  return { route: forward(rule, context) };
}

function forward(rule: HttpRule, context: RuleContext): RouteAction {
  const destinations = rule.route ?? [];
  const [first] = destinations;
  const single = destinations.length === 1 ? first : undefined;
  const { view, scope, object, port } = context;
  const hashes = hashPolicies(view, scope, object.namespace, port, destinations.map(({ destination }) => destination));
  const retry = retryPolicy(rule.retries, hashes.length > 0);
  const authority = rule.rewrite?.authority ?? hostRewrite(rule.headers) ?? hostRewrite(single?.headers);
  return {
    ...(single !== undefined
      ? { cluster: destinationCluster(single.destination, context) }
      : { weightedClusters: { clusters: weighted(destinations, context) } }),
    ...timeouts(rule.timeout),
    ...(retry !== undefined && { retryPolicy: retry }),
    ...hashing(hashes),
    ...mirrors(rule, context),
    ...pathRewrite(rule),
    ...(authority !== undefined && { hostRewriteLiteral: authority }),
  };
}

/** The host is left as it is (Istio's way; Envoy would append -shadow); a share of 0 is no mirror. */
function mirrors({ mirrors: policies = [] }: HttpRule, context: RuleContext): Partial<RouteAction> {
  const requestMirrorPolicies = policies.filter(({ percentage }) => percentage === undefined || percentage.value !== 0)
    .map(({ destination, percentage }) => ({
      cluster: destinationCluster(destination, context),
      runtimeFraction: { defaultValue: fraction(percentage === undefined ? 100 : percentage.value) },
      disableShadowHostSuffixAppend: true,
    }));
  const fields: object = requestMirrorPolicies.length === 0 ? {} : { requestMirrorPolicies };
  return fields;
}

function pathRewrite({ rewrite }: HttpRule): Pick<RouteAction, 'regexRewrite' | 'prefixRewrite'> {
  if (rewrite?.uriRegexRewrite !== undefined) {
    const { match: regex, rewrite: substitution } = rewrite.uriRegexRewrite;
    return { regexRewrite: { pattern: { regex }, substitution } };
  }
  return rewrite?.uri === undefined ? {} : { prefixRewrite: rewrite.uri };
}

function weighted(destinations: readonly RouteDestination[], context: RuleContext): ClusterWeight[] {
  return destinations.filter(({ weight = 0 }) => weight > 0).map(({ destination, weight = 0, headers }) => ({
    name: destinationCluster(destination, context),
    weight,
    ...headerChanges([headers]),
  }));
}

export function destinationCluster(destination: Destination, { view, object, port }: RuleContext): string {
  return namedCluster(view.registry, destination, object.namespace, port);
}

/** The port that is named, else the service's only one, else the port that was called. */
export function namedCluster(registry: Registry, destination: Destination, namespace: string, port: number): string {
  const host = registry.resolve(destination.host, namespace);
  const service = registry.byHost(host);
  const only = service?.ports.length === 1 ? service.ports[0]?.number : undefined;
  return outboundCluster(destination.port?.number ?? only ?? port, destination.subset ?? '', service?.hostname ?? host);
}

/** Span name: the destination where there is one, else the rule, then the path that was matched. */
function operation(
  match: RouteMatch, destination: Destination | undefined, context: RuleContext, fallback: string,
): string {
  const path = match.path ?? match.safeRegex?.regex ?? `${match.prefix ?? '/'}*`;
  if (destination === undefined) return fallback + path;
  const [, port = '', , host = ''] = destinationCluster(destination, context).split('|');
  return `${host}:${port}${path}`;
}

const REDIRECT_CODES = new Map<number, NonNullable<RedirectAction['responseCode']>>([
  [301, 'MOVED_PERMANENTLY'], [302, 'FOUND'], [303, 'SEE_OTHER'], [307, 'TEMPORARY_REDIRECT'],
  [308, 'PERMANENT_REDIRECT'],
]);

export function redirectCode(status: number): NonNullable<RedirectAction['responseCode']> {
  return REDIRECT_CODES.get(status) ?? 'MOVED_PERMANENTLY';
}

function redirect(rule: Redirect, requestPort: number): RedirectAction {
  const port = rule.port ?? (rule.derivePort === 'FROM_REQUEST_PORT' ? requestPort : 0);
  const isUsual = port === (rule.scheme === 'https' ? 443 : 80);
  return {
    ...(rule.authority !== undefined && { hostRedirect: rule.authority }),
    ...(rule.uri !== undefined && { pathRedirect: rule.uri }),
    ...(rule.prefixRewrite !== undefined && { prefixRewrite: rule.prefixRewrite }),
    ...(rule.scheme !== undefined && { schemeRedirect: rule.scheme }),
    ...(port !== 0 && !isUsual && { portRedirect: port }),
    responseCode: redirectCode(rule.redirectCode ?? 301),
  };
}

function directResponse({ status, body }: DirectResponse): DirectResponseAction {
  if (body?.string !== undefined) return { status, body: { inlineString: body.string } };
  return body?.bytes === undefined ? { status } : { status, body: { inlineBytes: body.bytes } };
}
