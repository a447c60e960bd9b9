// Route tables of a gateway: which hosts its servers and the VirtualServices bound to them have in common.
import type { Route, RouteConfiguration, VirtualHost } from '../../proxy/config/route.ts';
import { claimedHosts, serverNames, type Server } from './gateway-server.ts';
import { withCredentials } from './egress-credential.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { DIRECT_RESPONSE_BYTES_MAX } from './http-route.ts';
import { boundVirtualServices, hostsOf, isCatchAll, virtualServiceRoutes } from './virtual-service.ts';

export function gatewayRoutes(
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
    virtualHosts: withCredentials(view, scope, virtualHosts),
    validateClusters: false,
    ignorePortInHostMatching: true,
    maxDirectResponseBodySizeBytes: DIRECT_RESPONSE_BYTES_MAX,
  };
}

/** Routes of all rules that claim a host here add up, in the order of the objects. */
function addRoutes(view: MeshView, scope: Scope, port: number, entry: Server, byHost: Map<string, Route[]>): void {
  const { gateway, server } = entry;
  if (server.tls?.httpsRedirect === true) {
    for (const host of serverNames(entry)) byHost.set(host, [TO_HTTPS]);
    return;
  }
  const bound = `${gateway.namespace}/${gateway.name}`;
  for (const object of boundVirtualServices(view, scope.namespace, bound)) {
    const routes = virtualServiceRoutes(view, object, { scope, gateway: bound, port });
    for (const host of claimedHosts(entry, object.namespace, hostsOf(view, object))) {
      byHost.set(host, [...byHost.get(host) ?? [], ...routes]);
    }
  }
}

const TO_HTTPS: Route = { name: 'https-redirect', match: { prefix: '/' }, redirect: { httpsRedirect: true } };

/** A route that takes everything must not hide those of a later object. */
function catchAllLast(routes: readonly Route[]): Route[] {
  return [...routes.filter((route) => !isCatchAll(route)), ...routes.filter(isCatchAll)];
}
