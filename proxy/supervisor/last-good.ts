// What the control plane said last, kept on disk: a proxy that starts while it is away serves that (faults.md F01).
import type { Clock } from '../base/clock.ts';
import { ConfigError, messageOf } from '../base/error.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { ModelResource } from '../config/model-text.ts';
import type { Cluster } from '../config/cluster.ts';
import type { RouteConfiguration } from '../config/route.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../config/type-url.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { serverScope, statName } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import type { IntakeChange } from './config-intake.ts';
import type { ConfigStore } from './config-store.ts';
import type { Decoder } from './decoder.ts';
import type { LastGoodConfig } from './last-good-config.ts';
import { LastGoodFile } from './last-good-file.ts';
import type { NodeIdentity, Refusal, ResourceKind } from './messages.ts';

export interface LastGoodServices {
  readonly node: NodeIdentity;
  readonly clock: Clock;
  readonly decoder: Pick<Decoder, 'modelText' | 'model'>;
  readonly store: ConfigStore;
  readonly stats: Stats;
  readonly log: ComponentLog;
  apply(change: IntakeChange): Promise<readonly Refusal[]>;
  /** Something may have become ready. */
  onProgress(): void;
}

/** In the order of application. Secrets are not among them: they are never written down. */
const KINDS: readonly (readonly [ResourceKind, ResourceType])[] = [
  ['cluster', CLUSTER_TYPE], ['endpoints', ENDPOINT_TYPE], ['route', ROUTE_TYPE], ['listener', LISTENER_TYPE],
];
/** Changes come in groups. */
const SETTLE_MS = 1000;
/** Route tables that have not come by then are wanted no more. */
const SWEEP_MS = 15_000;
/** A clock that was wrong for a moment. */
const FUTURE_MS = 300_000;

/**
 * - waiting: the control plane has been asked, and has not said all of the first configuration.
 * - serving: what is on disk is in force, because it has not.
 * - following: the control plane's own words are in force; each change is written down.
 */
type Phase = 'waiting' | 'serving' | 'following';

export class LastGood {
  readonly #config: LastGoodConfig;
  readonly #services: LastGoodServices;
  readonly #file: LastGoodFile;
  readonly #inUse: Gauge;
  readonly #written: Counter;
  readonly #failed: Counter;
  readonly #refused: Counter;
  /** Names that the control plane has spoken of, by kind. */
  readonly #heard = new Map<ResourceKind, Set<string>>();
  #phase: Phase = 'waiting';
  /** Resolves when what is on disk is in force: the control plane's word must come after it. */
  #serving: Promise<void> = Promise.resolve();
  #served: readonly ModelResource[] = [];
  #isInForce = false;
  #sweeper: NodeJS.Timeout | undefined = undefined;
  #timer: NodeJS.Timeout | undefined = undefined;
  #lastFault = '';

  /** Throws a ConfigError for a folder that is not this user's alone. */
  constructor(config: LastGoodConfig, services: LastGoodServices) {
    const { stats } = services;
    this.#config = config;
    this.#services = services;
    this.#file = new LastGoodFile(config.folder);
    this.#inUse = stats.gauge(statName(serverScope, 'last_good_in_use'));
    this.#written = stats.counter(statName(serverScope, 'last_good_written'));
    this.#failed = stats.counter(statName(serverScope, 'last_good_write_failed'));
    this.#refused = stats.counter(statName(serverScope, 'last_good_refused'));
  }

  /** What is on disk is in force. */
  get isServed(): boolean {
    return this.#phase === 'serving' && this.#isInForce;
  }

  /** The control plane is asked from now on. */
  start(): void {
    this.#timer = setTimeout(() => {
      this.#serving = this.#serve();
    }, this.#config.waitMs).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#sweeper);
  }

  /** Before the control plane's word is put in force. */
  async before(
    kind: ResourceKind, { updated, removed }: { updated: readonly { name: string }[]; removed: readonly string[] },
  ): Promise<void> {
    const heard = this.#heard.getOrInsertComputed(kind, () => new Set());
    for (const { name } of updated) heard.add(name);
    for (const name of removed) heard.add(name);
    await this.#serving;
  }

  /** The control plane's word is in force. */
  onApplied(): void {
    if (this.#phase !== 'following') return;
    if (this.#sweeper !== undefined && this.#heardRoutes) this.#sweep();
    this.#writeSoon();
  }

  /**
   * All that the control plane was asked for first is in force. What it did not speak of goes when it has spoken of the
   * routes: those that are in force still lead to clusters that it names no more.
   */
  onInitialised(): void {
    clearTimeout(this.#timer);
    if (this.#phase === 'serving') this.#sweeper = setTimeout(() => this.#sweep(), SWEEP_MS).unref();
    this.#phase = 'following';
    this.#inUse.set(0);
    this.#writeSoon();
  }

  get #heardRoutes(): boolean {
    const heard = this.#heard.get('route');
    return this.#served.every(({ type, name }) => type !== ROUTE_TYPE || heard?.has(name) === true);
  }

  async #serve(): Promise<void> {
    if (this.#phase !== 'waiting') return;
    const { log } = this.#services;
    const file = this.#file;
    try {
      const found = await this.#read();
      if (found !== undefined) await this.#putInForce(found.resources, found.ageMs);
      else log.warning(`the control plane does not answer, and ${file.path} holds nothing to serve until it does`);
    } catch (cause) {
      this.#refused.inc();
      log.error(`the control plane does not answer, and what it said last is not served: ${messageOf(cause)}`);
    }
  }

  /** Undefined where nothing was written yet. Rejects with a ConfigError for what must not be served. */
  async #read(): Promise<{ readonly resources: readonly ModelResource[]; readonly ageMs: number } | undefined> {
    const { clock, node, decoder } = this.#services;
    const sealed = this.#file.read();
    if (sealed === undefined) return undefined;
    const ageMs = clock.wallMs() - sealed.writtenWallMs;
    if (sealed.node !== node.id) throw new ConfigError('', `is of node '${sealed.node}'`, this.#file.path);
    if (ageMs > this.#config.maxAgeMs || ageMs < -FUTURE_MS) {
      throw new ConfigError('', `is ${seconds(ageMs)} old; WEFT_LAST_GOOD.max_age allows ${
        seconds(this.#config.maxAgeMs)}`, this.#file.path);
    }
    return { resources: await decoder.model(sealed.text), ageMs };
  }

  /**
   * Hosts that tables with vhds had, as `table/authority`: what this proxy used before. By the names that our control
   * plane gives them; of others' nothing is remembered.
   */
  async hostsOnDemand(): Promise<string[]> {
    // What is wrong with the file is told when it is to be served.
    const found = await this.#read().catch(() => undefined);
    return (found?.resources ?? []).filter(({ type }) => type === ROUTE_TYPE).flatMap(({ name, resource }) => {
      const { vhds, virtualHosts = [] } = resource as RouteConfiguration;
      const hosts = vhds === undefined ? [] : virtualHosts.map((host) => host.name);
      return hosts.filter((host) => host.startsWith(`${name}/`));
    });
  }

  async #putInForce(resources: readonly ModelResource[], ageMs: number): Promise<void> {
    if (this.#phase !== 'waiting') return;
    this.#phase = 'serving';
    this.#served = resources;
    const refused: Refusal[] = [];
    for (const [kind, type] of KINDS) {
      const heard = this.#heard.get(kind);
      const updated = resources.filter((entry) => entry.type === type && heard?.has(entry.name) !== true);
      if (updated.length === 0) continue;
      refused.push(...await this.#services.apply({ kind, updated, removed: [], origin: 'dynamic' }));
    }
    this.#isInForce = true;
    if (!this.isServed) return;
    this.#inUse.set(1);
    const { log } = this.#services;
    log.error(`the control plane does not answer: ${resources.length} resources that it sent ${seconds(ageMs)} ago are`
      + ' served until it does');
    for (const { name, reason } of refused) log.error(`${name} of what it said last is refused: ${reason}`);
    this.#services.onProgress();
  }

  /** Route tables and endpoints are asked for by name: those that nobody names any more cost nothing but memory. */
  #sweep(): void {
    clearTimeout(this.#sweeper);
    this.#sweeper = undefined;
    const { apply, log } = this.#services;
    const gone = (type: ResourceType, kind: ResourceKind): ModelResource[] => this.#served
      .filter((entry) => entry.type === type && this.#heard.get(kind)?.has(entry.name) !== true);
    const [clusters, listeners] = [gone(CLUSTER_TYPE, 'cluster'), gone(LISTENER_TYPE, 'listener')];
    const services = clusters.map(({ name, resource }) => (resource as Cluster).edsClusterConfig?.serviceName || name)
      .filter((name) => this.#heard.get('endpoints')?.has(name) !== true);
    this.#served = [];
    const remove = (kind: ResourceKind, names: readonly string[]): void =>
      void apply({ kind, updated: [], removed: names, origin: 'dynamic' });
    remove('listener', listeners.map(({ name }) => name));
    remove('cluster', clusters.map(({ name }) => name));
    remove('endpoints', services);
    log.warning(`the control plane answers again; ${clusters.length + listeners.length} resources that it names no more`
      + ' are removed');
  }

  #writeSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#write(), SETTLE_MS).unref();
  }

  async #write(): Promise<void> {
    const { store, decoder, node, clock, log } = this.#services;
    const resources: ModelResource[] = KINDS.flatMap(([kind, type]) => [...store.list(kind).values()]
      .filter(({ origin }) => origin === 'dynamic')
      .map(({ name, version, resource }) => ({ type, name, version, resource })));
    try {
      const { text, withheld } = await decoder.modelText(resources);
      this.#file.write({ text, node: node.id, writtenWallMs: clock.wallMs() });
      this.#written.inc();
      this.#tell(withheld.length === 0 ? '' : `what holds keys is not written down: ${withheld.join(', ')}`, log);
    } catch (cause) {
      this.#failed.inc();
      this.#tell(`what the control plane said is not written down: ${messageOf(cause)}`, log);
    }
  }

  /** Said once, until something else is to say. */
  #tell(fault: string, log: ComponentLog): void {
    if (fault !== '' && fault !== this.#lastFault) log.warning(fault);
    this.#lastFault = fault;
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
