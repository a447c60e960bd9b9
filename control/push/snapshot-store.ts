// The current snapshot of each proxy, made when it is asked for; where none can be made, the last one that could.
import { messageOf } from '../../proxy/base/error.ts';
import type { DiscoveryNode } from '../../proxy/config/discovery.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * The snapshot for a node, or the reason why it gets none. What it throws is taken for a reason, too. `isVerified`: its
 * certificate says that it is this node.
 */
export type SnapshotFor = (node: DiscoveryNode, isVerified: boolean) => Snapshot | string;

/** What a proxy is served, and what is wrong, if something is. */
export interface Served {
  readonly snapshot: Snapshot | undefined;
  readonly fault: string | undefined;
}

/** Proxies of which the last snapshot is kept; a thousand proxies share most of what is in them. */
const KEPT_MAX = 10_000;

interface Kept {
  readonly generation: number;
  readonly served: Served;
}

export class SnapshotStore {
  readonly #snapshotFor: SnapshotFor;
  readonly #kept = new Map<string, Kept>();
  #generation = 0;

  constructor(snapshotFor: SnapshotFor) {
    this.#snapshotFor = snapshotFor;
  }

  /** The mesh has changed: what was made before holds only where nothing new can be made. */
  invalidate(): void {
    this.#generation++;
  }

  get(node: DiscoveryNode, isVerified: boolean): Served {
    // The whole node counts: metadata decides on what is translated.
    const key = JSON.stringify([node, isVerified]);
    const kept = this.#kept.get(key);
    if (kept?.generation === this.#generation) return kept.served;
    const made = this.#make(node, isVerified);
    const served = typeof made === 'string'
      ? { snapshot: kept?.served.snapshot, fault: made }
      : { snapshot: made, fault: undefined };
    this.#kept.delete(key);
    this.#kept.set(key, { generation: this.#generation, served });
    if (this.#kept.size > KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value!);
    return served;
  }

  #make(node: DiscoveryNode, isVerified: boolean): Snapshot | string {
    try {
      return this.#snapshotFor(node, isVerified);
    } catch (cause) {
      return `its configuration could not be made: ${messageOf(cause)}`;
    }
  }
}
