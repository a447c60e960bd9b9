// The route tables of one worker by name, as RDS or a static route_config brings them;
// connection managers hold a reference.
import type { RouteTable } from './route-table.ts';

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
    this.ref(name).current = table;
  }

  /** Connection managers that still use the name keep answering by the last table, as in Envoy. */
  forget(name: string): void {
    this.#refs.delete(name);
  }
}
