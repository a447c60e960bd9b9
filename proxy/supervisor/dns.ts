// Resolves STRICT_DNS clusters for all workers, and keeps the last good answer when a name stops resolving.
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { messageOf } from '../base/error.ts';
import { msOr } from '../config/duration.ts';
import { LIMITS } from '../config/limits.ts';
import type { Cluster } from '../config/cluster.ts';
import type { ClusterLoadAssignment, LbEndpoint } from '../config/endpoint.ts';

/** The resolver, replaceable in tests; rejects as dns.lookup does. */
export type Resolve = (hostname: string, family: 0 | 4 | 6) => Promise<readonly LookupAddress[]>;

export interface DnsListener {
  /** The addresses of a cluster changed. */
  onEndpoints(cluster: string, assignment: ClusterLoadAssignment): void;
  /** A name does not resolve; told once until it does again. */
  onFailure(cluster: string, hostname: string, reason: string): void;
}


const systemResolve: Resolve = (hostname, family) => lookup(hostname, { all: true, family, order: 'verbatim' });

/** Watches the names of every DNS cluster; one timer a cluster. */
export class DnsResolver {
  readonly #listener: DnsListener;
  readonly #resolve: Resolve;
  readonly #watched = new Map<string, Watch>();

  constructor(listener: DnsListener, resolve: Resolve = systemResolve) {
    this.#listener = listener;
    this.#resolve = resolve;
  }

  /** Starts or restarts a cluster's resolution. Other types are left alone (and stopped, if they were DNS before). */
  watch(cluster: Cluster): void {
    this.forget(cluster.name);
    if (cluster.type !== 'STRICT_DNS') return;
    const watch = new Watch(cluster, this.#listener, this.#resolve);
    this.#watched.set(cluster.name, watch);
    watch.start();
  }

  forget(cluster: string): void {
    this.#watched.get(cluster)?.stop();
    this.#watched.delete(cluster);
  }

  stop(): void {
    for (const name of [...this.#watched.keys()]) this.forget(name);
  }
}

/** One cluster's names. */
class Watch {
  readonly #cluster: Cluster;
  readonly #listener: DnsListener;
  readonly #resolve: Resolve;
  readonly #lastGood = new Map<string, readonly string[]>();
  readonly #failing = new Set<string>();
  #published = '';
  #timer: NodeJS.Timeout | undefined = undefined;
  #stopped = false;

  constructor(cluster: Cluster, listener: DnsListener, resolve: Resolve) {
    this.#cluster = cluster;
    this.#listener = listener;
    this.#resolve = resolve;
  }

  start(): void {
    void this.#round();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    const assignment = await this.#assignment();
    if (this.#stopped) return;
    const text = JSON.stringify(assignment);
    if (text !== this.#published) {
      this.#published = text;
      this.#listener.onEndpoints(this.#cluster.name, assignment);
    }
    const refreshMs = Math.max(LIMITS.dnsTtlMinMs, msOr(this.#cluster.dnsRefreshRate, LIMITS.dnsRefreshMs));
    this.#timer = setTimeout(() => void this.#round(), refreshMs);
  }

  /** The configured assignment with every name replaced by its addresses. */
  async #assignment(): Promise<ClusterLoadAssignment> {
    const configured = this.#cluster.loadAssignment ?? { clusterName: this.#cluster.name };
    const localities = await Promise.all((configured.endpoints ?? []).map(async (locality) => ({
      ...locality,
      lbEndpoints: (await Promise.all((locality.lbEndpoints ?? []).map((endpoint) => this.#expand(endpoint)))).flat(),
    })));
    return { ...configured, clusterName: this.#cluster.name, endpoints: localities };
  }

  async #expand(endpoint: LbEndpoint): Promise<LbEndpoint[]> {
    const socketAddress = endpoint.endpoint?.address?.socketAddress;
    if (socketAddress === undefined || isIP(socketAddress.address) !== 0) return [endpoint];
    const hostname = socketAddress.address;
    const addresses = await this.#addresses(hostname);
    return addresses.map((address) => {
      const resolved = { socketAddress: { ...socketAddress, address } };
      return {
        ...endpoint,
        endpoint: { ...endpoint.endpoint, hostname: endpoint.endpoint?.hostname ?? hostname, address: resolved },
      };
    });
  }

  async #addresses(hostname: string): Promise<readonly string[]> {
    try {
      const found = (await this.#lookup(hostname)).map(({ address }) => address);
      this.#failing.delete(hostname);
      this.#lastGood.set(hostname, [...new Set(found)].toSorted().slice(0, LIMITS.dnsRecordsMax));
    } catch (cause) {
      if (!this.#failing.has(hostname)) this.#listener.onFailure(this.#cluster.name, hostname, messageOf(cause));
      this.#failing.add(hostname);
    }
    return this.#lastGood.get(hostname) ?? [];
  }

  /** Envoy's dns_lookup_family: AUTO asks for IPv6 and falls back to IPv4. */
  async #lookup(hostname: string): Promise<readonly LookupAddress[]> {
    const family = this.#cluster.dnsLookupFamily ?? 'AUTO';
    if (family === 'V4_ONLY') return this.#resolve(hostname, 4);
    if (family === 'V6_ONLY') return this.#resolve(hostname, 6);
    const all = await this.#resolve(hostname, 0);
    if (family === 'ALL') return all;
    const preferred = family === 'V4_PREFERRED' ? 4 : 6;
    const first = all.filter((address) => address.family === preferred);
    return first.length > 0 ? first : all;
  }
}
