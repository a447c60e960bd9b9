// What an application is told that speaks xDS itself, by its gRPC library and without a sidecar (metadata GENERATOR:
// grpc): a listener for each name and port of a service, its routes, clusters and endpoints, as gRPC's libraries take
// them (gRFC A27, A28, A29).
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints } from '../../proxy/config/endpoint.ts';
import type { HttpConnectionManager } from '../../proxy/config/http-connection-manager.ts';
import type { Route, RouteConfiguration } from '../../proxy/config/route.ts';
import { FAULT_TYPE, HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE, UPSTREAM_TLS_TYPE }
  from '../../proxy/config/type-url.ts';
import type { Steps } from '../model/steps.ts';
import { isHttp } from '../registry/port-protocol.ts';
import type { MeshService, ServicePort } from '../registry/service.ts';
import { FAULT_FILTER } from './http-filter.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { serviceClusters, type OutboundCluster } from './outbound-cluster.ts';
import { hostNames, serviceRoutes } from './outbound-route.ts';
import { outboundCluster } from './resource-name.ts';
import { knownMesh } from './sidecar-scope.ts';
import { TLS_SOCKET } from './tls-context.ts';
import { VirtualServiceIndex } from './virtual-service.ts';

/** A listener of a client without a proxy: nobody listens, its routes are all it has. */
export interface ApiListener {
  readonly name: string;
  readonly apiListener: {
    readonly apiListener: HttpConnectionManager & { readonly '@type': typeof HTTP_CONNECTION_MANAGER_TYPE };
  };
}

export interface ProxylessResources {
  readonly listeners: readonly [];
  readonly apiListeners: readonly ApiListener[];
  readonly routes: readonly RouteConfiguration[];
  readonly clusters: readonly Cluster[];
  readonly endpoints: readonly ClusterLoadAssignment[];
}

/** Names of certificate providers in a gRPC bootstrap, as istio-agent writes it. */
const PROVIDER = { instanceName: 'default' };

export function* proxylessResources(view: MeshView, scope: Scope): Steps<ProxylessResources> {
  const { services, virtualServices } = knownMesh(view, scope);
  const rules = new VirtualServiceIndex(view, virtualServices);
  const [apiListeners, routes]: [ApiListener[], RouteConfiguration[]] = [[], []];
  const made: OutboundCluster[] = [];
  for (const service of services) {
    for (const port of service.ports.filter(({ protocol }) => isHttp(protocol))) {
      const table = outboundCluster(port.number, '', service.hostname);
      const names = hostNames(view, scope, service);
      apiListeners.push(...names.map((name) => listenerOf(`${name}:${port.number}`, table)));
      routes.push(tableOf(table, service, port, serviceRoutes(view, scope, service, port, rules)));
    }
    made.push(...serviceClusters(view, scope, service).flatMap(clusterFor));
    yield;
  }
  const endpoints = made.flatMap(({ endpoints: assignment }) => (assignment === undefined ? [] : [assignment]));
  return { listeners: [], apiListeners, routes, clusters: made.map(({ cluster }) => cluster), endpoints };
}

function listenerOf(name: string, routeConfigName: string): ApiListener {
  const rds = { routeConfigName, configSource: { ads: {}, resourceApiVersion: 'V3' } } as const;
  const httpFilters = [
    { name: FAULT_FILTER, typedConfig: { '@type': FAULT_TYPE } },
    { name: 'envoy.filters.http.router', typedConfig: { '@type': ROUTER_TYPE } },
  ] as const;
  const manager = { statPrefix: name, rds, httpFilters: [...httpFilters] };
  return { name, apiListener: { apiListener: { '@type': HTTP_CONNECTION_MANAGER_TYPE, ...manager } } };
}

function tableOf(
  name: string, service: MeshService, port: ServicePort, routes: readonly Route[],
): RouteConfiguration {
  const host = { name: `${service.hostname}:${port.number}`, domains: ['*'], routes: routes.flatMap(routeFor) };
  return { name, virtualHosts: [host] };
}

/**
 * What gRPC can do of a route. One that asks for query parameters or CONNECT cannot fit a call; one that does not lead
 * to a cluster makes calls fail, as gRPC has it for actions that are not for it.
 */
function routeFor(route: Route): Route[] {
  const { name, match, route: action, typedPerFilterConfig } = route;
  if (match.connectMatcher !== undefined || (match.queryParameters?.length ?? 0) > 0) return [];
  const kept = { ...(name !== undefined && { name }), match: matchFor(match) };
  if (action === undefined) return [{ ...kept, nonForwardingAction: {} } as Route];
  const { timeout, retryPolicy } = action;
  const isLimited = timeout !== undefined && timeout !== '0s';
  const fault = typedPerFilterConfig?.[FAULT_FILTER];
  const { retryPolicy: _retry, ...rest } = action;
  return [{
    ...kept,
    route: {
      ...rest,
      ...((retryPolicy?.numRetries ?? 0) > 0 && { retryPolicy }),
      // The one time that it knows.
      ...(isLimited && { maxStreamDuration: { maxStreamDuration: timeout } }),
    } as NonNullable<Route['route']>,
    ...(fault !== undefined && { typedPerFilterConfig: { [FAULT_FILTER]: fault } }),
  }];
}

/** A prefix of whole segments is not known to it; calls have paths of just two. */
function matchFor({ pathSeparatedPrefix, ...match }: Route['match']): Route['match'] {
  if (pathSeparatedPrefix === undefined) return match;
  return { ...match, safeRegex: { regex: `${pathSeparatedPrefix.replaceAll(/[.*+?^$()[\]{}|\\]/g, '\\$&')}(/.*)?` } };
}

/** Plaintext, unless a DestinationRule asks for mutual TLS: as in Istio it is not found out by itself. */
function clusterFor({ cluster, endpoints }: OutboundCluster): OutboundCluster[] {
  const { name, type, edsClusterConfig, circuitBreakers, outlierDetection, lbPolicy, ringHashLbConfig } = cluster;
  const isHashed = lbPolicy === 'RING_HASH';
  const socket = cluster.transportSocket === undefined ? undefined : clientTls(cluster.transportSocket);
  const common: Cluster = {
    name,
    lbPolicy: isHashed ? 'RING_HASH' : 'ROUND_ROBIN',
    ...(isHashed && ringHashLbConfig !== undefined && { ringHashLbConfig }),
    ...(circuitBreakers !== undefined && { circuitBreakers }),
    ...(outlierDetection !== undefined && { outlierDetection }),
    ...(socket !== undefined && { transportSocket: socket }),
  };
  if (edsClusterConfig !== undefined && endpoints !== undefined) {
    const known: Cluster = { ...common, type: 'EDS', edsClusterConfig };
    return [{ cluster: known, endpoints: assignmentFor(endpoints) }];
  }
  // It resolves one name for a cluster, and no more.
  const hosts = (cluster.loadAssignment?.endpoints ?? []).flatMap(({ lbEndpoints = [] }) => lbEndpoints);
  if ((type !== 'STRICT_DNS' && type !== 'LOGICAL_DNS') || hosts.length !== 1) return [];
  const loadAssignment = { clusterName: name, endpoints: [{ lbEndpoints: hosts }] };
  return [{ cluster: { ...common, type: 'LOGICAL_DNS', loadAssignment }, endpoints: undefined }];
}

/** Localities without name or weight are left out by it, and an address may stand once. */
function assignmentFor({ clusterName, endpoints = [] }: ClusterLoadAssignment): ClusterLoadAssignment {
  const seen = new Set<string>();
  const isFirst = ({ endpoint }: LbEndpoint): boolean => {
    const { address = '', portValue = 0 } = endpoint.address.socketAddress ?? {};
    const key = `${address} ${portValue}`;
    return !seen.has(key) && seen.add(key).size > 0;
  };
  const localities = endpoints.map(({ locality = {}, priority, loadBalancingWeight, lbEndpoints = [] }) => {
    const own = lbEndpoints.filter(isFirst);
    return {
      locality,
      ...(priority !== undefined && { priority }),
      lbEndpoints: own.map(({ endpoint, loadBalancingWeight: weight = 1 }) => ({
        endpoint, loadBalancingWeight: weight,
      })),
      loadBalancingWeight: loadBalancingWeight ?? Math.max(1, own.length),
    } satisfies LocalityLbEndpoints;
  });
  return { clusterName, endpoints: localities };
}

/** Certificates and roots come from the providers in the client's own bootstrap (gRFC A29). */
function clientTls({ typedConfig }: NonNullable<Cluster['transportSocket']>): Cluster['transportSocket'] {
  if (typedConfig['@type'] !== UPSTREAM_TLS_TYPE) return undefined;
  const { combinedValidationContext: combined, tlsCertificateSdsSecretConfigs: certificates = [] }
    = typedConfig.commonTlsContext;
  if (combined === undefined || certificates.length === 0) return undefined;
  const names = combined.defaultValidationContext.matchTypedSubjectAltNames ?? [];
  const commonTlsContext = {
    tlsCertificateProviderInstance: PROVIDER,
    validationContext: {
      caCertificateProviderInstance: PROVIDER, matchSubjectAltNames: names.map(({ matcher }) => matcher),
    },
  };
  const context = { '@type': UPSTREAM_TLS_TYPE, commonTlsContext };
  return { name: TLS_SOCKET, typedConfig: context as unknown as typeof typedConfig };
}
