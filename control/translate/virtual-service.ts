// Which VirtualServices hold for a proxy, for which hosts, and the routes that they come to.
import type { Route } from '../../proxy/config/route.ts';
import type { HttpMatch, HttpRule } from '../model/http-route.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { closestHost } from '../registry/hostname.ts';
import { exportedNamespaces, isVisible } from '../registry/service.ts';
import { hasLabels } from '../registry/workload.ts';
import { httpRoute } from './http-route.ts';
import type { MeshView, Scope } from './mesh-view.ts';

/** The name that stands for all sidecars among a rule's gateways. */
export const MESH_GATEWAY = 'mesh';

export type VirtualServiceObject = MeshObject<'VirtualService'>;

/** `namespace/name`; `mesh` stays. */
export function gatewayName(name: string, namespace: string): string {
  return name === MESH_GATEWAY || name.includes('/') ? name.replace(/^\.\//, `${namespace}/`) : `${namespace}/${name}`;
}

export function gatewaysOf(object: VirtualServiceObject): string[] {
  const { gateways = [MESH_GATEWAY] } = object.body.spec;
  return gateways.map((name) => gatewayName(name, object.namespace));
}

/** Full names and patterns that the rules are for. */
export function hostsOf(view: MeshView, object: VirtualServiceObject): string[] {
  return object.body.spec.hosts.map((host) => view.registry.resolve(host, object.namespace));
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
export function virtualServiceRoutes(
  view: MeshView, scope: Scope, object: VirtualServiceObject, gateway: string, port: number,
): Route[] {
  const routes: Route[] = [];
  for (const [ruleIndex, rule] of object.body.spec.http.entries()) {
    for (const match of matchesOf(rule)) {
      if (match !== undefined && !holds(match, scope, object, gateway, port)) continue;
      const route = httpRoute(rule, match, { registry: view.registry, object, ruleIndex, port });
      routes.push(route);
      if (isCatchAll(route)) return routes;
    }
  }
  return routes;
}

function matchesOf(rule: HttpRule): readonly (HttpMatch | undefined)[] {
  return rule.match === undefined || rule.match.length === 0 ? [undefined] : rule.match;
}

/** What is decided when the table is made: which proxies get a rule at all. Gateways go before labels, as in Istio. */
function holds(
  match: HttpMatch, scope: Scope, object: VirtualServiceObject, gateway: string, port: number,
): boolean {
  if (match.port !== undefined && match.port !== port) return false;
  if (match.gateways !== undefined && match.gateways.length > 0) {
    return match.gateways.some((name) => gatewayName(name, object.namespace) === gateway);
  }
  const labels = new Map(Object.entries(match.sourceLabels ?? {}));
  return hasLabels(scope.labels, labels)
    && (match.sourceNamespace === undefined || match.sourceNamespace === scope.namespace);
}

/** Nothing can come after a route that takes every request. */
export function isCatchAll({ match }: Route): boolean {
  return match.prefix === '/' && match.headers === undefined && match.queryParameters === undefined;
}
