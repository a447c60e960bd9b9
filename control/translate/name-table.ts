// What the names of the mesh mean to one proxy's application: Istio's name table, for its DNS proxy.
import { isIP } from 'node:net';
import type { NameInfo, NameTable } from '../../proxy/config/name-table.ts';
import { serviceHost } from '../registry/hostname.ts';
import { virtualAddresses, type MeshService } from '../registry/service.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { knownMesh } from './sidecar-scope.ts';

/** Services that have addresses; of all other names the pod's own resolvers know. */
export function nameTable(view: MeshView, scope: Scope): NameTable {
  const table = Object.create(null) as Record<string, NameInfo>;
  for (const service of knownMesh(view, scope).services) {
    const ips = clientAddresses(service, scope);
    if (ips.length > 0) table[service.hostname] = { ips: [...ips], ...registryOf(view, service) };
  }
  return { table };
}

/** Virtual ones, or where a service has none those of its workloads: clients of headless services call them. */
export function clientAddresses(service: MeshService, { autoAddresses }: Scope): readonly string[] {
  const own = virtualAddresses(service, autoAddresses);
  if (own.length > 0 || service.resolution !== 'static') return own;
  return [...new Set(service.endpoints.map(({ address }) => address).filter((address) => isIP(address) !== 0))];
}

/** Short forms are for services that Kubernetes would know. */
function registryOf({ registry }: MeshView, { hostname, name, namespace }: MeshService): NameInfo {
  if (hostname !== serviceHost(name, namespace, registry.domain)) return { registry: 'External' };
  return { registry: 'Kubernetes', shortname: name, namespace };
}
