// The configuration that is in force: what workers have accepted, and so what a replaced worker is given.
import type { ConfigBatch, NamedResource, ResourceKind } from './messages.ts';
import { RESOURCE_KINDS } from './messages.ts';

/** Where a resource came from, for config_dump. */
export interface StoredResource extends NamedResource {
  readonly origin: 'static' | 'dynamic';
  /** The management server's version; '' for static resources. */
  readonly version: string;
  readonly updatedWallMs: number;
}

/** Slots of shared circuit breaker counts; more clusters share the last slot's fate of being counted per worker. */
export const BREAKER_SLOTS_MAX = 16_384;

/** Resources by kind and name. Only what every worker accepted gets in. */
export class ConfigStore {
  readonly #byKind = new Map<ResourceKind, Map<string, StoredResource>>(
    RESOURCE_KINDS.map((kind) => [kind, new Map()]),
  );
  readonly #breakerSlots = new Map<string, number>();

  list(kind: ResourceKind): ReadonlyMap<string, StoredResource> {
    return this.#byKind.get(kind)!;
  }

  get(kind: ResourceKind, name: string): StoredResource | undefined {
    return this.#byKind.get(kind)!.get(name);
  }

  put(kind: ResourceKind, resource: StoredResource): void {
    this.#byKind.get(kind)!.set(resource.name, resource);
  }

  remove(kind: ResourceKind, name: string): void {
    this.#byKind.get(kind)!.delete(name);
  }

  /** One slot a cluster name, kept when the cluster changes; undefined when all are taken. */
  breakerSlot(cluster: string): number | undefined {
    let slot = this.#breakerSlots.get(cluster);
    if (slot === undefined && this.#breakerSlots.size < BREAKER_SLOTS_MAX) {
      slot = this.#breakerSlots.size;
      this.#breakerSlots.set(cluster, slot);
    }
    return slot;
  }

  /** Everything, as batches in the order of application. */
  batches(): ConfigBatch[] {
    const batches: ConfigBatch[] = [];
    for (const [kind, resources] of this.#byKind) {
      if (resources.size > 0) batches.push({ kind, updated: [...resources.values()], removed: [] });
    }
    return batches;
  }
}
