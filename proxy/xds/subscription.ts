// What one client wants and has of one resource type, across streams.
import type { ResourceType } from '../config/any-registry.ts';

export class Subscription {
  readonly type: ResourceType;
  /** All there are (listeners and clusters), or the names below. */
  readonly wildcard: boolean;
  readonly names = new Set<string>();
  /** Versions of the resources that are in force, by name: what a server is told when a stream begins anew. */
  readonly held = new Map<string, string>();
  /** State of the world: the version of the last response that was accepted. */
  acceptedVersion = '';

  constructor(type: ResourceType, wildcard: boolean) {
    this.type = type;
    this.wildcard = wildcard;
  }

  /** Whether there is anything to ask for. */
  get active(): boolean {
    return this.wildcard || this.names.size > 0;
  }

  /** Takes the new set of names; what came and what went. */
  replaceNames(names: ReadonlySet<string>): { readonly added: readonly string[]; readonly removed: readonly string[] } {
    const added = [...names].filter((name) => !this.names.has(name));
    const removed = [...this.names].filter((name) => !names.has(name));
    for (const name of added) this.names.add(name);
    for (const name of removed) this.names.delete(name);
    return { added, removed };
  }
}
