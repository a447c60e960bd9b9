// Filter chains of a gateway's servers that carry bytes: TCP, TLS that ends here, and TLS that goes on by server name.
import type { FilterChain, NetworkFilter } from '../../proxy/config/listener.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { WeightedDestination } from '../model/tcp-route.ts';
import { hostIntersection, hostMatches } from '../registry/hostname.ts';
import { networkAuthorization } from './authorization.ts';
import { networkCustom } from './external-authorization.ts';
import { destinationPolicy, policyTowards } from './destination-policy.ts';
import {
  claimedHosts, gatewayServers, serverKind, serverNames, tableName, type Server,
} from './gateway-server.ts';
import { sniMatch } from './listener-filter.ts';
import { meshTrust } from './mesh-trust.ts';
import type { MeshView } from './mesh-view.ts';
import { serviceClusters, type OutboundCluster } from './outbound-cluster.ts';
import type { ProxyNode } from './proxy-node.ts';
import { clusterSni } from './resource-name.ts';
import { holds, type TableScope } from './rule-scope.ts';
import { knownMesh } from './sidecar-scope.ts';
import { tcpProxy, type TcpTarget } from './tcp-filter.ts';
import { target } from './tcp-route.ts';
import { connectionLogs } from './telemetry.ts';
import { gatewayTls } from './tls-context.ts';
import { boundVirtualServices, hostsOf } from './virtual-service.ts';

/** What mesh clients offer, those of Istio too: where they do, the server name spells a cluster. */
const MESH_ALPN = ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'];

export function connectionChains(view: MeshView, node: ProxyNode, entry: Server): FilterChain[] {
  const kind = serverKind(entry.server);
  if (kind === 'mesh') return meshChains(view, node, entry);
  return kind === 'passthrough' ? nameChains(view, node, entry) : wholeChain(view, node, entry);
}

/** All connections of a server go where the first tcp rule says; none where there is none. */
function wholeChain(view: MeshView, node: ProxyNode, entry: Server): FilterChain[] {
  const { server } = entry;
  for (const { object, table } of claims(view, node, entry)) {
    const rule = (object.body.spec.tcp ?? []).find(({ match = [] }) =>
      match.length === 0 || match.some((one) => holds(one, object, table)));
    if (rule === undefined) continue;
    const filters = filtersTo(view, node, rule.route, object, table);
    if (serverKind(server) === 'tcp' || server.tls === undefined) return [{ name: `tcp.${table.port}`, filters }];
    const transportSocket = gatewayTls(server.tls, meshTrust(view), false);
    return [{ name: tableName(entry), ...sniMatch(serverNames(entry)), filters, transportSocket }];
  }
  return [];
}

/** A chain for each condition of a tls rule, by the names that it and the server have; the first of a name holds. */
function nameChains(view: MeshView, node: ProxyNode, entry: Server): FilterChain[] {
  const taken = new Set<string>();
  return claims(view, node, entry).flatMap(({ object, table, hosts }) =>
    (object.body.spec.tls ?? []).flatMap(({ match, route }, rule) => match.flatMap((one, at) => {
      if (!holds(one, object, table)) return [];
      const both = one.sniHosts.flatMap((name) => hosts.flatMap((host) => hostIntersection(name, host) ?? []));
      const names = [...new Set(both)].filter((name) => !taken.has(name));
      for (const name of names) taken.add(name);
      if (names.length === 0) return [];
      const name = `${tableName(entry)}.${object.namespace}.${object.name}.${rule}.${at}`;
      return [{ name, ...sniMatch(names), filters: filtersTo(view, node, route, object, table) }];
    })));
}

interface Claim {
  readonly object: MeshObject<'VirtualService'>;
  readonly table: TableScope;
  /** What the server and the object have in common. */
  readonly hosts: readonly string[];
}

function claims(view: MeshView, node: ProxyNode, entry: Server): Claim[] {
  const { gateway, server } = entry;
  const bound = `${gateway.namespace}/${gateway.name}`;
  const table = { scope: node, gateway: bound, port: server.port.number };
  return boundVirtualServices(view, node.namespace, bound).flatMap((object) => {
    const hosts = claimedHosts(entry, object.namespace, hostsOf(view, object));
    return hosts.length === 0 ? [] : [{ object, table, hosts }];
  });
}

function filtersTo(
  view: MeshView, node: ProxyNode, route: readonly WeightedDestination[], object: MeshObject<'VirtualService'>,
  { port }: TableScope,
): NetworkFilter[] {
  const [first] = route;
  const policy = first === undefined ? {} : policyTowards(view, node, object.namespace, port, first.destination);
  const to = target(route, { view, scope: node, object, ruleIndex: 0, port });
  const statPrefix = to.cluster ?? `${object.name}.${object.namespace}`;
  return filtersOf(view, node, statPrefix, { ...to, policy });
}

function filtersOf(view: MeshView, node: ProxyNode, statPrefix: string, to: TcpTarget): NetworkFilter[] {
  const judges = [...networkCustom(view, node), ...networkAuthorization(view, node)];
  return [...judges, tcpProxy(statPrefix, to, connectionLogs(view, node, 'CLIENT'))];
}

/** Mesh TLS from elsewhere: the server name is that of a cluster, to whose endpoints the bytes go unopened. */
function meshChains(view: MeshView, node: ProxyNode, entry: Server): FilterChain[] {
  const patterns = serverNames(entry);
  return knownMesh(view, node).services.flatMap((service) => {
    if (service.external || !patterns.some((pattern) => hostMatches(pattern, service.hostname))) return [];
    const policies = destinationPolicy(view, service, node);
    return service.ports.flatMap((port) => ['', ...policies.subsets.keys()].map((subset): FilterChain => {
      const cluster = clusterSni(port.number, subset, service.hostname);
      const policy = policies.forPort(port.number, policies.subsets.get(subset)?.subset);
      return {
        name: cluster,
        filterChainMatch: { serverNames: [cluster], applicationProtocols: [...MESH_ALPN] },
        filters: filtersOf(view, node, cluster, { cluster, policy }),
      };
    }));
  });
}

/** The clusters that meshChains names, which are the services' own but for TLS: what arrives is encrypted already. */
export function meshPassthroughClusters(view: MeshView, node: ProxyNode): OutboundCluster[] {
  const servers = [...gatewayServers(view.inventory, node.labels).values()].flatMap(({ kept }) => kept)
    .filter(({ server }) => serverKind(server) === 'mesh');
  if (servers.length === 0) return [];
  const patterns = servers.flatMap(serverNames);
  return knownMesh(view, node).services
    .filter(({ external, hostname }) => !external && patterns.some((pattern) => hostMatches(pattern, hostname)))
    .flatMap((service) => serviceClusters(view, node, service, 'sni'));
}
