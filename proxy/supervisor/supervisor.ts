// The supervisor: starts the workers, brings configuration to them from file and control plane, and ends them in order.
import type { Clock } from '../base/clock.ts';
import { clientsWithin, descriptorLimit } from '../base/descriptor-limit.ts';
import { ConfigError } from '../base/error.ts';
import { PooledRandom } from '../base/random.ts';
import type { Bootstrap } from '../config/bootstrap.ts';
import type { HostAnswer } from '../config/host-demand.ts';
import type { ClusterLoadAssignment } from '../config/endpoint.ts';
import type { Listener } from '../config/listener.ts';
import type { Logger } from '../telemetry/log.ts';
import type { SpanRecord } from '../telemetry/span-record.ts';
import { serverScope, statName } from '../telemetry/stat-name.ts';
import { Stats } from '../telemetry/stats.ts';
import type { Counter } from '../telemetry/stats.ts';
import type { AuditService } from './audit-service.ts';
import { ConfigIntake } from './config-intake.ts';
import type { IncomingResource } from './config-intake.ts';
import { ConfigStore } from './config-store.ts';
import { DnsResolver } from './dns.ts';
import { Drain } from './drain.ts';
import type { DrainPlan } from './drain.ts';
import { localZoneOf } from './local-zone.ts';
import { LoginDesk } from './login-service.ts';
import type { FromWorker, NodeIdentity, ResourceKind } from './messages.ts';
import { sharesPorts } from './port-probe.ts';
import type { StatSource, StatsMerger } from './stats-merger.ts';
import { Watchdog } from './watchdog.ts';
import type { PoolListener } from './worker-pool.ts';
import { WorkerPool } from './worker-pool.ts';
import type { WorkerThread } from './worker-thread.ts';

export interface SupervisorOptions {
  readonly bootstrap: Bootstrap;
  readonly node: NodeIdentity;
  /** Worker threads. */
  readonly concurrency: number;
  readonly clock: Clock;
  readonly logLevel: string;
  /** Old-space limit of each worker; undefined is V8's own. */
  readonly heapMb?: number;
  /** Sockets of the process before this one, by `host:port`. */
  readonly inherited?: ReadonlyMap<string, readonly number[]>;
}

/** Where a worker listens. */
interface ListeningPlace {
  readonly address: string;
  readonly descriptors: readonly number[];
}

/** What the supervisor is given to work with. */
export interface SupervisorServices {
  readonly log: Logger;
  readonly stats: StatsMerger;
  spans(spans: readonly SpanRecord[]): void;
  /** Of the workers, and of the configuration; undefined without an audit log. */
  readonly audit: AuditService | undefined;
  /** What was asked of the control plane and of the certificate authority at start and has not come, for people. */
  waitingFor(): readonly string[];
  /** A request waits for a virtual host; `tell` is called once. */
  demand(table: string, authority: string, tell: (answer: HostAnswer) => void): void;
  /** Requests were for these virtual hosts of a table, or still are. */
  usedHosts(table: string, hosts: readonly string[]): void;
}

/** Fewer places for clients are worth a word at the start. */
const FEW_CLIENTS = 1000;

/**
 * - initializing: static configuration is being applied, or listeners wait for what they need.
 * - live: all that was asked for at start serves.
 * - draining: told to end; readiness is off, requests in flight finish.
 * - stopped.
 */
export type SupervisorState = 'initializing' | 'live' | 'draining' | 'stopped';

export class Supervisor implements PoolListener {
  readonly store = new ConfigStore();
  readonly intake: ConfigIntake;
  readonly pool: WorkerPool;
  readonly #options: SupervisorOptions;
  readonly #services: SupervisorServices;
  readonly #dns: DnsResolver;
  readonly #logins: LoginDesk;
  readonly #drain: Drain;
  readonly #missing = new Map<string, string>();
  readonly #ports = new Map<string, number>();
  readonly #sources = new Map<WorkerThread, StatSource>();
  readonly #listening = new Map<WorkerThread, Map<string, ListeningPlace>>();
  readonly #deaths: Counter;
  readonly #watchdog: Watchdog;
  #state: SupervisorState = 'initializing';
  #onStopped: (() => void) | undefined = undefined;

  private constructor(options: SupervisorOptions, services: SupervisorServices, reusePort: boolean) {
    this.#options = options;
    this.#services = services;
    const { bootstrap, node, concurrency, clock, heapMb } = options;
    this.#logins = new LoginDesk(services.log.component('login'), clock, this.store);
    this.#deaths = new Stats(services.stats.source()).counter(statName(serverScope, 'worker_deaths'));
    const count = reusePort ? concurrency : 1;
    const pool = {
      logLevel: options.logLevel, count, reusePort, node, connectionsMax: this.#clientsMax(count),
      inherited: options.inherited ?? new Map<string, readonly number[]>(),
      tracing: bootstrap.tracing?.http, zone: localZoneOf(bootstrap),
      ...(heapMb !== undefined && { heapMb }),
    };
    this.pool = new WorkerPool(pool, this.store, this);
    this.#drain = new Drain(this.pool);
    const { heartbeats } = this.pool;
    const own = new Stats(services.stats.source());
    this.#watchdog = new Watchdog(heartbeats, () => this.pool.threads, own, services.log.component('worker'));
    this.#dns = new DnsResolver({
      onEndpoints: (name, assignment) => void this.#onResolved(name, assignment),
      onFailure: (cluster, hostname, reason) => services.log.component('dns').warning(
        `cluster ${cluster}: ${hostname} does not resolve: ${reason}`,
      ),
    }, new PooledRandom());
    this.intake = new ConfigIntake(this.pool, this.store, this.#dns, clock, services.audit, options.inherited);
    if (!reusePort && concurrency > 1) {
      services.log.component('main').warning('this system cannot share a port between threads: one worker is used');
    }
  }

  #clientsMax(workers: number): number {
    const limit = descriptorLimit();
    const max = clientsWithin(limit, workers);
    if (max < FEW_CLIENTS) {
      this.#services.log.component('main').warning(`${limit} open files are allowed, so that ${max} connections of `
        + 'clients are taken at one time; raise the limit (ulimit -n, LimitNOFILE) for more');
    }
    return max;
  }

  static async create(options: SupervisorOptions, services: SupervisorServices): Promise<Supervisor> {
    return new Supervisor(options, services, options.concurrency > 1 ? await sharesPorts() : true);
  }

  get state(): SupervisorState {
    return this.#state;
  }

  /** What readiness still waits for, for people. */
  get waitingFor(): readonly string[] {
    const listeners = [...this.store.list('listener').keys()].filter((name) => !this.#ports.has(name));
    return [...this.#services.waitingFor(), ...listeners.map((name) => this.#waitOf(name))];
  }

  /** Why no request should be sent here now, for people; empty: send them. */
  get notReady(): readonly string[] {
    if (this.#state === 'draining' || this.#state === 'stopped') return ['draining: this proxy is about to end'];
    const lost = [...this.#ports.keys()].filter((name) => this.store.get('listener', name) !== undefined
      && this.listening(name) === 0);
    return [...this.waitingFor, ...lost.map((name) => `listener ${name}: its worker was lost and is being replaced`)];
  }

  #waitOf(listener: string): string {
    const missing = this.#missing.get(listener);
    return missing === undefined ? `listener ${listener}` : `listener ${listener}: ${missing}`;
  }

  /** Where a listener really listens; undefined while it does not. */
  portOf(listener: string): number | undefined {
    return this.#ports.get(listener);
  }

  /** The sockets that are listened on, by `host:port`. */
  sockets(): Map<string, number[]> {
    const sockets = new Map<string, number[]>();
    for (const places of this.#listening.values()) {
      for (const [name, { address, descriptors }] of places) {
        if (this.store.get('listener', name) === undefined) continue;
        sockets.set(address, [...(sockets.get(address) ?? []), ...descriptors]);
      }
    }
    return sockets;
  }

  /** Workers that listen there now. */
  listening(listener: string): number {
    let count = 0;
    for (const names of this.#listening.values()) if (names.has(listener)) count++;
    return count;
  }

  /** Applies what the file holds. Rejects with a ConfigError for each resource that is refused, as one error. */
  async start(): Promise<void> {
    this.pool.start();
    this.#watchdog.start();
    const { secrets = [], clusters = [], listeners = [] } = this.#options.bootstrap.staticResources ?? {};
    await this.#static('secret', secrets.map((secret) => [secret.name, secret]));
    await this.#static('cluster', clusters.map((cluster) => [cluster.name, cluster]));
    await this.#static('listener', listeners.map((listener) => [listenerName(listener), listener]));
    this.updateState();
  }

  /** Called whenever something may have become ready. */
  updateState(): void {
    if (this.#state === 'initializing' && this.waitingFor.length === 0) this.#state = 'live';
  }

  /** Readiness off; then the inbound listeners drain, or all where none is inbound. Resolves when that is over. */
  async drain(plan: DrainPlan): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'draining';
    await this.#drain.run(plan, this.hasInbound);
  }

  /** As drain(), but another process listens on the same sockets: none is listened on here any more. */
  async yield(plan: DrainPlan): Promise<void> {
    this.#state = 'draining';
    this.pool.post({ kind: 'stop-listening', inboundOnly: false });
    await this.#drain.run({ ...plan, minimumMs: 0, endsWhenEmpty: true }, false);
  }

  /** A drain ends as soon as it can: nobody waits for this proxy any more. */
  finishDrain(): void {
    this.#drain.finish();
  }

  /** A sidecar, not a gateway. */
  get hasInbound(): boolean {
    return this.store.list('listener').values()
      .some(({ resource }) => (resource as Listener).trafficDirection === 'INBOUND');
  }

  /** Ends the workers. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#watchdog.stop();
    this.#drain.stop();
    this.#dns.stop();
    await this.#logins.stop();
    const stopped = new Promise<void>((resolve) => {
      this.#onStopped = resolve;
    });
    this.pool.stop();
    await stopped;
  }

  onWorkerMessage(thread: WorkerThread, message: FromWorker): void {
    switch (message.kind) {
      case 'listening':
        this.#ports.set(message.listener, message.port);
        this.#missing.delete(message.listener);
        this.#listeningOf(thread).set(message.listener, message);
        this.updateState();
        break;
      case 'warming':
        this.#missing.set(message.listener, `waits for ${message.missing.join(', ')}`);
        break;
      case 'listen-failed':
        this.#missing.set(message.listener, `cannot listen on ${message.reason}`);
        this.#services.log.component('listener').error(
          `listener ${message.listener} cannot listen on ${message.reason}`,
        );
        break;
      case 'connections':
        this.#drain.onConnections(thread.index, message.count);
        break;
      case 'chunk':
        this.#statsOf(thread).chunk(message.index, message.memory);
        break;
      case 'stats':
        for (const registration of message.registrations) this.#statsOf(thread).register(registration);
        for (const block of message.blocks) this.#statsOf(thread).blockOfThread(block);
        break;
      case 'decisions':
        this.#services.audit?.onDecisions(message.records, message.dropped);
        break;
      case 'spans':
        this.#services.spans(message.spans);
        break;
      case 'demand': {
        const { table, authority } = message;
        const tell = (answer: HostAnswer): void => thread.post({ kind: 'demanded', table, authority, answer });
        this.#services.demand(table, authority, tell);
        break;
      }
      case 'hosts-used':
        this.#services.usedHosts(message.table, message.hosts);
        break;
      case 'login':
        void this.#logins.answer(message.provider, message.question).then((answer) => {
          thread.post({ kind: 'login-answer', id: message.id, answer });
        });
        break;
      case 'started':
      case 'applied':
      case 'tell':
        break;
    }
  }

  onWorkerDeath(thread: WorkerThread, reason: string, delayMs: number): void {
    this.#listening.delete(thread);
    this.#sources.get(thread)?.end();
    this.#sources.delete(thread);
    this.#deaths.inc();
    this.#drain.onDeath(thread.index);
    const when = delayMs === 0 ? 'at once' : `after ${delayMs} ms`;
    this.#services.log.component('worker').error(`worker ${thread.index} ended (${reason}); it is replaced ${when}`);
  }

  onAllStopped(): void {
    this.#onStopped?.();
  }

  #listeningOf(thread: WorkerThread): Map<string, ListeningPlace> {
    let names = this.#listening.get(thread);
    if (names === undefined) {
      names = new Map();
      this.#listening.set(thread, names);
    }
    return names;
  }

  #statsOf(thread: WorkerThread): StatSource {
    let source = this.#sources.get(thread);
    if (source === undefined) {
      source = this.#services.stats.source();
      this.#sources.set(thread, source);
    }
    return source;
  }

  async #static(kind: ResourceKind, resources: readonly (readonly [string, unknown])[]): Promise<void> {
    const updated: IncomingResource[] = resources.map(([name, resource]) => ({ name, resource, version: '' }));
    const refused = await this.intake.apply({ kind, updated, removed: [], origin: 'static' });
    if (refused.length > 0) throw new ConfigError('', refused.map(({ reason }) => reason).join('\n'));
  }

  async #onResolved(name: string, assignment: ClusterLoadAssignment): Promise<void> {
    const updated = [{ name, resource: assignment, version: '' }];
    const refused = await this.intake.apply({ kind: 'endpoints', updated, removed: [], origin: 'static' });
    for (const { reason } of refused) this.#services.log.component('dns').error(`cluster ${name}: ${reason}`);
  }
}

/** A listener without a name is known by its address, as in Envoy. */
export function listenerName(listener: Listener): string {
  const address = listener.address.socketAddress;
  return listener.name || `${address?.address ?? ''}:${address?.portValue ?? ''}`;
}
