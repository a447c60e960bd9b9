// Configuration that comes over xDS: which servers are asked for what, in which order it is applied, what it leads to.
import { ConfigError } from '../base/error.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { Cluster } from '../config/cluster.ts';
import type { ConfigSource } from '../config/config-source.ts';
import type { ConfigWarning } from '../config/decode-report.ts';
import type { ResourceRefusal } from '../config/discovery.ts';
import { msOr } from '../config/duration.ts';
import type { Listener } from '../config/listener.ts';
import type { RouteConfiguration } from '../config/route.ts';
import {
  CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, NAME_TABLE_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE,
} from '../config/type-url.ts';
import type { HostAnswer } from '../config/host-demand.ts';
import { DemandedHosts } from './demanded-hosts.ts';
import { HostStats } from './host-stats.ts';
import { clusterReferences, listenerReferences, tableReferences } from './references.ts';
import type { Reference } from './references.ts';
import type { AnyResource } from './resource-decode.ts';
import { nameOfType } from './resource-type.ts';
import { Sources } from './sources.ts';
import type { SourcesOptions } from './sources.ts';
import { Warming } from './warming.ts';
import type { WarmingListener } from './warming.ts';
import type { ResourceBatch, ResourceOwner, ResourceClientState } from './resource-client.ts';

/** Puts configuration in force. What is named comes before what names it: keep what nobody names yet. */
export interface ResourceHandler {
  /** Resolves when every worker has answered. A refused resource keeps its old state. */
  apply(batch: ResourceBatch): Promise<{ readonly refused: readonly ResourceRefusal[] }>;
}

export interface DynamicConfigOptions extends SourcesOptions {
  readonly handler: ResourceHandler;
  /** Asks for the names of the mesh, over ADS. Default false. */
  readonly names?: boolean;
  /** A host on demand that no request was for is forgotten after this; 0: never. Default 0. */
  readonly forgetHostsMs?: number;
  /** Called once, when the first clusters with their endpoints and the first listeners are in force. */
  readonly onInitialised?: () => void;
  /** Each response of a management server, when it was put in force or refused. */
  readonly onAnswer?: (type: ResourceType, version: string, refused: readonly ResourceRefusal[]) => void;
}

/** One stream as /config_dump and /server_info show it. */
export interface StreamStatus {
  /** `ads`, or the service with its cluster. */
  readonly source: string;
  readonly state: ResourceClientState;
}

const INITIAL_FETCH_MS = 15_000;
const CLUSTERS = 'the first clusters';

export class DynamicConfig implements ResourceOwner, WarmingListener {
  readonly #options: DynamicConfigOptions;
  readonly #sources: Sources;
  readonly #warming: Warming;
  readonly #hosts: DemandedHosts;
  readonly #hostStats: HostStats;
  /** What is named, by who names it. */
  readonly #references = new Map<string, readonly Reference[]>();
  readonly #warned = new Set<string>();
  readonly #first = new Set<ResourceType>();
  #turn: Promise<unknown> = Promise.resolve();
  #told = false;

  /** Throws a ConfigError when something static names a source that cannot be used; so does start() of CDS and LDS. */
  constructor(options: DynamicConfigOptions) {
    this.#options = options;
    this.#warming = new Warming(options.clock, options.wheel, this);
    const { clock, wheel, forgetHostsMs = 0 } = options;
    this.#hostStats = new HostStats(options.stats);
    this.#hosts = new DemandedHosts({
      clock, wheel, forgetMs: forgetHostsMs,
      onDisplaced: () => this.#hostStats.displaced.inc(),
      onForgotten: (count, tables) => this.#onForgotten(count, tables),
      onAnswer: (answer) => this.#hostStats.answer(answer),
    });
    this.#sources = new Sources(options, this);
    const { clusters = [], listeners = [] } = options.bootstrap.staticResources ?? {};
    for (const cluster of clusters) this.#referStatic(CLUSTER_TYPE, cluster.name, clusterReferences(cluster));
    listeners.forEach((listener, index) => {
      this.#referStatic(LISTENER_TYPE, listener.name ?? `#${index}`, listenerReferences(listener));
    });
  }

  /** Begins to ask. Static resources should be in force already: what they name may arrive at once. */
  start(): void {
    const { cdsConfig, ldsConfig } = this.#options.bootstrap.dynamicResources ?? {};
    this.#startAll(CLUSTER_TYPE, cdsConfig);
    this.#startAll(LISTENER_TYPE, ldsConfig);
    if (this.#options.names === true) this.#startAll(NAME_TABLE_TYPE, { ads: {} });
    if (cdsConfig !== undefined) this.#warming.expect(CLUSTERS, msOr(cdsConfig.initialFetchTimeout, INITIAL_FETCH_MS));
    const references = [...this.#references.values()].flat();
    this.#expectEndpoints(references);
    this.#subscribe();
    this.#sources.start();
    this.#checkInitialised();
  }

  stop(): void {
    this.#warming.stop();
    this.#hosts.stop();
    for (const client of this.#sources.clients) client.stop();
  }

  /** Whether every first answer is in force; a proxy is not ready before. */
  get initialised(): boolean {
    return this.#first.size === 0 && !this.#warming.cold;
  }

  /** What has not come of the first answers, for people. */
  get waitingFor(): readonly string[] {
    const types = [...this.#first].map(nameOfType)
      .map(({ singular, service }) => `the first ${singular}s of the control plane (${service.toUpperCase()})`);
    return [...types, ...this.#warming.names.filter((name) => name !== CLUSTERS)];
  }

  status(): StreamStatus[] {
    return [...this.#sources.byKey].map(([source, { state }]) => ({ source, state }));
  }

  check(type: ResourceType, resource: AnyResource): string | undefined {
    for (const reference of referencesOf(type, resource)) {
      const problem = this.#sources.problem(reference);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  mayApply(type: ResourceType): boolean {
    return (type !== LISTENER_TYPE && type !== ROUTE_TYPE && type !== VIRTUAL_HOST_TYPE) || !this.#warming.cold;
  }

  /** Batches of several streams are applied one after the other. */
  apply(batch: ResourceBatch): Promise<readonly ResourceRefusal[]> {
    const result = this.#turn.then(() => this.#apply(batch));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  onHandled(type: ResourceType, version: string, refused: readonly ResourceRefusal[]): void {
    this.#options.onAnswer?.(type, version, refused);
    if (type === CLUSTER_TYPE) this.#warming.done(CLUSTERS);
    this.#first.delete(type);
    this.#checkInitialised();
  }

  onWarning(warning: ConfigWarning): void {
    if (this.#warned.has(warning.key)) return;
    this.#warned.add(warning.key);
    this.#options.log.warning(`${warning.toString()}; said once`);
  }

  onWarm(): void {
    for (const client of this.#sources.clients) client.wake();
    this.#checkInitialised();
  }

  onGivenUp(what: string): void {
    this.#options.log.warning(`${what} did not come in time; routes and listeners go on without`);
  }

  #startAll(type: ResourceType, source: ConfigSource | undefined): void {
    if (source === undefined) return;
    this.#first.add(type);
    this.#sources.client({ type, name: '*', source })?.subscribeAll(type);
  }

  /** A request asks for a host that its table does not know; `tell` is called once. */
  demand(table: string, authority: string, tell: (answer: HostAnswer) => void): void {
    if (!this.#hosts.demand(table, authority, tell)) return;
    this.#hostStats.asked.inc();
    this.#subscribe();
  }

  /** Requests were for these virtual hosts, or still are. */
  usedHosts(table: string, hosts: readonly string[]): void {
    this.#hosts.used(table, hosts);
  }

  /** Hosts (`table/authority`) that an earlier life of this proxy used: they are asked for when their tables come. */
  rememberHosts(names: readonly string[]): void {
    this.#hosts.remember(names);
    this.#subscribe();
  }

  /** Nothing names them before they are asked for no more. */
  #onForgotten(count: number, tables: readonly string[]): void {
    this.#hostStats.forgotten.add(count);
    this.#hostStats.held.set(this.#hosts.held);
    const result = this.#turn.then(async () => {
      const updated = this.#hosts.tables(tables);
      if (updated.length > 0) await this.#handle({ type: ROUTE_TYPE, updated, removed: [] });
      this.#subscribe();
    });
    this.#turn = result.catch(() => undefined);
  }

  async #apply(batch: ResourceBatch): Promise<readonly ResourceRefusal[]> {
    const refused = await this.#applyListed(this.#hosts.batchOf(batch));
    this.#hosts.settled(batch, refused.length > 0);
    this.#hostStats.held.set(this.#hosts.held);
    // A table may have come whose hosts are remembered.
    if (batch.type === ROUTE_TYPE) this.#subscribe();
    return refused;
  }

  async #applyListed({ type, updated, removed }: ResourceBatch): Promise<readonly ResourceRefusal[]> {
    const isListed = type === CLUSTER_TYPE || type === LISTENER_TYPE || type === NAME_TABLE_TYPE;
    const gone = isListed ? removed : [];
    const refused = updated.length + gone.length === 0 ? [] : await this.#handle({ type, updated, removed: gone });
    const bad = new Set(refused.map(({ name }) => name));
    for (const { name, resource } of updated) {
      if (bad.has(name)) continue;
      if (type === ENDPOINT_TYPE) this.#warming.done(waitFor(name));
      if (isListed) this.#refer(type, name, referencesOf(type, resource));
      if (type === CLUSTER_TYPE) this.#expectEndpoints(clusterReferences(resource as Cluster));
    }
    if (!isListed) this.#absent(type, removed);
    for (const name of gone) this.#references.delete(`${type} ${name}`);
    if (isListed) await this.#follow();
    return refused;
  }

  async #handle(batch: ResourceBatch): Promise<readonly ResourceRefusal[]> {
    return (await this.#options.handler.apply(batch)).refused;
  }

  /** The server has no such resource. What is in force stays, as in Envoy: a wrong answer must not cut traffic. */
  #absent(type: ResourceType, names: readonly string[]): void {
    for (const name of names) {
      if (type === ENDPOINT_TYPE) this.#warming.done(waitFor(name));
      const what = `${nameOfType(type).singular} '${name}'`;
      this.#options.log.warning(`the management server has no ${what}; what is in force stays`);
    }
  }

  #refer(type: ResourceType, name: string, references: readonly Reference[]): void {
    this.#references.set(`${type} ${name}`, references);
  }

  /** What comes over xDS was checked before it was applied. */
  #referStatic(type: ResourceType, name: string, references: readonly Reference[]): void {
    const problem = references.map((reference) => this.#sources.problem(reference)).find((text) => text !== undefined);
    if (problem === undefined) this.#refer(type, name, references);
    else throw new ConfigError('static_resources', problem, `${nameOfType(type).singular} ${name}`);
  }

  #expectEndpoints(references: readonly Reference[]): void {
    for (const reference of references) {
      const { type, name, source } = reference;
      if (type !== ENDPOINT_TYPE || this.#sources.client(reference)?.held(type).has(name) !== false) continue;
      this.#warming.expect(waitFor(name), msOr(source.initialFetchTimeout, INITIAL_FETCH_MS));
    }
  }

  /** Asks for what is named now, and takes away what nobody names any more. */
  async #follow(): Promise<void> {
    for (const batch of this.#subscribe()) {
      if (batch.type === ENDPOINT_TYPE) for (const name of batch.removed) this.#warming.done(waitFor(name));
      this.#hosts.drop(batch.type, batch.removed);
      if (batch.type !== VIRTUAL_HOST_TYPE) await this.#handle(batch);
    }
  }

  #subscribe(): ResourceBatch[] {
    return this.#sources.subscribe([...this.#references.values(), this.#hosts.references()].flat());
  }

  #checkInitialised(): void {
    if (this.#told || !this.initialised) return;
    this.#told = true;
    this.#options.onInitialised?.();
  }
}

function referencesOf(type: ResourceType, resource: AnyResource): readonly Reference[] {
  if (type === CLUSTER_TYPE) return clusterReferences(resource as Cluster);
  if (type === ROUTE_TYPE) return tableReferences(resource as RouteConfiguration);
  return type === LISTENER_TYPE ? listenerReferences(resource as Listener) : [];
}

function waitFor(endpoints: string): string {
  return `endpoints '${endpoints}'`;
}
