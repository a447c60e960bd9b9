// Rules of HTTPRoute and GRPCRoute in one shape, and what of them cannot be done.
import type { HttpRouteFilter } from '../model/gateway-api/route-filter.ts';
import type {
  GrpcRouteMatch, GrpcRouteRule, HttpBackendRef, HttpRouteMatch, HttpRouteRule, ValueMatch,
} from '../model/gateway-api/route.ts';
import type { MeshObject } from '../model/mesh-object.ts';

export type RequestRoute = MeshObject<'HTTPRoute'> | MeshObject<'GRPCRoute'>;

export type PathForm = 'Exact' | 'PathPrefix' | 'RegularExpression';

/** What a request must be. `rank` orders matches that several routes have: greater numbers go first, from the left. */
export interface RuleMatch {
  readonly path: { readonly type: PathForm; readonly value: string };
  readonly method: string | undefined;
  readonly headers: readonly ValueMatch[];
  readonly queryParams: readonly ValueMatch[];
  readonly isGrpc: boolean;
  readonly rank: readonly number[];
}

export interface RouteRule extends Pick<HttpRouteRule, 'name' | 'timeouts' | 'retry' | 'sessionPersistence'> {
  readonly index: number;
  readonly matches: readonly RuleMatch[];
  readonly filters: readonly HttpRouteFilter[];
  readonly backendRefs: readonly HttpBackendRef[];
}

const PATH_RANK: Readonly<Record<PathForm, number>> = { Exact: 3, PathPrefix: 2, RegularExpression: 1 };

export function rulesOf(route: RequestRoute): RouteRule[] {
  if (isGrpc(route)) {
    return (route.body.spec.rules ?? [{}]).map(({ matches, ...rule }: GrpcRouteRule, index) => (
      { ...shared(rule, index), matches: orAll(matches).map(grpcMatch) }));
  }
  return ((route as MeshObject<'HTTPRoute'>).body.spec.rules ?? [{}]).map(({ matches, ...rule }: HttpRouteRule,
    index) =>
    ({ ...shared(rule, index), matches: orAll(matches).map(httpMatch) }));
}

function isGrpc(route: RequestRoute): route is MeshObject<'GRPCRoute'> {
  return route.kind === 'GRPCRoute';
}

function shared(
  { filters = [], backendRefs = [], ...rule }: Omit<HttpRouteRule, 'matches'>, index: number,
): Omit<RouteRule, 'matches'> {
  return { ...rule, index, filters, backendRefs };
}

function orAll<T extends object>(matches: readonly T[] | undefined): readonly (T | Record<never, never>)[] {
  return matches === undefined || matches.length === 0 ? [{}] : matches;
}

function httpMatch({ path = {}, method, headers = [], queryParams = [] }: HttpRouteMatch): RuleMatch {
  const { type = 'PathPrefix', value = '/' } = path;
  const length = type === 'PathPrefix' ? trimmed(value).length : value.length;
  return {
    path: { type, value }, method, headers, queryParams, isGrpc: false,
    rank: [PATH_RANK[type], length, method === undefined ? 0 : 1, headers.length, queryParams.length],
  };
}

/** A prefix is the same with and without a slash at its end. */
export function trimmed(prefix: string): string {
  return prefix.replace(/\/$/, '');
}

function grpcMatch({ method, headers = [] }: GrpcRouteMatch): RuleMatch {
  const { type = 'Exact', service, method: name } = method ?? {};
  return {
    path: grpcPath(type, service, name), method: undefined, headers, queryParams: [], isGrpc: true,
    rank: [type === 'Exact' ? 1 : 0, (service ?? '').length, (name ?? '').length, headers.length],
  };
}

/** Calls have the path /service/method. */
function grpcPath(type: string, service: string | undefined, method: string | undefined): RuleMatch['path'] {
  if (service === undefined && method === undefined) return { type: 'PathPrefix', value: '/' };
  if (type === 'Exact' && service !== undefined) {
    return method === undefined ? { type: 'PathPrefix', value: `/${service}` }
      : { type: 'Exact', value: `/${service}/${method}` };
  }
  return { type: 'RegularExpression', value: `/${service ?? '[^/]+'}/${method ?? '[^/]+'}` };
}

/** What a rule asks for and no proxy does; undefined where all can be done. */
export function unsupported({ filters, backendRefs }: RouteRule): string | undefined {
  if (filters.some(({ type }) => type === 'ExternalAuth')) {
    return 'ExternalAuth: an AuthorizationPolicy with action CUSTOM asks a service';
  }
  for (const filter of backendRefs.flatMap((backend) => backend.filters ?? [])) {
    const { type, urlRewrite } = filter;
    const isDone = type === 'RequestHeaderModifier' || type === 'ResponseHeaderModifier' || type === 'ExtensionRef'
      || (type === 'URLRewrite' && urlRewrite?.path === undefined);
    if (!isDone) return `${type} of one backend${type === 'URLRewrite' ? ' with a path' : ''}: set it for the rule`;
  }
  return undefined;
}
