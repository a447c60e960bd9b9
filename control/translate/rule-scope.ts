// What is decided of a rule's conditions when a table is made: which proxies, gateways and ports get it at all.
import type { MeshObject } from '../model/mesh-object.ts';
import { hasLabels } from '../registry/workload.ts';
import type { Scope } from './mesh-view.ts';

/** The name that stands for all sidecars among a rule's gateways. */
export const MESH_GATEWAY = 'mesh';

/** The part of each kind of match that no request can change. */
export interface StaticMatch {
  readonly port?: number;
  readonly gateways?: readonly string[];
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string;
}

/** For whom a table is made. */
export interface TableScope {
  readonly scope: Scope;
  readonly gateway: string;
  readonly port: number;
}

/** `namespace/name`; `mesh` stays. */
export function gatewayName(name: string, namespace: string): string {
  return name === MESH_GATEWAY || name.includes('/') ? name.replace(/^\.\//, `${namespace}/`) : `${namespace}/${name}`;
}

/** Gateways go before labels, as in Istio. */
export function holds(match: StaticMatch, object: MeshObject, { scope, gateway, port }: TableScope): boolean {
  if (match.port !== undefined && match.port !== port) return false;
  if (match.gateways !== undefined && match.gateways.length > 0) {
    return match.gateways.some((name) => gatewayName(name, object.namespace) === gateway);
  }
  const labels = new Map(Object.entries(match.sourceLabels ?? {}));
  return hasLabels(scope.labels, labels)
    && (match.sourceNamespace === undefined || match.sourceNamespace === scope.namespace);
}
