// What one proxy asked for of one resource type, what it was told, and so what it still has to be told.
import type { DeltaDiscoveryRequest } from '../../proxy/config/discovery.ts';
import type { ResourcesByName, SnapshotResource } from './snapshot.ts';

/** A response that was sent and not answered yet. */
export interface Outstanding {
  readonly nonce: string;
  /** Version of the whole, for status. */
  readonly version: string;
  readonly sent: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
  readonly sentMs: number;
}

/** What a proxy is to be told. */
export interface Difference {
  readonly updated: readonly SnapshotResource[];
  /** Asked for by name, and there is none: it is told at once, so that nobody waits for it. */
  readonly absent: readonly string[];
  /** It has them, and they are no more: told when nothing that it runs can name them any longer. */
  readonly gone: readonly string[];
}

const WILDCARD = '*';

/** Names that one proxy may ask for, of one type. */
export const NAMES_MAX = 100_000;

export class Subscription {
  readonly type: string;
  readonly #names = new Set<string>();
  #wildcard = false;
  /** Name to version of what the proxy has as far as it was told, whether it accepted it or not. */
  readonly #known = new Map<string, string>();
  /** Names of which it was told that there is no such resource. */
  readonly #absent = new Set<string>();
  outstanding: Outstanding | undefined = undefined;
  #difference: { readonly resources: ResourcesByName; readonly value: Difference } | undefined = undefined;
  /** A client that asks for all waits for an answer, even if there is nothing. */
  mustAnswer = false;

  constructor(type: string) {
    this.type = type;
  }

  /** Whether a resource of this name was asked for, by itself. */
  asksFor(name: string): boolean {
    return this.#names.has(name);
  }

  /** What was asked for by name. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Number of resources that the proxy was told of. */
  get size(): number {
    return this.#known.size;
  }

  /** `mayBeAll`: naming nothing asks for all, as listeners and clusters have it. False when it asks for too many. */
  request(request: DeltaDiscoveryRequest, isFirst: boolean, mayBeAll: boolean): boolean {
    const { resourceNamesSubscribe: subscribe = [], resourceNamesUnsubscribe: unsubscribe = [] } = request;
    if (this.#names.size + subscribe.length > NAMES_MAX) return false;
    if (isFirst) this.#begin(request, mayBeAll);
    if (subscribe.length + unsubscribe.length > 0) this.#difference = undefined;
    for (const name of unsubscribe) this.#remove(name);
    for (const name of subscribe) this.#add(name, isFirst);
    return true;
  }

  /** What the proxy of these resources does not know yet. Made anew only when something has changed since. */
  difference(resources: ResourcesByName): Difference {
    if (this.#difference?.resources !== resources) {
      this.#difference = { resources, value: this.#compare(resources) };
    }
    return this.#difference.value;
  }

  #compare(resources: ResourcesByName): Difference {
    const updated: SnapshotResource[] = [];
    for (const [name, resource] of this.#wanted(resources)) {
      if (this.#known.get(name) !== resource.version) updated.push(resource);
    }
    const absent = [...this.#names].filter((name) => (
      !resources.has(name) && !this.#known.has(name) && !this.#absent.has(name)
    ));
    return { updated, absent, gone: [...this.#known.keys()].filter((name) => !resources.has(name)) };
  }

  /** Has a resource sent again, if the proxy asks for it and has it. */
  resend(name: string): void {
    if (this.#names.has(name) && this.#known.delete(name)) this.#difference = undefined;
  }

  /** Takes note of a response that is being sent. */
  sent(outstanding: Outstanding): void {
    this.outstanding = outstanding;
    this.mustAnswer = false;
    this.#difference = undefined;
    for (const [name, version] of outstanding.sent) {
      this.#known.set(name, version);
      this.#absent.delete(name);
    }
    for (const name of outstanding.removed) {
      this.#known.delete(name);
      if (this.#names.has(name)) this.#absent.add(name);
    }
  }

  #begin(request: DeltaDiscoveryRequest, mayBeAll: boolean): void {
    const { initialResourceVersions = {}, resourceNamesSubscribe = [] } = request;
    for (const [name, version] of Object.entries(initialResourceVersions)) {
      if (this.#known.size < NAMES_MAX) this.#known.set(name, version);
    }
    if (!mayBeAll || resourceNamesSubscribe.length > 0) return;
    this.#wildcard = true;
    this.mustAnswer = true;
  }

  /** A name that is asked for again is answered again: the client says that it lost it. */
  #add(name: string, isFirst: boolean): void {
    if (name === WILDCARD) {
      this.mustAnswer ||= !this.#wildcard;
      this.#wildcard = true;
      return;
    }
    this.#names.add(name);
    this.#absent.delete(name);
    if (!isFirst) this.#known.delete(name);
  }

  #remove(name: string): void {
    if (name === WILDCARD) this.#endWildcard();
    else if (this.#names.delete(name)) this.#known.delete(name);
    this.#absent.delete(name);
  }

  #endWildcard(): void {
    this.#wildcard = false;
    for (const name of this.#known.keys()) if (!this.#names.has(name)) this.#known.delete(name);
  }

  * #wanted(resources: ResourcesByName): Iterable<[string, SnapshotResource]> {
    if (this.#wildcard) {
      yield* resources;
      return;
    }
    for (const name of this.#names) {
      const resource = resources.get(name);
      if (resource !== undefined) yield [name, resource];
    }
  }
}
