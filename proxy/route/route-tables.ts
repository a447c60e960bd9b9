// The route tables of one worker by name, as RDS or a static route_config brings them; connection managers hold a reference.
import type { RouteTable } from './route-table.ts';

/** Told when a table appears or changes. */
export interface RouteWatcher {
  onRouteTable(name: string): void;
}

/** A named place for a table: what a connection manager reads at each request. Swapped by one assignment. */
export class RouteTableRef {
  readonly name: string;
  current: RouteTable | undefined;

  constructor(name: string, current?: RouteTable) {
    this.name = name;
    this.current = current;
  }
}

export class RouteTables {
  readonly #refs = new Map<string, RouteTableRef>();
  readonly #watcher: RouteWatcher;

  constructor(watcher: RouteWatcher) {
    this.#watcher = watcher;
  }

  /** The place of a name, which may still be empty. */
  ref(name: string): RouteTableRef {
    let ref = this.#refs.get(name);
    if (ref === undefined) {
      ref = new RouteTableRef(name);
      this.#refs.set(name, ref);
    }
    return ref;
  }

  put(name: string, table: RouteTable): void {
    const ref = this.ref(name);
    const first = ref.current === undefined;
    ref.current = table;
    if (first) this.#watcher.onRouteTable(name);
  }

  /** Connection managers that still use the name keep answering by the last table, as in Envoy. */
  forget(name: string): void {
    this.#refs.delete(name);
  }
}
