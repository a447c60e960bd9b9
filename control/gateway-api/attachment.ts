// Which routes are attached to which listeners and Services, for which hosts, and why others are not.
import { GATEWAY_GROUP, type ParentRef } from '../model/gateway-api/reference.ts';
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { hostIntersection } from '../registry/hostname.ts';
import { backendOf, isBackend } from './backend.ts';
import type { Fault } from './condition.ts';
import {
  admits, gatewayListeners, type GatewayListener, type GatewayObject, type ListenerOwner, type RouteKind,
} from './listener.ts';
import { byAge } from './precedence.ts';
import { rulesOf, unsupported, type RequestRoute } from './rule.ts';

export type RouteObject = MeshObject<RouteKind>;

/** One listener that takes a route, and the hosts that they have in common; `*` is all. */
export interface Attached {
  readonly listener: GatewayListener;
  readonly hosts: readonly string[];
}

/** A Service of the mesh as a parent; without a port it is all of them. */
export interface ServiceParent {
  readonly namespace: string;
  readonly name: string;
  readonly port: number | undefined;
}

/** One of a route's parents, where it is this controller's. */
export interface RouteParent {
  readonly ref: ParentRef;
  readonly attached: readonly Attached[];
  readonly service: ServiceParent | undefined;
  readonly unaccepted: Fault | undefined;
}

export interface RouteAttachment {
  readonly route: RouteObject;
  readonly parents: readonly RouteParent[];
  /** First of what its rules name and cannot be had. */
  readonly unresolved: Fault | undefined;
  /** Rules that are left out, each with the reason. */
  readonly dropped: ReadonlyMap<number, string>;
}

export interface Attachments {
  readonly listeners: ReadonlyMap<GatewayObject, readonly GatewayListener[]>;
  /** The oldest first. */
  readonly routes: readonly RouteAttachment[];
}

const KINDS: readonly RouteKind[] = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute'];

/** For `Inventory.derived`: worked out once. */
export function attachments(inventory: Inventory): Attachments {
  const listeners = gatewayListeners(inventory);
  const routes = KINDS.flatMap((kind): readonly RouteObject[] => inventory.list(kind)).toSorted(byAge);
  const taken = new HostClaims();
  const claims = new ServiceClaims(routes);
  return {
    listeners,
    routes: routes.map((route) => {
      const dropped = droppedRules(route);
      const isWhole = dropped.size > 0 && dropped.size === ruleCount(route);
      const parents = (route.body.spec.parentRefs ?? []).flatMap((ref): RouteParent[] => {
        const parent = parentOf(inventory, listeners, route, ref, claims);
        if (parent === undefined) return [];
        if (!isWhole) return [taken.settle(route, parent)];
        const message = [...dropped.values()].join('; ');
        return [{ ...parent, attached: [], unaccepted: parent.unaccepted ?? { reason: 'UnsupportedValue', message } }];
      });
      return { route, parents, unresolved: firstUnresolved(inventory, route), dropped };
    }),
  };
}

function isRequestRoute(route: RouteObject): route is RequestRoute {
  return route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute';
}

function ruleCount(route: RouteObject): number {
  return isRequestRoute(route) ? rulesOf(route).length : route.body.spec.rules?.length ?? 0;
}

function droppedRules(route: RouteObject): Map<number, string> {
  if (!isRequestRoute(route)) return new Map();
  return new Map(rulesOf(route).flatMap((rule): [number, string][] => {
    const reason = unsupported(rule);
    return reason === undefined ? [] : [[rule.index, reason]];
  }));
}

function firstUnresolved(inventory: Inventory, route: RouteObject): Fault | undefined {
  if (!isRequestRoute(route)) {
    const refs = (route as MeshObject<'TCPRoute'>).body.spec.rules.flatMap(({ backendRefs }) => backendRefs);
    return refs.map((ref) => backendOf(inventory, route, ref)).find((found) => !isBackend(found)) as Fault | undefined;
  }
  for (const { backendRefs, filters } of rulesOf(route)) {
    const all = [...filters, ...backendRefs.flatMap((backend) => backend.filters ?? [])];
    const extension = all.find(({ type }) => type === 'ExtensionRef')?.extensionRef;
    if (extension !== undefined) {
      return { reason: 'InvalidKind', message: `filter ${extension.kind} ${extension.name}: no such filter is known` };
    }
    const mirrored = filters.flatMap(({ requestMirror }) => requestMirror?.backendRef ?? []);
    for (const ref of [...backendRefs, ...mirrored]) {
      const found = backendOf(inventory, route, ref);
      if (!isBackend(found)) return found;
    }
  }
  return undefined;
}

/** Undefined where the parent is another controller's, or not there. */
function parentOf(
  inventory: Inventory, listeners: Attachments['listeners'], route: RouteObject, ref: ParentRef, claims: ServiceClaims,
): RouteParent | undefined {
  const { group = GATEWAY_GROUP, kind = 'Gateway', name, namespace = route.namespace, port } = ref;
  if (group === '' && kind === 'Service') {
    const service = inventory.get('Service', namespace, name);
    if (service === undefined) return undefined;
    return { ref, attached: [], service: { namespace, name, port }, unaccepted: claims.fault(route, service, port) };
  }
  if (group !== GATEWAY_GROUP || (kind !== 'Gateway' && kind !== 'ListenerSet')) return undefined;
  const owner: ListenerOwner | undefined = kind === 'Gateway' ? inventory.get('KubernetesGateway', namespace, name)
    : inventory.get('ListenerSet', namespace, name);
  const own = [...listeners.values()].flat().filter((one) => one.owner === owner);
  if (owner === undefined || own.length === 0) return undefined;
  const found = attach(inventory, route, ref, own);
  return 'reason' in found ? { ref, attached: [], service: undefined, unaccepted: found }
    : { ref, attached: found.attached, service: undefined, unaccepted: undefined };
}

function attach(
  inventory: Inventory, route: RouteObject, { sectionName, port }: ParentRef, own: readonly GatewayListener[],
): Fault | { attached: Attached[] } {
  const named = own.filter(({ listener }) => (sectionName === undefined || listener.name === sectionName)
    && (port === undefined || listener.port === port));
  if (named.length === 0) {
    return { reason: 'NoMatchingParent',
      message: `no listener ${sectionName ?? ''} with port ${port ?? 'of any number'}` };
  }
  const open = named.filter(({ kinds, listener, owner }) => kinds.includes(route.kind)
    && admits(inventory, listener.allowedRoutes?.namespaces ?? {}, owner.namespace, route.namespace));
  if (open.length === 0) {
    return {
      reason: 'NotAllowedByListeners', message: `no listener takes a ${route.kind} of namespace ${route.namespace}`,
    };
  }
  const attached = open.flatMap((listener) => {
    const hosts = commonHosts(route, listener);
    return hosts.length === 0 ? [] : [{ listener, hosts }];
  });
  if (attached.length > 0) return { attached };
  return { reason: 'NoMatchingListenerHostname', message: 'no listener has one of its hostnames' };
}

function commonHosts(route: RouteObject, { listener: { hostname = '*' } }: GatewayListener): string[] {
  const { hostnames = [] } = route.body.spec as { hostnames?: string[] };
  if (hostnames.length === 0) return [hostname];
  return [...new Set(hostnames.flatMap((host) => hostIntersection(hostname, host) ?? []))];
}

/** A listener has routes of HTTP or of gRPC for one host, not both: the oldest decides. */
class HostClaims {
  readonly #kinds = new Map<string, RouteKind>();

  settle(route: RouteObject, parent: RouteParent): RouteParent {
    if (!isRequestRoute(route)) return parent;
    const lost = parent.attached.find(({ listener, hosts }) => hosts.some((host) => {
      const key = JSON.stringify([listener.owner.kind, listener.owner.namespace, listener.owner.name, listener.index,
        host]);
      const kind = this.#kinds.get(key) ?? route.kind;
      this.#kinds.set(key, kind);
      return kind !== route.kind;
    }));
    if (lost === undefined) return parent;
    const message = `listener ${lost.listener.listener.name} has an older route of another kind for its hosts`;
    return { ...parent, attached: [], unaccepted: { reason: 'Conflicted', message } };
  }
}

/** One port of a Service has routes of one kind: the first of GRPCRoute, HTTPRoute, TLSRoute and TCPRoute. */
class ServiceClaims {
  static readonly #ORDER: readonly RouteKind[] = ['GRPCRoute', 'HTTPRoute', 'TLSRoute', 'TCPRoute'];
  readonly #kinds = new Map<string, RouteKind>();

  constructor(routes: readonly RouteObject[]) {
    const order = ServiceClaims.#ORDER;
    for (const route of routes.toSorted((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind))) {
      for (const { group, kind, name, namespace = route.namespace, port } of route.body.spec.parentRefs ?? []) {
        if (group !== '' || kind !== 'Service') continue;
        const key = `${namespace}/${name}:${port ?? ''}`;
        if (!this.#kinds.has(key)) this.#kinds.set(key, route.kind);
      }
    }
  }

  fault(route: RouteObject, service: MeshObject<'Service'>, port: number | undefined): Fault | undefined {
    const { namespace, name } = service;
    if (port !== undefined && !(service.body.spec.ports ?? []).some((one) => one.port === port)) {
      return { reason: 'NoMatchingParent', message: `Service ${namespace}/${name} has no port ${port}` };
    }
    const keys = [`${namespace}/${name}:${port ?? ''}`, ...(port === undefined ? [] : [`${namespace}/${name}:`])];
    const order = ServiceClaims.#ORDER;
    const winner = keys.flatMap((key) => this.#kinds.get(key) ?? [])
      .find((kind) => order.indexOf(kind) < order.indexOf(route.kind));
    return winner === undefined ? undefined
      : { reason: 'Conflicted', message: `Service ${namespace}/${name} has a ${winner} there, which goes first` };
  }
}

/** Routes that one listener takes. */
export function routesAt(
  { routes }: Attachments, at: GatewayListener,
): { readonly route: RouteObject; readonly hosts: readonly string[] }[] {
  return routes.flatMap(({ route, parents }) => {
    const hosts = new Set(parents.flatMap(({ attached }) =>
      attached.filter(({ listener }) => listener === at).flatMap((one) => one.hosts)));
    return hosts.size === 0 ? [] : [{ route, hosts: [...hosts] }];
  });
}
