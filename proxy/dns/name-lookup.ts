// What a name that an application asks for means in the mesh: by its full name, a short one, or one that its resolver
// has lengthened by a search domain.
import { isIP } from 'node:net';
import type { NameInfo, NameTable } from '../config/name-table.ts';

/** Where the application lives. */
export interface Whereabouts {
  readonly namespace: string;
  /** Of the cluster: `cluster.local`. */
  readonly domain: string;
}

export interface Addresses {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
}

export interface Found extends Addresses {
  /** The name that was asked for is another name of this one. */
  readonly alias: string | undefined;
}

interface Entry extends Addresses {
  /** Of Kubernetes services: `reviews.default`. */
  readonly short: string;
}

const KUBERNETES = 'Kubernetes';

/** Tables by the name of their resource, as xDS brings them; a name of several is the last one's. */
export class NameLookup {
  readonly #where: Whereabouts;
  readonly #exact = new Map<string, Entry>();
  readonly #wildcards = new Map<string, Entry>();

  constructor(where: Whereabouts, tables: ReadonlyMap<string, NameTable>) {
    this.#where = where;
    for (const [resource, { table = {}, nameInfo }] of tables) {
      if (nameInfo !== undefined) this.#add(resource, nameInfo);
      for (const [host, info] of Object.entries(table)) this.#add(host, info);
    }
  }

  /** Names in the table. */
  get size(): number {
    return this.#exact.size + this.#wildcards.size;
  }

  /** `name` in lower case, without the last dot. `search` is the resolver's first search domain. */
  find(name: string, search: string | undefined): Found | undefined {
    const entry = this.#entry(name);
    if (entry !== undefined) return { v4: entry.v4, v6: entry.v6, alias: undefined };
    if (search === undefined || !name.endsWith(`.${search}`)) return undefined;
    const alias = name.slice(0, -search.length - 1);
    const meant = this.#entry(alias);
    return meant === undefined ? undefined : { v4: meant.v4, v6: meant.v6, alias };
  }

  #entry(name: string): Entry | undefined {
    return this.#exact.get(name) ?? this.#short(name) ?? this.#wildcard(name);
  }

  /** `reviews` in its own namespace, `reviews.default`, `reviews.default.svc`. */
  #short(name: string): Entry | undefined {
    const { namespace, domain } = this.#where;
    const short = name.endsWith('.svc') ? name.slice(0, -'.svc'.length) : name;
    const found = this.#exact.get(`${short}.svc.${domain}`);
    if (found?.short === short) return found;
    const near = this.#exact.get(`${name}.${namespace}.svc.${domain}`);
    return near?.short === `${name}.${namespace}` ? near : undefined;
  }

  /** The longest that fits. */
  #wildcard(name: string): Entry | undefined {
    if (this.#wildcards.size === 0) return undefined;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const found = this.#wildcards.get(name.slice(dot + 1));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #add(name: string, { ips = [], registry, shortname = '', namespace = '' }: NameInfo): void {
    const host = name.toLowerCase().replace(/\.$/, '');
    if (host === '') return;
    const entry = {
      v4: ips.filter((ip) => isIP(ip) === 4), v6: ips.filter((ip) => isIP(ip) === 6),
      short: registry === KUBERNETES ? `${shortname}.${namespace}` : '',
    };
    if (host.startsWith('*.')) this.#wildcards.set(host.slice(2), entry);
    else this.#exact.set(host, entry);
  }
}
