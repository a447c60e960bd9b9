// What a lazy sidecar is told before its application calls anybody, and what each host that it asks for brings with it.
import type { RouteConfiguration, VirtualHost } from '../../proxy/config/route.ts';
import type { OutboundCluster } from './outbound-cluster.ts';
import { HTTP_PROXY_ROUTES } from './resource-name.ts';

/** A virtual host of one authority, and all clusters that its routes name. */
export interface HostOnDemand {
  readonly host: VirtualHost;
  readonly clusters: readonly OutboundCluster[];
}

/** By `table/authority`, as VHDS names it; undefined where the table takes no such host. */
export type HostsOnDemand = (name: string) => HostOnDemand | undefined;

/** Tables of the common listener and of ports: their hosts are all services. Others are short or have one host. */
export function isOnDemand(table: string): boolean {
  return table === HTTP_PROXY_ROUTES || /^[0-9]+$/.test(table);
}

/** An Envoy asks for a table's hosts to begin with, and there are none: it takes its listener after this. */
const VHDS = { configSource: { ads: {}, initialFetchTimeout: '0.1s', resourceApiVersion: 'V3' } } as const;

/** The same table without its hosts: each comes when a request first asks for it. */
export function emptyTable(table: RouteConfiguration): RouteConfiguration {
  return { ...table, virtualHosts: [], vhds: VHDS };
}

export type ClustersByName = ReadonlyMap<string, OutboundCluster>;

/** Of each service. */
type MadeClusters = ReadonlyMap<unknown, readonly OutboundCluster[]>;

/** Clusters that are named anywhere within: as targets, mirrors, providers, or in filters' settings. */
export function clustersWithin(value: unknown, known: ClustersByName): Set<OutboundCluster> {
  const found = new Set<OutboundCluster>();
  const visit = (part: unknown): void => {
    if (typeof part === 'string') {
      const made = known.get(part);
      if (made !== undefined) found.add(made);
    } else if (typeof part === 'object' && part !== null) {
      for (const inner of Object.values(part)) visit(inner);
    }
  };
  visit(value);
  return found;
}

/** No name that a request may have is longer, or has another character. A star would take every host. */
const AUTHORITY = /^[\x21-\x29\x2b-\x2e\x30-\x7e]{1,262}$/;

/** Answers that are remembered, so that all proxies of a scope share them. */
const ANSWERS_MAX = 20_000;

/** The hosts of one table, which is given whole. */
export class HostCatalog {
  readonly #hosts: TableHosts;
  readonly #clusters: ClustersByName;
  readonly #answers = new Map<string, HostOnDemand | undefined>();

  constructor(table: RouteConfiguration, clusters: ClustersByName) {
    this.#hosts = new TableHosts(table);
    this.#clusters = clusters;
  }

  get(name: string, authority: string): HostOnDemand | undefined {
    if (this.#answers.has(name)) return this.#answers.get(name);
    if (this.#answers.size >= ANSWERS_MAX) this.#answers.clear();
    const answer = this.#make(name, authority);
    this.#answers.set(name, answer);
    return answer;
  }

  /** Named as it is asked for: an Envoy forgets hosts by that, and knows two by the same name as one. */
  #make(name: string, authority: string): HostOnDemand | undefined {
    const found = AUTHORITY.test(authority) ? this.#hosts.find(authority.toLowerCase()) : undefined;
    if (found === undefined) return undefined;
    const clusters = [...clustersWithin(found, this.#clusters)];
    return { host: { ...found, name, domains: [authority] }, clusters };
  }
}

/** All that the scopes of one moment have in common. */
export class HostCatalogs {
  readonly #byName = new WeakMap<MadeClusters, ClustersByName>();
  readonly #catalogs = new WeakMap<ClustersByName, WeakMap<RouteConfiguration, HostCatalog>>();

  clusters(made: MadeClusters): ClustersByName {
    const known = this.#byName.get(made) ?? new Map([...made.values()].flat().map((one) => [one.cluster.name, one]));
    this.#byName.set(made, known);
    return known;
  }

  hosts(tables: readonly RouteConfiguration[], clusters: ClustersByName): HostsOnDemand {
    const catalogs = new Map(tables.map((table) => [table.name ?? '', this.#catalog(table, clusters)]));
    return (name) => {
      const slash = name.lastIndexOf('/');
      return slash === -1 ? undefined : catalogs.get(name.slice(0, slash))?.get(name, name.slice(slash + 1));
    };
  }

  #catalog(table: RouteConfiguration, clusters: ClustersByName): HostCatalog {
    const ofClusters = this.#catalogs.get(clusters) ?? new WeakMap<RouteConfiguration, HostCatalog>();
    this.#catalogs.set(clusters, ofClusters);
    const catalog = ofClusters.get(table) ?? new HostCatalog(table, clusters);
    ofClusters.set(table, catalog);
    return catalog;
  }
}

/** One table's hosts by domain, in Envoy's order: the name itself, the longest `*.end`, the longest `start*`, all. */
class TableHosts {
  readonly #exact = new Map<string, VirtualHost>();
  readonly #patterns: (readonly [domain: string, host: VirtualHost])[] = [];

  constructor({ virtualHosts = [] }: RouteConfiguration) {
    for (const host of virtualHosts) {
      for (const domain of host.domains.map((each) => each.toLowerCase())) {
        if (domain.includes('*')) this.#patterns.push([domain, host]);
        else this.#exact.set(domain, host);
      }
    }
    this.#patterns.sort(([one], [other]) => rankOf(other) - rankOf(one));
  }

  find(authority: string): VirtualHost | undefined {
    return this.#exact.get(authority) ?? this.#patterns.find(([domain]) => fits(domain, authority))?.[1];
  }
}

const ENDS = 1e6;

function rankOf(domain: string): number {
  return domain === '*' ? 0 : domain.length + (domain.startsWith('*') ? ENDS : 0);
}

function fits(domain: string, authority: string): boolean {
  if (domain === '*') return true;
  if (authority.length < domain.length) return false;
  return domain.startsWith('*') ? authority.endsWith(domain.slice(1)) : authority.startsWith(domain.slice(0, -1));
}
