// Which VirtualServices hold for a proxy, for which hosts, and the routes that they come to.
import type { Route } from '../../proxy/config/route.ts';
import type { HttpMatch, HttpRule } from '../model/http-route.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { closestHost } from '../registry/hostname.ts';
import { exportedNamespaces, isVisible } from '../registry/service.ts';
import { placedRules } from './delegate.ts';
import { httpRoute } from './http-route.ts';
import type { MeshView } from './mesh-view.ts';
import { gatewayName, holds, MESH_GATEWAY, type TableScope } from './rule-scope.ts';

export type VirtualServiceObject = MeshObject<'VirtualService'>;

export function gatewaysOf(object: VirtualServiceObject): string[] {
  const { gateways = [MESH_GATEWAY] } = object.body.spec;
  return gateways.map((name) => gatewayName(name, object.namespace));
}

/** Full names and patterns that the rules are for. */
export function hostsOf(view: MeshView, object: VirtualServiceObject): string[] {
  return (object.body.spec.hosts ?? []).map((host) => view.registry.resolve(host, object.namespace));
}

/** Those that are visible from a namespace and bound to a gateway. */
export function boundVirtualServices(view: MeshView, namespace: string, gateway: string): VirtualServiceObject[] {
  return view.inventory.list('VirtualService').filter((object) =>
    isVisible(exportedNamespaces(object.body.spec.exportTo, object.namespace), namespace)
    && gatewaysOf(object).includes(gateway));
}

/** VirtualServices by host: the first holds where several claim one (Istio: the oldest). */
export class VirtualServiceIndex {
  readonly #byHost = new Map<string, VirtualServiceObject>();

  constructor(view: MeshView, objects: readonly VirtualServiceObject[]) {
    for (const object of objects) {
      for (const host of hostsOf(view, object)) if (!this.#byHost.has(host)) this.#byHost.set(host, object);
    }
  }

  /** The one whose host fits most closely. */
  forHost(host: string): VirtualServiceObject | undefined {
    const closest = closestHost(this.#byHost.keys(), host);
    return closest === undefined ? undefined : this.#byHost.get(closest);
  }

  get hosts(): Iterable<string> {
    return this.#byHost.keys();
  }
}

/** Routes of the rules that hold for this caller, gateway and port; what comes after a catch-all is left out. */
export function virtualServiceRoutes(view: MeshView, object: VirtualServiceObject, table: TableScope): Route[] {
  const routes: Route[] = [];
  for (const { rule, object: home, ruleIndex } of placedRules(view, object)) {
    for (const match of matchesOf(rule)) {
      if (match !== undefined && !holds(match, home, table)) continue;
      const route = httpRoute(rule, match, { view, scope: table.scope, object: home, ruleIndex, port: table.port });
      routes.push(route);
      if (isCatchAll(route)) return routes;
    }
  }
  return routes;
}

function matchesOf(rule: HttpRule): readonly (HttpMatch | undefined)[] {
  return rule.match === undefined || rule.match.length === 0 ? [undefined] : rule.match;
}

/** Nothing can come after a route that takes every request. */
export function isCatchAll({ match }: Route): boolean {
  return match.prefix === '/' && Object.keys(match).every((field) => field === 'prefix' || field === 'caseSensitive');
}
