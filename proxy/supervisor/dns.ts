// Resolves DNS clusters for all workers, and keeps the last good answer when a name stops resolving.
import { isIP } from 'node:net';
import { messageOf } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import { msOr } from '../config/duration.ts';
import { LIMITS } from '../config/limits.ts';
import type { Cluster } from '../config/cluster.ts';
import type { ClusterLoadAssignment, LbEndpoint } from '../config/endpoint.ts';
import { resolveFor, systemResolve } from './dns-lookup.ts';
import type { Resolve, Resolved } from './dns-lookup.ts';

export interface DnsListener {
  /** The addresses of a cluster changed. */
  onEndpoints(cluster: string, assignment: ClusterLoadAssignment): void;
  /** A name does not resolve; told once until it does again. */
  onFailure(cluster: string, hostname: string, reason: string): void;
}

/** Watches the names of every DNS cluster; each name has a timer, so that none waits for another. */
export class DnsResolver {
  readonly #listener: DnsListener;
  readonly #random: Random;
  readonly #system: Resolve;
  readonly #watched = new Map<string, Watch>();

  /** `system` replaces the system's resolver in tests. */
  constructor(listener: DnsListener, random: Random, system: Resolve = systemResolve()) {
    this.#listener = listener;
    this.#random = random;
    this.#system = system;
  }

  /**
   * Starts or restarts a cluster's resolution; what its names meant is known until they are answered again. Other types
   * are left alone (and stopped, if they were DNS before).
   */
  watch(cluster: Cluster): void {
    const before = this.#watched.get(cluster.name);
    this.forget(cluster.name);
    if (cluster.type !== 'STRICT_DNS' && cluster.type !== 'LOGICAL_DNS') return;
    const watch = new Watch(cluster, this.#listener, resolveFor(cluster, this.#system), this.#random, before);
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

/** What is known of one name. */
class Name {
  readonly hostname: string;
  /** The last good answer; empty before the first. */
  addresses: readonly string[];
  failures = 0;
  timer: NodeJS.Timeout | undefined = undefined;

  constructor(hostname: string, addresses: readonly string[]) {
    this.hostname = hostname;
    this.addresses = addresses;
  }
}

/** One cluster's names. */
class Watch {
  readonly #cluster: Cluster;
  readonly #listener: DnsListener;
  readonly #resolve: Resolve;
  readonly #random: Random;
  readonly #names = new Map<string, Name>();
  #published = '';
  #stopped = false;

  constructor(cluster: Cluster, listener: DnsListener, resolve: Resolve, random: Random, before: Watch | undefined) {
    this.#cluster = cluster;
    this.#listener = listener;
    this.#resolve = resolve;
    this.#random = random;
    for (const hostname of hostnames(cluster)) {
      this.#names.set(hostname, new Name(hostname, before?.addressesOf(hostname) ?? []));
    }
  }

  start(): void {
    for (const name of this.#names.values()) void this.#ask(name);
  }

  stop(): void {
    this.#stopped = true;
    for (const { timer } of this.#names.values()) clearTimeout(timer);
  }

  addressesOf(hostname: string): readonly string[] | undefined {
    return this.#names.get(hostname)?.addresses;
  }

  async #ask(name: Name): Promise<void> {
    let ttlMs: number | undefined;
    try {
      const found = await this.#lookup(name.hostname);
      if (this.#stopped) return;
      name.addresses = this.#chosen(found);
      name.failures = 0;
      ttlMs = 1000 * Math.min(...found.map(({ ttl = Infinity }) => ttl));
    } catch (cause) {
      if (this.#stopped) return;
      if (name.failures++ === 0) this.#listener.onFailure(this.#cluster.name, name.hostname, messageOf(cause));
    }
    this.#publish();
    name.timer = setTimeout(() => void this.#ask(name), this.#delayMs(name, ttlMs));
  }

  #delayMs({ failures }: Name, ttlMs = Infinity): number {
    const { dnsRefreshRate, dnsJitter, dnsFailureRefreshRate: failing, respectDnsTtl } = this.#cluster;
    let ms = msOr(dnsRefreshRate, LIMITS.dnsRefreshMs);
    if (failures > 0 && failing !== undefined) {
      const base = msOr(failing.baseInterval, ms);
      ms = this.#random.float() * Math.min(base * 2 ** failures, msOr(failing.maxInterval, 10 * base));
    } else if (failures === 0 && respectDnsTtl === true && ttlMs < Infinity) ms = ttlMs;
    return Math.max(LIMITS.dnsTtlMinMs, ms) + this.#random.float() * msOr(dnsJitter, 0);
  }

  #publish(): void {
    const assignment = this.#assignment();
    const text = JSON.stringify(assignment);
    if (text === this.#published) return;
    this.#published = text;
    this.#listener.onEndpoints(this.#cluster.name, assignment);
  }

  /** The configured assignment with every name replaced by its addresses. */
  #assignment(): ClusterLoadAssignment {
    const configured = this.#cluster.loadAssignment ?? { clusterName: this.#cluster.name };
    const localities = (configured.endpoints ?? []).map((locality) => ({
      ...locality, lbEndpoints: (locality.lbEndpoints ?? []).flatMap((endpoint) => this.#expand(endpoint)),
    }));
    return { ...configured, clusterName: this.#cluster.name, endpoints: localities };
  }

  #expand(endpoint: LbEndpoint): LbEndpoint[] {
    const { socketAddress } = endpoint.endpoint.address;
    const known = socketAddress === undefined ? undefined : this.#names.get(socketAddress.address);
    if (socketAddress === undefined || known === undefined) return [endpoint];
    const hostname = endpoint.endpoint.hostname ?? known.hostname;
    return known.addresses.map((address) => {
      const resolved = { socketAddress: { ...socketAddress, address } };
      return { ...endpoint, endpoint: { ...endpoint.endpoint, hostname, address: resolved } };
    });
  }

  /** The same addresses in another order are the same endpoints; but a logical cluster goes by the first. */
  #chosen(found: readonly Resolved[]): readonly string[] {
    const addresses = found.map(({ address }) => address);
    if (this.#cluster.type === 'LOGICAL_DNS') return addresses.slice(0, 1);
    return [...new Set(addresses)].toSorted().slice(0, LIMITS.dnsRecordsMax);
  }

  /** Envoy's dns_lookup_family: AUTO prefers IPv6 and falls back to IPv4. Rejects where there is no address. */
  async #lookup(hostname: string): Promise<readonly Resolved[]> {
    const family = this.#cluster.dnsLookupFamily ?? 'AUTO';
    const all = await this.#resolve(hostname, family === 'V4_ONLY' ? 4 : family === 'V6_ONLY' ? 6 : 0);
    if (all.length === 0) throw new Error('the answer has no address');
    const preferred = family === 'V4_PREFERRED' ? 4 : family === 'AUTO' ? 6 : undefined;
    const first = all.filter((address) => address.family === preferred);
    return first.length > 0 ? first : all;
  }
}

/** Each once. */
function hostnames({ loadAssignment }: Cluster): Set<string> {
  const names = new Set<string>();
  for (const { lbEndpoints = [] } of loadAssignment?.endpoints ?? []) {
    for (const { endpoint } of lbEndpoints) {
      const host = endpoint.address.socketAddress?.address;
      if (host !== undefined && isIP(host) === 0) names.add(host);
    }
  }
  return names;
}
