// All objects of the configuration, by kind and by name; immutable once made.
import { KINDS, type KindName } from './kind.ts';
import { atOnce, type Steps } from './steps.ts';
import { titleOf, type MeshObject } from './mesh-object.ts';

export class Inventory {
  readonly #byKind = new Map<KindName, MeshObject[]>();
  readonly #byTitle = new Map<string, MeshObject>();

  readonly #derived = new Map<unknown, unknown>();
  /** Of what some of that was made, where it is known. */
  readonly #kindsOf = new Map<unknown, readonly KindName[]>();

  /**
   * The first of a name holds. Rules of a kind stand in Istio's order, in which the first wins where they conflict: by
   * age, those of unknown age first, then by name and namespace. Names of files have no part in it.
   */
  constructor(objects: Iterable<MeshObject>) {
    atOnce(this.#fill(objects));
  }

  /** The same, a little at a time. What derivedSteps() gave `before` stays where none of its kinds is `changed`. */
  static * steps(
    objects: Iterable<MeshObject>, before?: Inventory, changed?: ReadonlySet<KindName>,
  ): Steps<Inventory> {
    const inventory = new Inventory([]);
    yield* inventory.#fill(objects);
    if (before === undefined || changed === undefined) return inventory;
    for (const [derive, kinds] of before.#kindsOf) {
      if (kinds.some((kind) => changed.has(kind))) continue;
      inventory.#kindsOf.set(derive, kinds);
      inventory.#derived.set(derive, before.#derived.get(derive));
    }
    return inventory;
  }

  list<K extends KindName>(kind: K): readonly MeshObject<K>[] {
    return (this.#byKind.get(kind) ?? []) as MeshObject[] as MeshObject<K>[];
  }

  get<K extends KindName>(kind: K, namespace: string, name: string): MeshObject<K> | undefined {
    return this.#byTitle.get(titleOf({ kind, namespace, name })) as MeshObject | undefined as MeshObject<K> | undefined;
  }

  /** What follows from the objects alone, worked out once. */
  derived<T>(derive: (inventory: Inventory) => T): T {
    if (!this.#derived.has(derive)) this.#derived.set(derive, derive(this));
    return this.#derived.get(derive) as T;
  }

  /** Like derived(), a little at a time. `kinds` are all that it is made of. */
  * derivedSteps<T>(
    derive: (inventory: Inventory) => T, steps: (inventory: Inventory) => Steps<T>, kinds: readonly KindName[],
  ): Steps<T> {
    if (!this.#derived.has(derive)) this.#derived.set(derive, yield* steps(this));
    this.#kindsOf.set(derive, kinds);
    return this.#derived.get(derive) as T;
  }

  get size(): number {
    return this.#byTitle.size;
  }

  * #fill(objects: Iterable<MeshObject>): Steps<void> {
    for (const kind of Object.keys(KINDS)) this.#byKind.set(kind as KindName, []);
    for (const object of objects) {
      yield;
      const title = titleOf(object);
      if (this.#byTitle.has(title)) continue;
      this.#byTitle.set(title, object);
      this.#byKind.get(object.kind)?.push(object);
    }
    for (const [kind, ofKind] of this.#byKind) {
      if (isRule(kind)) ofKind.sort(byPrecedence);
      yield;
    }
  }
}

/** Workloads don't conflict, and stay as they are given; the Gateway API's objects have an order of their own. */
function isRule(kind: KindName): boolean {
  return kind !== 'WorkloadEntry' && /\.(istio\.io|weft\.dev)$/.test(KINDS[kind].group);
}

function byPrecedence(one: MeshObject, other: MeshObject): number {
  const age = (one.createdMs ?? 0) - (other.createdMs ?? 0);
  if (age !== 0) return age;
  if (one.name !== other.name) return one.name < other.name ? -1 : 1;
  return one.namespace < other.namespace ? -1 : 1;
}
