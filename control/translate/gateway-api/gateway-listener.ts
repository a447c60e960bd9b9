// Listeners and route tables of a proxy that is a Gateway of the Gateway API, one listener for each port.
import type { FilterChain, Listener } from '../../../proxy/config/listener.ts';
import type { RouteConfiguration } from '../../../proxy/config/route.ts';
import { attachments } from '../../gateway-api/attachment.ts';
import { isProgrammed, type GatewayListener } from '../../gateway-api/listener.ts';
import { edgeManager } from '../edge-manager.ts';
import { PROXY_PROTOCOL, sniMatch, TLS_INSPECTOR } from '../listener-filter.ts';
import type { MeshView } from '../mesh-view.ts';
import type { ProxyNode } from '../proxy-node.ts';
import { listenerName } from '../resource-name.ts';
import { connectionChains } from './connection-chain.ts';
import { gatewaysAt } from './gateway-proxy.ts';
import { hostOf, listenerRoutes } from './http-table.ts';
import { listenerTls } from './listener-tls.ts';

export interface ApiGatewayResources {
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
}

/** `taken` are ports that Istio's Gateways have, which keep them. */
export function apiGatewayResources(view: MeshView, node: ProxyNode, taken: ReadonlySet<number>): ApiGatewayResources {
  const made = { listeners: [] as Listener[], routes: [] as RouteConfiguration[] };
  for (const [port, listeners] of listenersByPort(view, node)) {
    if (taken.has(port)) continue;
    const tables = tablesOf(view, node, port, listeners);
    const chains = [...tables.map(({ chain }) => chain), ...listeners.flatMap((one) => (
      isHttp(one) ? [] : connectionChains(view, node, one, listeners)))];
    if (chains.length === 0) continue;
    made.routes.push(...tables.map(({ table }) => table));
    made.listeners.push(listenerAt(node, port, chains, listeners));
  }
  return made;
}

/** The first Gateway's go first where several share a proxy: what conflicts with them is left out. */
function listenersByPort(view: MeshView, node: ProxyNode): Map<number, GatewayListener[]> {
  const { listeners } = view.inventory.derived(attachments);
  const byPort = new Map<number, GatewayListener[]>();
  for (const one of gatewaysAt(view, node).flatMap((gateway) => listeners.get(gateway) ?? []).filter(isProgrammed)) {
    const { port, protocol } = one.listener;
    const there = byPort.get(port) ?? [];
    const [first] = there;
    const isSame = first === undefined || isTls(first) === isTls(one)
      && (first.listener.protocol === protocol || isTls(one));
    if (!isSame || (protocol === 'TCP' && first !== undefined)) continue;
    if (there.some((other) => other.gateway !== one.gateway && hostOf(other) === hostOf(one) && isTls(one))) continue;
    byPort.set(port, [...there, one]);
  }
  return byPort;
}

function isHttp({ listener: { protocol } }: GatewayListener): boolean {
  return protocol === 'HTTP' || protocol === 'HTTPS';
}

function isTls({ listener: { protocol } }: GatewayListener): boolean {
  return protocol === 'HTTPS' || protocol === 'TLS';
}

interface Table {
  readonly table: RouteConfiguration;
  readonly chain: FilterChain;
}

/** One for all listeners of plaintext HTTP, one for each of HTTPS. */
function tablesOf(view: MeshView, node: ProxyNode, port: number, listeners: readonly GatewayListener[]): Table[] {
  const http = listeners.filter(isHttp);
  const [first] = http;
  if (first === undefined) return [];
  if (!isTls(first)) {
    const table = listenerRoutes(`http.${port}`, http, http, { view, scope: node, port, scheme: 'http' });
    return [{ table, chain: chainOf(view, node, first, `http.${port}`) }];
  }
  return http.map((one) => {
    const { listener: { name }, owner } = one;
    const title = `https.${port}.${name}.${owner.name}.${owner.namespace}`;
    const table = listenerRoutes(title, [one], listeners, { view, scope: node, port, scheme: 'https' });
    const chain = chainOf(view, node, one, title);
    return { table, chain: { ...chain, ...sniMatch([hostOf(one)]), transportSocket: listenerTls(one, true) } };
  });
}

function chainOf(view: MeshView, node: ProxyNode, { gateway, listener }: GatewayListener, table: string): FilterChain {
  const bound = node.gatewayPorts.get(listener.port) ?? listener.port;
  const name = listenerName(node.gatewayListen, bound);
  return { name: table, filters: [edgeManager(view, node, { gateway, listener: name, table, grpcWeb: false })] };
}

function listenerAt(
  node: ProxyNode, port: number, filterChains: FilterChain[], [first]: readonly GatewayListener[],
): Listener {
  const bound = node.gatewayPorts.get(port) ?? port;
  const inspects = first !== undefined && isTls(first);
  const listenerFilters = [...(node.proxyProtocol ? [PROXY_PROTOCOL] : []), ...(inspects ? [TLS_INSPECTOR] : [])];
  return {
    name: listenerName(node.gatewayListen, bound),
    address: { socketAddress: { address: node.gatewayListen, portValue: bound } },
    trafficDirection: 'OUTBOUND',
    ...(listenerFilters.length > 0 && { listenerFilters }),
    filterChains,
  };
}
