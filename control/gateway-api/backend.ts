// Backends that routes name: a Service and its port, or why it is none.
import { GATEWAY_GROUP, type BackendRef } from '../model/gateway-api/reference.ts';
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { Fault } from './condition.ts';
import type { RouteKind } from './listener.ts';
import { mayRefer, notPermitted } from './reference-grant.ts';

export interface Backend {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export function isBackend(found: Backend | Fault): found is Backend {
  return 'port' in found;
}

export function backendOf(
  inventory: Inventory, route: MeshObject<RouteKind>,
    { group = '', kind = 'Service', name, namespace, port }: BackendRef,
): Backend | Fault {
  const where = namespace ?? route.namespace;
  if (group !== '' || kind !== 'Service') {
    return { reason: 'InvalidKind',
      message: `backend ${name}: ${group === '' ? '' : `${group} `}${kind} is no Service` };
  }
  const from = { group: GATEWAY_GROUP, kind: route.kind, namespace: route.namespace };
  const to = { group: '', kind: 'Service', namespace: where, name };
  if (!mayRefer(inventory, from, to)) return notPermitted(from, to);
  const service = inventory.get('Service', where, name);
  if (service === undefined) return { reason: 'BackendNotFound', message: `no Service ${where}/${name}` };
  const isServed = (service.body.spec.ports ?? []).some((one) => one.port === port && one.protocol !== 'UDP');
  if (port !== undefined && isServed) return { namespace: where, name, port };
  return { reason: 'BackendNotFound', message: `Service ${where}/${name} has no port ${port ?? 0} of TCP` };
}

/** All that a route's rules name and that can be had. */
export function backendsOf(inventory: Inventory, route: MeshObject<RouteKind>): Backend[] {
  const rules = (route.body.spec.rules ?? []) as readonly { readonly backendRefs?: readonly BackendRef[] }[];
  return rules.flatMap(({ backendRefs = [] }) => backendRefs).map((ref) => backendOf(inventory, route, ref))
    .filter(isBackend);
}
