// Filter chains of a Gateway's listeners of TLS and TCP: connections by server name to the backends of routes.
import type { FilterChain, NetworkFilter } from '../../../proxy/config/listener.ts';
import { attachments, routesAt, type RouteObject } from '../../gateway-api/attachment.ts';
import { backendOf, isBackend } from '../../gateway-api/backend.ts';
import { isTerminating, type GatewayListener } from '../../gateway-api/listener.ts';
import type { ConnectionRule } from '../../model/gateway-api/connection-route.ts';
import type { MeshObject } from '../../model/mesh-object.ts';
import { closestHost, serviceHost } from '../../registry/hostname.ts';
import { networkAuthorization } from '../authorization.ts';
import { policyTowards, type PortPolicy } from '../destination-policy.ts';
import { networkCustom } from '../external-authorization.ts';
import { sniMatch } from '../listener-filter.ts';
import type { MeshView, Scope } from '../mesh-view.ts';
import type { ProxyNode } from '../proxy-node.ts';
import { outboundCluster } from '../resource-name.ts';
import { tcpProxy, type TcpTarget } from '../tcp-filter.ts';
import { connectionLogs } from '../telemetry.ts';
import { hostOf } from './http-table.ts';
import { listenerTls } from './listener-tls.ts';
import { INVALID_BACKEND } from './rule-route.ts';

export type ConnectionRoute = MeshObject<'TLSRoute'> | MeshObject<'TCPRoute'>;

/** A chain for each host; without a route there is none, and connections are closed. */
export function connectionChains(
  view: MeshView, node: ProxyNode, listener: GatewayListener, all: readonly GatewayListener[],
): FilterChain[] {
  const taken = new Set<string>();
  return routesAt(view.inventory.derived(attachments), listener).flatMap(({ route, hosts }) => {
    const own = hosts.filter((host) => !taken.has(host) && closestHost(all.map(hostOf), host) === hostOf(listener));
    for (const host of own) taken.add(host);
    const [rule] = (route as ConnectionRoute).body.spec.rules;
    if (own.length === 0 || rule === undefined) return [];
    const { port, protocol } = listener.listener;
    return [{
      name: `${protocol.toLowerCase()}.${port}.${listener.listener.name}.${route.namespace}.${route.name}`,
      ...(protocol === 'TLS' && sniMatch(own)),
      filters: filtersTo(view, node, route, rule),
      ...(isTerminating(listener.listener) && { transportSocket: listenerTls(listener, false) }),
    }];
  });
}

function filtersTo(view: MeshView, node: ProxyNode, route: RouteObject, rule: ConnectionRule): NetworkFilter[] {
  const judges = [...networkCustom(view, node), ...networkAuthorization(view, node)];
  const to = connectionTarget(view, node, route, rule);
  const statPrefix = to.cluster ?? `${route.name}.${route.namespace}`;
  return [...judges, tcpProxy(statPrefix, to, connectionLogs(view, node, 'CLIENT'))];
}

/** The share of a backend that cannot be had is closed. The first one's policy is the connection's. */
export function connectionTarget(
  view: MeshView, scope: Scope, route: RouteObject, { backendRefs }: ConnectionRule,
): TcpTarget {
  let policy: PortPolicy | undefined;
  const clusters = backendRefs.filter(({ weight = 1 }) => weight > 0).map((ref) => {
    const { weight = 1 } = ref;
    const found = backendOf(view.inventory, route, ref);
    if (!isBackend(found)) return { name: INVALID_BACKEND, weight };
    const host = serviceHost(found.name, found.namespace, view.registry.domain);
    policy ??= policyTowards(view, scope, route.namespace, found.port, { host, port: { number: found.port } });
    return { name: outboundCluster(found.port, '', host), weight };
  });
  const [only] = clusters;
  return {
    ...(clusters.length > 1 ? { weightedClusters: { clusters } } : { cluster: only?.name ?? INVALID_BACKEND }),
    policy: policy ?? {},
  };
}
