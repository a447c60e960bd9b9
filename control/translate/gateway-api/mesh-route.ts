// Routes whose parent is a Service: what a client in the mesh does with requests and connections to it.
import type { Route } from '../../../proxy/config/route.ts';
import { attachments, type RouteObject } from '../../gateway-api/attachment.ts';
import type { RequestRoute } from '../../gateway-api/rule.ts';
import type { Inventory } from '../../model/inventory.ts';
import { serviceHost } from '../../registry/hostname.ts';
import type { MeshService } from '../../registry/service.ts';
import type { MeshView, Scope } from '../mesh-view.ts';
import type { ConnectionWay } from '../tcp-route.ts';
import { connectionTarget, type ConnectionRoute } from './connection-chain.ts';
import { orderedRoutes } from './http-table.ts';

interface Bound {
  readonly route: RouteObject;
  /** Of the Service; undefined is all. */
  readonly port: number | undefined;
}

/** By Service `namespace/name`, the oldest route first. */
function boundRoutes(inventory: Inventory): ReadonlyMap<string, readonly Bound[]> {
  const byService = new Map<string, Bound[]>();
  for (const { route, parents } of inventory.derived(attachments).routes) {
    for (const { service, unaccepted } of parents) {
      if (service === undefined || unaccepted !== undefined) continue;
      const key = `${service.namespace}/${service.name}`;
      byService.set(key, [...byService.get(key) ?? [], { route, port: service.port }]);
    }
  }
  return byService;
}

/**
 * A client's own namespace goes first: its routes stand in place of those that the Service's own namespace has for
 * everybody. Other namespaces' are for their own clients.
 */
function routesFor({ inventory, registry }: MeshView, scope: Scope, service: MeshService, port: number): RouteObject[] {
  const { name, namespace, hostname } = service;
  const bound = inventory.derived(boundRoutes).get(`${namespace}/${name}`);
  if (bound === undefined || hostname !== serviceHost(name, namespace, registry.domain)) return [];
  const here = bound.filter((one) => one.port === undefined || one.port === port).map(({ route }) => route);
  const own = here.filter((route) => route.namespace === scope.namespace);
  return own.length > 0 ? own : here.filter((route) => route.namespace === namespace);
}

/** Undefined without any; with some, what none of them matches is answered 404. */
export function meshRoutes(view: MeshView, scope: Scope, service: MeshService, port: number): Route[] | undefined {
  const routes = routesFor(view, scope, service, port)
    .filter((route): route is RequestRoute => route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute');
  if (routes.length === 0) return undefined;
  return orderedRoutes(view.inventory.derived(attachments), routes, { view, scope, port, scheme: 'http' });
}

/** Of the oldest route of connections; undefined without any. */
export function meshConnection(
  view: MeshView, scope: Scope, service: MeshService, port: number,
): ConnectionWay | undefined {
  const route = routesFor(view, scope, service, port)
    .find((one): one is ConnectionRoute => one.kind === 'TLSRoute' || one.kind === 'TCPRoute');
  const [rule] = route?.body.spec.rules ?? [];
  if (route === undefined || rule === undefined) return undefined;
  const { policy, ...target } = connectionTarget(view, scope, route, rule);
  return { target, policy };
}
