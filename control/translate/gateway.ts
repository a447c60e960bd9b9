// Listeners and routes of a proxy at the edge, from the Gateways that select it and the VirtualServices bound to them.
import type { FilterChain, Listener } from '../../proxy/config/listener.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import { edgeManager } from './edge-manager.ts';
import { connectionChains } from './gateway-connection.ts';
import { apiGatewayResources } from './gateway-api/gateway-listener.ts';
import { gatewayRoutes } from './gateway-route.ts';
import { gatewayServers, serverKind, serverNames, tableName, type Server } from './gateway-server.ts';
import { PROXY_PROTOCOL, sniMatch, TLS_INSPECTOR } from './listener-filter.ts';
import { meshTrust } from './mesh-trust.ts';
import type { MeshView } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';
import { listenerName } from './resource-name.ts';
import { gatewayTls } from './tls-context.ts';

export interface GatewayResources {
  readonly listeners: Listener[];
  readonly routes: RouteConfiguration[];
}

export function gatewayResources(view: MeshView, node: ProxyNode): GatewayResources {
  const listeners: Listener[] = [];
  const routes: RouteConfiguration[] = [];
  const servers = gatewayServers(view.inventory, node.labels);
  for (const [port, { kept }] of servers) {
    const tables = routeTables(view, node, port, kept);
    const listener = gatewayListener(view, node, port, kept, tables.map(({ name = '' }) => name));
    if (listener === undefined) continue;
    routes.push(...tables);
    listeners.push(listener);
  }
  const ofApi = apiGatewayResources(view, node, new Set(servers.keys()));
  return { listeners: [...listeners, ...ofApi.listeners], routes: [...routes, ...ofApi.routes] };
}

/** One for all servers of plaintext HTTP, one for each whose TLS ends here. */
function routeTables(view: MeshView, node: ProxyNode, port: number, servers: readonly Server[]): RouteConfiguration[] {
  const http = servers.filter(({ server }) => serverKind(server) === 'http');
  const https = servers.filter(({ server }) => serverKind(server) === 'https');
  return [
    ...(http.length > 0 ? [gatewayRoutes(view, node, `http.${port}`, port, http)] : []),
    ...https.map((server) => gatewayRoutes(view, node, tableName(server), port, [server])),
  ];
}

/** Without a chain every connection would be closed: where no rule says where bytes go, there is no listener. */
function gatewayListener(
  view: MeshView, node: ProxyNode, port: number, servers: readonly Server[], tables: readonly string[],
): Listener | undefined {
  const bound = node.gatewayPorts.get(port) ?? port;
  const name = listenerName(node.gatewayListen, bound);
  const chains = servers.flatMap((server, at) => {
    const kind = serverKind(server.server);
    // Plaintext servers share a table: the first of them decides how it is served.
    if (kind === 'http') return at === 0 ? [httpChain(view, node, name, tables[0] ?? '', server)] : [];
    return kind === 'https' ? [httpChain(view, node, name, tableName(server), server)]
      : connectionChains(view, node, server);
  });
  if (chains.length === 0) return undefined;
  const first = servers[0]?.server;
  const isPlain = first === undefined || serverKind(first) === 'http' || serverKind(first) === 'tcp';
  const listenerFilters = [...(node.proxyProtocol ? [PROXY_PROTOCOL] : []), ...(isPlain ? [] : [TLS_INSPECTOR])];
  return {
    name,
    address: { socketAddress: { address: node.gatewayListen, portValue: bound } },
    trafficDirection: 'OUTBOUND',
    ...(listenerFilters.length > 0 && { listenerFilters }),
    filterChains: chains,
  };
}

function httpChain(view: MeshView, node: ProxyNode, listener: string, table: string, server: Server): FilterChain {
  const grpcWeb = server.server.port.protocol === 'GRPC-WEB';
  const filters = [edgeManager(view, node, { gateway: server.gateway, listener, table, grpcWeb })];
  const { tls } = server.server;
  if (serverKind(server.server) !== 'https' || tls === undefined) return { name: table, filters };
  return {
    name: table,
    ...sniMatch(serverNames(server)),
    filters,
    transportSocket: gatewayTls(tls, meshTrust(view), true),
  };
}
