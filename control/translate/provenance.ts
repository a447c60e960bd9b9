// Where a resource came from, carried in its metadata: Istio's path of the object, and file:line.
import type { Metadata } from '../../proxy/config/node.ts';
import { placeOf, type MeshObject, type Origin } from '../model/mesh-object.ts';
import { KINDS } from '../model/kind.ts';

/** `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews`, as Istio writes it. */
export function configPath(object: Pick<MeshObject, 'kind' | 'name' | 'namespace'>): string {
  const kind = KINDS[object.kind];
  const dashed = object.kind.replace(/([a-z])([A-Z])/g, '$1-$2').toLowerCase();
  const base = kind.group === '' ? '/api/v1' : `/apis/${kind.group}/${kind.versions[0] ?? 'v1'}`;
  return `${base}/namespaces/${object.namespace}/${dashed}/${object.name}`;
}

/** filter_metadata.istio of a resource made from `object`, from its part that stands at `at`. */
export function provenance(object: MeshObject, at: Origin): Metadata {
  return { filterMetadata: { istio: { config: configPath(object), source: placeOf(at) } } };
}
