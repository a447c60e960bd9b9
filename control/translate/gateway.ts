// Listeners and routes of a proxy at the edge, from the Gateways that select it and the VirtualServices bound to them.
import type { FilterChain, Listener } from '../../proxy/config/listener.ts';
import type { Route, RouteConfiguration, VirtualHost } from '../../proxy/config/route.ts';
import type { GatewayServer } from '../model/gateway.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { hostIntersection } from '../registry/hostname.ts';
import { hasLabels } from '../registry/workload.ts';
import { httpAuthorization } from './authorization.ts';
import { httpFilters } from './http-filter.ts';
import { httpManager } from './http-manager.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { DIRECT_RESPONSE_BYTES_MAX } from './outbound-route.ts';
import type { ProxyNode } from './proxy-node.ts';
import { listenerName } from './resource-name.ts';
import { telemetry } from './telemetry.ts';
import { gatewayTls } from './tls-context.ts';
import { boundVirtualServices, hostsOf, isCatchAll, virtualServiceRoutes } from './virtual-service.ts';

/** One server of a Gateway that selects the proxy. */
interface Server {
  readonly gateway: MeshObject<'Gateway'>;
  readonly server: GatewayServer;
}

export interface GatewayResources {
  readonly listeners: Listener[];
  readonly routes: RouteConfiguration[];
}

export function gatewayResources(view: MeshView, node: ProxyNode): GatewayResources {
  const scope: Scope = node;
  const listeners: Listener[] = [];
  const routes: RouteConfiguration[] = [];
  for (const [port, servers] of serversByPort(view, node)) {
    const http = servers.filter(({ server }) => server.port.protocol !== 'HTTPS');
    // One port speaks one protocol; Istio lets the first decide.
    const isHttp = servers[0]?.server.port.protocol !== 'HTTPS';
    const kept = isHttp ? http : servers.filter((server) => !http.includes(server));
    const tables = isHttp
      ? [routeTable(view, scope, `http.${port}`, port, kept)]
      : kept.map((server) => routeTable(view, scope, tlsTableName(server), port, [server]));
    routes.push(...tables);
    listeners.push(gatewayListener(view, node, port, kept, tables.map(({ name = '' }) => name)));
  }
  return { listeners, routes };
}

function serversByPort(view: MeshView, node: ProxyNode): Map<number, Server[]> {
  const byPort = new Map<number, Server[]>();
  for (const gateway of view.inventory.list('Gateway')) {
    if (!hasLabels(node.labels, new Map(Object.entries(gateway.body.spec.selector ?? {})))) continue;
    for (const server of gateway.body.spec.servers) {
      const servers = byPort.get(server.port.number) ?? [];
      servers.push({ gateway, server });
      byPort.set(server.port.number, servers);
    }
  }
  return byPort;
}

/** `https.443.<port name>.<gateway>.<namespace>` */
function tlsTableName({ gateway, server }: Server): string {
  return `https.${server.port.number}.${server.port.name}.${gateway.name}.${gateway.namespace}`;
}

function gatewayListener(
  view: MeshView, node: ProxyNode, port: number, servers: readonly Server[], tables: readonly string[],
): Listener {
  const bound = node.gatewayPorts.get(port) ?? port;
  const name = listenerName(node.gatewayListen, bound);
  const isTls = servers[0]?.server.port.protocol === 'HTTPS';
  return {
    name,
    address: { socketAddress: { address: node.gatewayListen, portValue: bound } },
    trafficDirection: 'OUTBOUND',
    ...(isTls && {
      listenerFilters: [{
        name: 'envoy.filters.listener.tls_inspector',
        typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
      }],
    }),
    filterChains: tables.map((table, at) => chain(view, node, name, table, servers[at]!)),
  };
}

/** `server` is the table's; where many share one, the first of them, which decides. */
function chain(view: MeshView, node: ProxyNode, listener: string, table: string, server: Server): FilterChain {
  const filters = [httpManager({
    role: 'gateway',
    statPrefix: `outbound_${listener}`,
    filters: httpFilters({
      authorization: httpAuthorization(view, node), isWeft: node.isWeft, isGateway: true,
      grpcWeb: server.server.port.protocol === 'GRPC-WEB',
    }),
    routes: table,
    ...telemetry(view, node, 'CLIENT'),
  })];
  const { tls, port: { protocol } } = server.server;
  if (protocol !== 'HTTPS' || tls === undefined) return { name: table, filters };
  const serverNames = serverHosts(server).map(({ host }) => host).filter((host) => host !== '*');
  return {
    name: table,
    ...(serverNames.length > 0 && { filterChainMatch: { serverNames } }),
    filters,
    transportSocket: gatewayTls(tls),
  };
}

/** `[namespace/]host`: which VirtualServices may claim the host, by their namespace; undefined is any. */
function serverHosts({ gateway, server }: Server): { host: string; namespace: string | undefined }[] {
  return server.hosts.map((text) => {
    const [scope = '', host] = text.split('/');
    if (host === undefined) return { host: text, namespace: undefined };
    return { host, namespace: scope === '*' ? undefined : scope === '.' ? gateway.namespace : scope };
  });
}

function routeTable(
  view: MeshView, scope: Scope, name: string, port: number, servers: readonly Server[],
): RouteConfiguration {
  const byHost = new Map<string, Route[]>();
  for (const entry of servers) addRoutes(view, scope, port, entry, byHost);
  const virtualHosts: VirtualHost[] = [...byHost].map(([host, routes]) => ({
    name: `${host}:${port}`,
    domains: [host],
    routes: catchAllLast(routes),
    includeRequestAttemptCount: true,
  }));
  // A host that nobody claims is 404, as in Istio.
  if (virtualHosts.length === 0) virtualHosts.push({ name: `blackhole:${port}`, domains: ['*'] });
  return {
    name,
    virtualHosts,
    validateClusters: false,
    ignorePortInHostMatching: true,
    maxDirectResponseBodySizeBytes: DIRECT_RESPONSE_BYTES_MAX,
  };
}

/** Routes of all rules that claim a host here add up, in the order of the objects. */
function addRoutes(view: MeshView, scope: Scope, port: number, entry: Server, byHost: Map<string, Route[]>): void {
  const { gateway, server } = entry;
  const hosts = serverHosts(entry);
  if (server.tls?.httpsRedirect === true) {
    for (const { host } of hosts) byHost.set(host, [TO_HTTPS]);
    return;
  }
  const bound = `${gateway.namespace}/${gateway.name}`;
  for (const object of boundVirtualServices(view, scope.namespace, bound)) {
    const routes = virtualServiceRoutes(view, object, { scope, gateway: bound, port });
    const claimed = hostsOf(view, object).flatMap((own) => hosts.flatMap(({ host, namespace }) => {
      const mayClaim = namespace === undefined || namespace === object.namespace;
      return (mayClaim ? hostIntersection(host, own) : undefined) ?? [];
    }));
    for (const host of new Set(claimed)) byHost.set(host, [...byHost.get(host) ?? [], ...routes]);
  }
}

const TO_HTTPS: Route = { name: 'https-redirect', match: { prefix: '/' }, redirect: { httpsRedirect: true } };

/** A route that takes everything must not hide those of a later object. */
function catchAllLast(routes: readonly Route[]): Route[] {
  return [...routes.filter((route) => !isCatchAll(route)), ...routes.filter(isCatchAll)];
}
