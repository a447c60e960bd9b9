// Which of the Gateway API's objects goes first where several claim one thing: the oldest, then by namespace and name.
import type { MeshObject } from '../model/mesh-object.ts';

/** Those of unknown age come first, as everywhere in the mesh. */
export function byAge(one: MeshObject, other: MeshObject): number {
  const age = (one.createdMs ?? 0) - (other.createdMs ?? 0);
  if (age !== 0) return age;
  const [first, second] = [`${one.namespace}/${one.name}`, `${other.namespace}/${other.name}`];
  return first < second ? -1 : first > second ? 1 : 0;
}
