// The route tables of a sidecar's outbound listeners: every service that the application may call, by host.
import { isIP } from 'node:net';
import type { Route, RouteConfiguration, VirtualHost } from '../../proxy/config/route.ts';
import { atOnce, type Steps } from '../model/steps.ts';
import { hostMatches, isWildcard } from '../registry/hostname.ts';
import { isHttp, isHttp2 } from '../registry/port-protocol.ts';
import { virtualAddresses, type MeshService, type ServicePort } from '../registry/service.ts';
import { destinationPolicy } from './destination-policy.ts';
import { withCredentials } from './egress-credential.ts';
import { meshConnection, meshRoutes } from './gateway-api/mesh-route.ts';
import { defaultRoute, DIRECT_RESPONSE_BYTES_MAX } from './http-route.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { HTTP_PROXY_ROUTES, outboundCluster } from './resource-name.ts';
import { MESH_GATEWAY } from './rule-scope.ts';
import { commonMesh, type KnownMesh } from './sidecar-scope.ts';
import { tunnelTarget } from './tcp-filter.ts';
import { connectionWay, type ConnectionWay } from './tcp-route.ts';
import { HTTP_PORT, unknownHost } from './unknown-host.ts';
import { VirtualServiceIndex, virtualServiceRoutes } from './virtual-service.ts';

/** The table of the common listener, a service at a time. */
export function outboundRoutes(view: MeshView, scope: Scope): Steps<RouteConfiguration> {
  return tableSteps(view, scope, HTTP_PROXY_ROUTES, commonMesh(view, scope), unknownHost(view, scope), HTTP_PORT);
}

/** All at once, for tables of few services. */
export function outboundTable(...parts: Parameters<typeof tableSteps>): RouteConfiguration {
  return atOnce(tableSteps(...parts));
}

/** `rulePort` is that of hosts which only rules know; undefined: they have no place here. */
export function* tableSteps(
  view: MeshView, scope: Scope, name: string, { services, virtualServices }: KnownMesh, unknown: VirtualHost,
  rulePort: number | undefined,
): Steps<RouteConfiguration> {
  const rules = new VirtualServiceIndex(view, virtualServices);
  const hosts: VirtualHost[] = [];
  for (const service of services) {
    hosts.push(...serviceHosts(view, scope, service, rules));
    yield;
  }
  if (rulePort !== undefined) hosts.push(...ruleHosts(view, scope, services, rules, rulePort));
  return {
    name,
    virtualHosts: [...withCredentials(view, scope, distinctDomains(hosts)), unknown],
    validateClusters: false,
    maxDirectResponseBodySizeBytes: DIRECT_RESPONSE_BYTES_MAX,
  };
}

function serviceHosts(view: MeshView, scope: Scope, service: MeshService, rules: VirtualServiceIndex): VirtualHost[] {
  const http = service.ports.filter((port) => isHttp(port.protocol));
  const usual = http.find(({ number }) => number === HTTP_PORT) ?? http[0];
  return service.ports.map((port) => {
    const names = hostNames(view, scope, service);
    if (!http.includes(port)) return tunnelHost(view, scope, service, port, { names, rules });
    const domains = names.flatMap((name) => [...(port === usual ? [name] : []), `${name}:${port.number}`]);
    return {
      name: `${service.hostname}:${port.number}`,
      domains,
      routes: [
        // Libraries of gRPC reach an explicit proxy by CONNECT.
        ...(isHttp2(port.protocol) ? [tunnelRoute(view, scope, service, port)] : []),
        ...serviceRoutes(view, scope, service, port, rules),
      ],
      includeRequestAttemptCount: true,
    };
  });
}

/** To one port of a service, by its rules. */
export function serviceRoutes(
  view: MeshView, scope: Scope, service: MeshService, port: ServicePort, rules: VirtualServiceIndex,
): Route[] {
  const ofApi = meshRoutes(view, scope, service, port.number);
  if (ofApi !== undefined) return ofApi;
  const object = rules.forHost(service.hostname);
  const table = { scope, gateway: MESH_GATEWAY, port: port.number };
  const routes = object === undefined ? [] : virtualServiceRoutes(view, object, table);
  // A VirtualService none of whose rules is for this caller or port is as good as none, as in Istio.
  return routes.length > 0 ? routes : [defaultRoute(view, scope, service.hostname, port.number)];
}

/** What is not HTTP is reached by CONNECT, whose bytes are carried as they are. */
function tunnelHost(
  view: MeshView, scope: Scope, service: MeshService, port: ServicePort,
  { names, rules }: { readonly names: readonly string[]; readonly rules: VirtualServiceIndex },
): VirtualHost {
  const object = rules.forHost(service.hostname);
  const table = { scope, gateway: MESH_GATEWAY, port: port.number };
  const way = meshConnection(view, scope, service, port.number) ?? (object === undefined ? undefined
    : connectionWay(view, object, service.hostname, port.protocol === 'tls', table));
  return {
    name: `${service.hostname}:${port.number}`,
    domains: names.map((name) => `${name}:${port.number}`),
    routes: [tunnelRoute(view, scope, service, port, way)],
  };
}

function tunnelRoute(
  view: MeshView, scope: Scope, service: MeshService, port: ServicePort, way?: ConnectionWay,
): Route {
  const { tunnel, connectionPool } = way?.policy ?? destinationPolicy(view, service, scope).forPort(port.number);
  const tcp = connectionPool?.tcp;
  // What comes by CONNECT cannot go on by POST.
  if (tunnel?.protocol === 'POST') return NO_WAY;
  return {
    name: 'default',
    match: { connectMatcher: {} },
    route: {
      ...(way?.target ?? { cluster: outboundCluster(port.number, '', service.hostname) }),
      timeout: '0s',
      ...(tcp?.idleTimeout !== undefined && { idleTimeout: tcp.idleTimeout }),
      ...(tcp?.maxConnectionDuration !== undefined && {
        maxStreamDuration: { maxStreamDuration: tcp.maxConnectionDuration },
      }),
      ...(tunnel !== undefined && { hostRewriteLiteral: tunnelTarget(tunnel) }),
      upgradeConfigs: [{ upgradeType: 'CONNECT', ...(tunnel === undefined && { connectConfig: {} }) }],
    },
  };
}

const NO_WAY: Route = { name: 'default', match: { connectMatcher: {} }, directResponse: { status: 502 } };

/** `reviews`, `reviews.default`, `reviews.default.svc`, and in full: what DNS of a pod resolves; then its addresses. */
export function hostNames({ registry }: MeshView, scope: Scope, service: MeshService): string[] {
  const { hostname } = service;
  const addresses = virtualAddresses(service, scope.autoAddresses)
    .map((address) => (isIP(address) === 6 ? `[${address}]` : address));
  if (!hostname.endsWith(`.svc.${registry.domain}`) || isWildcard(hostname)) return [hostname, ...addresses];
  const short = hostname.slice(0, -(registry.domain.length + 1));
  const isOwn = service.namespace === scope.namespace;
  return [hostname, short, short.slice(0, -'.svc'.length), ...(isOwn ? [service.name] : []), ...addresses];
}

/** Hosts that only rules know: they exist on one port. */
function ruleHosts(
  view: MeshView, scope: Scope, services: readonly MeshService[], rules: VirtualServiceIndex, port: number,
): VirtualHost[] {
  return [...rules.hosts].flatMap((host) => {
    const object = rules.forHost(host);
    if (object === undefined || host === '*' || view.registry.byHost(host) !== undefined) return [];
    // A pattern that fits services has taken effect on them.
    if (services.some(({ hostname }) => hostMatches(host, hostname))) return [];
    const routes = virtualServiceRoutes(view, object, { scope, gateway: MESH_GATEWAY, port });
    if (routes.length === 0) return [];
    return [{
      name: `${host}:${port}`,
      domains: [host, `${host}:${port}`],
      routes,
      includeRequestAttemptCount: true,
    }];
  });
}

/** A domain may stand once in a table: the first virtual host keeps it. */
export function distinctDomains(hosts: readonly VirtualHost[]): VirtualHost[] {
  const seen = new Set<string>();
  return hosts.flatMap((host) => {
    const domains = host.domains.filter((domain) => !seen.has(domain));
    for (const domain of domains) seen.add(domain);
    return domains.length === 0 ? [] : [{ ...host, domains }];
  });
}
