// All clusters of one worker, by name: takes clusters and endpoints as they come, each wholly or not at all.
import { ConfigError } from '../base/error.ts';
import { SharedCounts } from '../base/shared-counts.ts';
import type { Cluster as ClusterConfig } from '../config/cluster.ts';
import type { ClusterLoadAssignment } from '../config/endpoint.ts';
import { ClusterStats } from '../telemetry/cluster-stats.ts';
import { contextOf } from '../tls/client-context.ts';
import type { ClientTlsDeps } from '../tls/client-context.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { SecureContexts } from '../tls/secure-contexts.ts';
import { TlsStats } from '../tls/tls-stats.ts';
import type { BreakerPlace } from './circuit-breaker.ts';
import { ClusterImpl } from './cluster.ts';
import type { ClusterDeps } from './cluster.ts';
import { clusterSettings } from './cluster-settings.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { compileAssignment, isResolved } from './load-assignment.ts';
import type { Assignment } from './load-assignment.ts';
import { TransportSockets, transportKey } from './transport-sockets.ts';
import type { ClusterSet } from './upstream.ts';

/** Endpoints that are kept for clusters that haven't come yet, or were; past this the oldest are forgotten. */
const EARLY_ASSIGNMENTS_MAX = 1024;

export interface ClusterUpdate {
  readonly config: ClusterConfig;
  /** This cluster's slot in the shared counts; without one its limits hold for this worker alone. */
  readonly breakerSlot?: number;
}

export interface ClusterSetDeps extends ClusterDeps {
  readonly secrets: SecretStore;
  /** Counts that all workers share, and this worker's row; undefined keeps them to itself. */
  readonly shared: Omit<BreakerPlace, 'slot'> | undefined;
}

export class ClusterSetImpl implements ClusterSet {
  readonly #deps: ClusterSetDeps;
  readonly #contexts = new SecureContexts(contextOf);
  readonly #clusters = new Map<string, ClusterImpl>();
  /** Endpoints by the name under which they came, also before and after their cluster. */
  readonly #assignments = new Map<string, Assignment>();
  /** Clusters by the name under which their endpoints come. */
  readonly #users = new Map<string, Set<ClusterImpl>>();
  /** Names of endpoints that no cluster uses, oldest first. */
  readonly #unused = new Set<string>();

  constructor(deps: ClusterSetDeps) {
    const { zone } = deps;
    this.#deps = zone === undefined ? deps : {
      ...deps,
      localHosts: () => this.#clusters.get(zone.cluster)?.firstHosts,
      onPicker: (name) => {
        if (name === zone.cluster) this.#onLocalHosts(name);
      },
    };
  }

  get(name: string): ClusterImpl | undefined {
    return this.#clusters.get(name);
  }

  /** For /clusters. */
  [Symbol.iterator](): IterableIterator<ClusterImpl> {
    return this.#clusters.values();
  }

  /** Clusters that cannot be used yet, with what they wait for. */
  warming(): { readonly name: string; readonly missing: readonly string[] }[] {
    return [...this.#clusters.values()]
      .map((cluster) => ({ name: cluster.name, missing: cluster.missing() }))
      .filter(({ missing }) => missing.length > 0);
  }

  /** Takes a new or changed cluster. A ConfigError leaves the one before as it was. */
  apply({ config, breakerSlot }: ClusterUpdate): void {
    const { name } = config;
    const settings = within(name, () => clusterSettings(config));
    const assignment = within(name, () => this.#assignmentFor(settings, config));
    const known = this.#clusters.get(name);
    const stats = known?.stats ?? new ClusterStats(this.#deps.stats, settings.statName);
    const transports = within(name, () => this.#transportsFor(config, known, stats));
    const cluster = this.#putInForce(settings, transports, known, breakerSlot, stats);
    if (assignment !== undefined) cluster.assign(assignment);
    this.#deps.onChange?.(name);
  }

  /**
   * Takes endpoints by EDS or from the resolver, also of a cluster that hasn't come yet. A ConfigError changes
   * nothing.
   */
  applyAssignment(config: ClusterLoadAssignment): void {
    const assignment = within(config.clusterName, () => compileAssignment(config));
    this.#assignments.set(config.clusterName, assignment);
    const users = this.#users.get(config.clusterName);
    if (users === undefined) this.#setUnused(config.clusterName);
    for (const cluster of users ?? []) {
      cluster.assign(assignment);
      this.#deps.onChange?.(cluster.name);
    }
  }

  /** Requests in flight finish on their connections. Its endpoints are remembered in case it comes back. */
  remove(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    this.#dropUser(cluster);
    cluster.close();
  }

  /** Closes all that is idle and lets the rest finish; for the end of the worker. */
  close(): void {
    for (const name of [...this.#clusters.keys()]) this.remove(name);
  }

  #onLocalHosts(local: string): void {
    for (const cluster of this.#clusters.values()) if (cluster.name !== local) cluster.refreshLater();
  }

  #putInForce(
    settings: ClusterSettings, transports: TransportSockets, known: ClusterImpl | undefined,
    breakerSlot: number | undefined, stats: ClusterStats,
  ): ClusterImpl {
    if (known !== undefined) {
      this.#dropUser(known);
      known.update(settings, transports);
      this.#addUser(known);
      return known;
    }
    const cluster = new ClusterImpl(settings, transports, this.#placeOf(breakerSlot), stats, this.#deps);
    this.#clusters.set(settings.name, cluster);
    this.#addUser(cluster);
    return cluster;
  }

  #transportsFor(config: ClusterConfig, known: ClusterImpl | undefined, stats: ClusterStats): TransportSockets {
    if (known !== undefined && known.transports.key === transportKey(config)) return known.transports;
    const { secrets, clock } = this.#deps;
    const tlsDeps = (): ClientTlsDeps => ({
      secrets, contexts: this.#contexts, clock, stats: new TlsStats(this.#deps.stats, stats.scope),
    });
    return new TransportSockets(config, tlsDeps, () => this.#onSecrets(config.name));
  }

  /** Called from within the constructor of the transports as well, when there is nothing to refresh yet. */
  #onSecrets(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    cluster.refresh();
    this.#deps.onChange?.(name);
  }

  #placeOf(slot: number | undefined): BreakerPlace {
    const { shared } = this.#deps;
    if (shared !== undefined && slot !== undefined) return { ...shared, slot };
    return {
      counts: new SharedCounts(new ArrayBuffer(SharedCounts.bytesFor(1, 1)), 1), slot: 0, thread: 0,
      ...(shared?.hosts !== undefined && { hosts: shared.hosts }),
    };
  }

  /** Undefined: not known yet. A DNS cluster whose addresses are all IP addresses needs no resolver. */
  #assignmentFor(settings: ClusterSettings, config: ClusterConfig): Assignment | undefined {
    const given = config.loadAssignment;
    const complete = settings.discovery === 'static' || (given !== undefined && isResolved(given));
    if (settings.discovery !== 'eds' && complete) {
      return compileAssignment(given ?? { clusterName: config.name }, 'loadAssignment.');
    }
    return this.#assignments.get(settings.assignmentName);
  }

  #addUser(cluster: ClusterImpl): void {
    const { discovery, assignmentName } = cluster.settings;
    if (discovery === 'static') return;
    const users = this.#users.get(assignmentName);
    if (users === undefined) this.#users.set(assignmentName, new Set([cluster]));
    else users.add(cluster);
    this.#unused.delete(assignmentName);
  }

  #dropUser(cluster: ClusterImpl): void {
    const { assignmentName } = cluster.settings;
    const users = this.#users.get(assignmentName);
    if (users?.delete(cluster) !== true || users.size > 0) return;
    this.#users.delete(assignmentName);
    if (this.#assignments.has(assignmentName)) this.#setUnused(assignmentName);
  }

  #setUnused(name: string): void {
    this.#unused.delete(name);
    this.#unused.add(name);
    if (this.#unused.size <= EARLY_ASSIGNMENTS_MAX) return;
    const [oldest] = this.#unused;
    this.#unused.delete(oldest!);
    this.#assignments.delete(oldest!);
  }
}

/** Names the resource in what a part of it refuses. */
function within<T>(name: string, compile: () => T): T {
  try {
    return compile();
  } catch (cause) {
    if (cause instanceof ConfigError) throw new ConfigError(cause.path, cause.reason, cause.where ?? `cluster ${name}`);
    throw cause;
  }
}
