// A whole proxy in one process: supervisor, workers and the services beside them; what main.ts runs and tests embed.
import type { AdminRequest, AdminResponse } from '../admin/admin-response.ts';
import { adminTokenFile } from '../admin/change-permission.ts';
import type { Clock } from '../base/clock.ts';
import { PooledRandom } from '../base/random.ts';
import { TimerWheel } from '../base/timers.ts';
import type { Bootstrap } from '../config/bootstrap.ts';
import type { Listener } from '../config/listener.ts';
import type { DnsProxy } from '../dns/dns-proxy.ts';
import type { Logger } from '../telemetry/log.ts';
import { Stats } from '../telemetry/stats.ts';
import { AdminView } from './admin-view.ts';
import type { AuditService } from './audit-service.ts';
import { collectorAddress } from './collector-address.ts';
import { ControlLink } from './control-link.ts';
import { Decoder } from './decoder.ts';
import type { DrainPlan } from './drain.ts';
import { lifecycleOf } from './lifecycle-config.ts';
import type { LifecycleConfig } from './lifecycle-config.ts';
import type { NodeIdentity } from './messages.ts';
import { Readiness } from './readiness.ts';
import { Restart } from './restart.ts';
import type { RestartOptions } from './restart.ts';
import { SideServers } from './side-servers.ts';
import { SpanService } from './span-service.ts';
import { StatsMerger } from './stats-merger.ts';
import { Supervisor } from './supervisor.ts';

export interface RunningProxyOptions {
  readonly bootstrap: Bootstrap;
  /** The one that has read the bootstrap; it ends with the proxy. */
  readonly decoder?: Decoder;
  readonly node: NodeIdentity;
  readonly concurrency: number;
  readonly logLevel: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** For /server_info and the control plane. */
  readonly version: string;
  readonly commandLine?: Readonly<Record<string, string | number | boolean>>;
  readonly heapMb?: number;
  /** The command line's word on how long a drain may take. */
  readonly drainTimeMs?: number;
  /** How a process takes over from this one, and this one from another. */
  readonly restart?: RestartOptions;
}

export class RunningProxy implements AsyncDisposable {
  readonly supervisor: Supervisor;
  readonly stats: StatsMerger;
  readonly readiness: Readiness;
  readonly #lifecycle: LifecycleConfig;
  readonly #options: RunningProxyOptions;
  readonly #link: ControlLink;
  readonly #spans: SpanService;
  readonly #decoder: Decoder;
  readonly #audit: AuditService | undefined;
  readonly #dns: DnsProxy | undefined;
  readonly #quit = Promise.withResolvers<void>();
  readonly #servers: SideServers;
  readonly #restart: Restart | undefined;
  #isDone = false;

  private constructor(
    options: RunningProxyOptions, supervisor: Supervisor, link: ControlLink, spans: SpanService, stats: StatsMerger,
    decoder: Decoder, audit: AuditService | undefined, restart: Restart | undefined, dns: DnsProxy | undefined,
  ) {
    this.#restart = restart;
    this.#audit = audit;
    this.#dns = dns;
    this.#options = options;
    this.#decoder = decoder;
    this.#lifecycle = lifecycleOf(options.node.metadata, process.env, options.drainTimeMs);
    this.supervisor = supervisor;
    this.readiness = new Readiness(supervisor);
    this.#link = link;
    this.#spans = spans;
    this.stats = stats;
    this.#servers = this.#makeServers();
  }

  /** Rejects when the file's configuration cannot be put in force; nothing is left running then. */
  static async start(options: RunningProxyOptions): Promise<RunningProxy> {
    const { bootstrap, node, clock, log, version, decoder = new Decoder() } = options;
    const stats = new StatsMerger();
    const timers = new TimerWheel(clock);
    const spans = new SpanService({
      serviceName: node.cluster, stats: new Stats(stats.source()), log: log.component('tracing'),
      addressOf: (cluster) => collectorAddress(supervisor.store, cluster), metadata: node.metadata,
    });
    const restart = await Restart.begin(options.restart, node, log);
    const audit = await openAudit(options, stats);
    const dns = await openDns(options, stats);
    const inherited = restart?.inherited;
    const supervisor: Supervisor = await Supervisor.create({ ...options, ...(inherited && { inherited }) }, {
      log, stats, audit, spans: (records) => spans.feed(records), waitingFor: () => link.waitingFor,
      demand: (table, authority, tell) => link.demand(table, authority, tell),
      usedHosts: (table, hosts) => link.usedHosts(table, hosts),
    });
    const onProgress = (): void => supervisor.updateState();
    const link = new ControlLink({
      bootstrap, decoder, node, clock, random: new PooledRandom(), timers, log, stats, version, onProgress, audit,
      names: dns,
      listeners: () => supervisor.store.list('listener').values().map(({ resource }) => resource as Listener),
      portOf: (listener) => supervisor.portOf(listener), store: supervisor.store,
    }, supervisor.intake);
    const proxy = new RunningProxy(options, supervisor, link, spans, stats, decoder, audit, restart, dns);
    try {
      await proxy.#start();
    } catch (cause) {
      await proxy.stop();
      throw cause;
    }
    return proxy;
  }

  get workers(): number {
    return this.supervisor.pool.size;
  }

  /** host:port, or a socket's path; '' without an admin interface. */
  get adminAddress(): string {
    return this.#servers.adminAddress;
  }

  /** Resolves when the admin interface was asked to end the process, or the application has ended. */
  get quitRequested(): Promise<void> {
    return this.#quit.promise;
  }

  get drainPlan(): DrainPlan {
    return this.#lifecycle.drain;
  }

  /** Where probes ask; '' when nowhere. */
  get healthAddress(): string {
    return this.#servers.healthAddress;
  }

  /** As long as an application says that it is here, nobody being connected is no end: it may connect again. */
  async drain(): Promise<void> {
    const { drain } = this.#lifecycle;
    if (this.#restart?.isTaken === true) return this.supervisor.yield(drain);
    const { application } = this.#servers;
    const isHeld = application?.isHeld === true;
    application?.drain();
    const over = this.supervisor.drain(isHeld ? { ...drain, endsWhenEmpty: false } : drain);
    if (this.#isDone) this.supervisor.finishDrain();
    await over;
  }

  /** The admin interface last but for the workers: it tells of the end while there is something to tell. */
  async stop(): Promise<void> {
    this.#link.stop();
    await this.#restart?.close();
    await this.supervisor.stop();
    this.#dns?.stop();
    await this.#spans.stop();
    await this.#audit?.close();
    await this.#servers.close();
    this.#decoder.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    // Before there is anything to be ready: probes are told what is waited for.
    await this.#servers.open();
    await this.supervisor.start();
    await this.#link.start();
    this.supervisor.updateState();
    this.#restart?.follow({
      supervisor: this.supervisor, stats: this.stats, servers: this.#servers, onTaken: () => this.#quit.resolve(),
    });
  }

  #makeServers(): SideServers {
    const { bootstrap, log, commandLine = {} } = this.#options;
    const options = {
      ...this.#options, decoder: this.#decoder, commandLine, drainMs: this.#lifecycle.drain.deadlineMs,
    };
    const view = new AdminView(options, this.supervisor, this.stats, this.readiness, () => this.#quit.resolve());
    return new SideServers({
      adminAddress: bootstrap.admin?.address, adminTokenFile: adminTokenFile(this.#options.node.metadata),
      lifecycle: this.#lifecycle, readiness: this.readiness, log,
      answer: (request) => answer(view, request), onDone: () => this.#onDone(),
    });
  }

  #onDone(): void {
    this.#isDone = true;
    this.#quit.resolve();
    this.supervisor.finishDrain();
  }
}

/** Loaded where the bootstrap asks for a log. */
async function openAudit(
  { node, clock, log }: RunningProxyOptions, stats: StatsMerger,
): Promise<AuditService | undefined> {
  if (node.metadata['WEFT_AUDIT'] === undefined) return undefined;
  const [{ auditConfigOf }, { AuditService }] = await Promise.all([
    import('./audit-config.ts'), import('./audit-service.ts'),
  ]);
  const config = auditConfigOf(node.metadata);
  if (config === undefined) return undefined;
  return new AuditService({
    ...config, clock, node, log: log.component('audit'), stats: new Stats(stats.source()),
  });
}

/** Loaded where the bootstrap asks for it: it answers the application's questions before any listener does. */
async function openDns(
  { node, clock, log }: RunningProxyOptions, stats: StatsMerger,
): Promise<DnsProxy | undefined> {
  if (node.metadata['DNS_CAPTURE'] === undefined) return undefined;
  const [{ dnsConfigOf }, { DnsProxy }] = await Promise.all([
    import('../dns/dns-config.ts'), import('../dns/dns-proxy.ts'),
  ]);
  const config = dnsConfigOf(node.metadata, node.id);
  if (config === undefined) return undefined;
  return DnsProxy.start({
    config, clock, random: new PooledRandom(), stats: new Stats(stats.source()), log: log.component('dns'),
  });
}

/** Commands are loaded when the first is asked for. */
async function answer(view: AdminView, request: AdminRequest): Promise<AdminResponse> {
  const { runCommand } = await import('../admin/commands.ts');
  return runCommand(view, request);
}
