// Configuration as a worker takes it: each resource goes to the part that owns its kind, wholly or not at all.
import { messageOf } from './base/error.ts';
import type { WorkPace } from './base/work-pace.ts';
import type { Cluster } from './config/cluster.ts';
import type { ClusterLoadAssignment } from './config/endpoint.ts';
import type { Listener } from './config/listener.ts';
import type { HostPart } from './config/host-part.ts';
import type { RouteConfiguration } from './config/route.ts';
import type { Secret } from './config/tls.ts';
import type { ListenerSet } from './listener/listener-set.ts';
import type { FilterConfigCompiler } from './route/filter-config.ts';
import { RouteTableBuild } from './route/route-table.ts';
import type { RouteTable } from './route/route-table.ts';
import type { RouteTables } from './route/route-tables.ts';
import type { Applied, ConfigBatch, NamedResource, Refusal, ResourceKind } from './supervisor/messages.ts';
import type { SecretStore } from './tls/secret-store.ts';
import type { ClusterSetImpl } from './upstream/cluster-set.ts';

export interface WorkerConfigDeps {
  readonly secrets: SecretStore;
  readonly clusters: ClusterSetImpl;
  readonly routes: RouteTables;
  readonly listeners: ListenerSet;
  readonly compileFilterConfig: FilterConfigCompiler;
  readonly pace: WorkPace;
}

/** Routes that are compiled before the event loop gets its turn (threats.md S85). */
const ROUTES_PER_SLICE = 64;

export class WorkerConfig {
  readonly #deps: WorkerConfigDeps;
  /** Virtual hosts by the table that follows them. */
  readonly #hosts = new Map<string, HostPart[]>();

  constructor(deps: WorkerConfigDeps) {
    this.#deps = deps;
  }

  /** Never rejects: what a resource holds comes back as its refusal. Answers when there is time for the next batch. */
  async apply(batch: ConfigBatch): Promise<Applied> {
    this.#deps.pace.start();
    const refused: Refusal[] = [];
    for (const resource of batch.updated) {
      try {
        await this.#put(batch.kind, resource);
      } catch (cause) {
        refused.push({ name: resource.name, reason: messageOf(cause) });
      }
    }
    for (const name of batch.removed) this.#remove(batch.kind, name);
    await this.#deps.listeners.activate();
    await this.#deps.pace.rest();
    return { refused };
  }

  async addVirtualHosts(route: string, hosts: readonly HostPart[]): Promise<void> {
    this.#deps.pace.start();
    const known = this.#hosts.get(route);
    if (known === undefined) this.#hosts.set(route, [...hosts]);
    else for (const host of hosts) known.push(host);
    await this.#deps.pace.rest();
  }

  /** Compiles a table in slices. `owner` names it among all; `hosts` came before it. Rejects with a ConfigError. */
  async compileRoutes(
    config: RouteConfiguration, owner: string, hosts?: readonly HostPart[], before?: RouteTable,
  ): Promise<RouteTable> {
    const build = new RouteTableBuild(config, this.#deps.compileFilterConfig, owner, hosts, before);
    for (;;) {
      const table = build.step(ROUTES_PER_SLICE);
      if (table !== undefined) return table;
      await this.#deps.pace.rest();
    }
  }

  async #put(kind: ResourceKind, { name, resource, breakerSlot }: NamedResource): Promise<void> {
    const { secrets, clusters, listeners } = this.#deps;
    switch (kind) {
      case 'secret':
        secrets.apply(resource as Secret);
        break;
      case 'cluster':
        clusters.apply({ config: resource as Cluster, ...(breakerSlot !== undefined && { breakerSlot }) });
        break;
      case 'endpoints':
        clusters.applyAssignment(resource as ClusterLoadAssignment);
        break;
      case 'route':
        await this.#putRoutes(name, resource as RouteConfiguration);
        break;
      case 'listener':
        await listeners.apply(name, resource as Listener);
        break;
    }
  }

  /** With the virtual hosts that came before it. */
  async #putRoutes(name: string, table: RouteConfiguration): Promise<void> {
    const { routes } = this.#deps;
    const hosts = this.#hosts.get(name);
    this.#hosts.delete(name);
    routes.put(name, await this.compileRoutes(table, `rds/${name}`, hosts, routes.ref(name).current));
  }

  #remove(kind: ResourceKind, name: string): void {
    const { secrets, clusters, routes, listeners } = this.#deps;
    switch (kind) {
      case 'secret':
        secrets.remove(name);
        break;
      case 'cluster':
        clusters.remove(name);
        break;
      case 'endpoints':
        clusters.applyAssignment({ clusterName: name, endpoints: [] });
        break;
      case 'route':
        routes.forget(name);
        break;
      case 'listener':
        listeners.remove(name);
        break;
    }
  }
}
