// The process as the admin interface sees it: snapshots of what the supervisor holds, and the actions that it offers.
import type { AdminResponse } from '../admin/admin-response.ts';
import type { AdminSource, ConfigSnapshot, DrainRequest, DumpResource, ListenerView } from '../admin/admin-source.ts';
import type { Clock } from '../base/clock.ts';
import { ConfigError } from '../base/error.ts';
import type { Bootstrap } from '../config/bootstrap.ts';
import type { Listener } from '../config/listener.ts';
import type { LogLevel, Logger } from '../telemetry/log.ts';
import { ServerStats } from '../telemetry/server-stats.ts';
import type { ServerState } from '../telemetry/server-stats.ts';
import type { StatSnapshot } from '../telemetry/stat-snapshot.ts';
import { Stats } from '../telemetry/stats.ts';
import type { NodeFacts } from '../telemetry/workload.ts';
import { CertificateExpiry } from './certificate-expiry.ts';
import type { Decoder } from './decoder.ts';
import type { ResourceKind } from './messages.ts';
import type { Readiness } from './readiness.ts';
import type { StatsMerger } from './stats-merger.ts';
import type { Supervisor } from './supervisor.ts';

export interface AdminViewOptions {
  readonly bootstrap: Bootstrap;
  readonly decoder: Decoder;
  readonly node: NodeFacts;
  readonly concurrency: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  readonly commandLine: Readonly<Record<string, string | number | boolean>>;
  /** How long /drain_listeners?graceful asks before listeners close. */
  readonly drainMs: number;
}

const STATES: Readonly<Record<Supervisor['state'], ServerState>> = {
  initializing: 'INITIALIZING', live: 'LIVE', draining: 'DRAINING', stopped: 'DRAINING',
};

export class AdminView implements AdminSource {
  readonly clock: Clock;
  readonly version: string;
  readonly startedWallMs: number;
  readonly concurrency: number;
  readonly node: NodeFacts;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly #options: AdminViewOptions;
  readonly #supervisor: Supervisor;
  readonly #merger: StatsMerger;
  readonly #server: ServerStats;
  readonly #expiry: CertificateExpiry;
  readonly #readiness: Readiness;
  readonly #quit: () => void;

  constructor(
    options: AdminViewOptions, supervisor: Supervisor, merger: StatsMerger, readiness: Readiness, quit: () => void,
  ) {
    this.#readiness = readiness;
    this.#options = options;
    this.#supervisor = supervisor;
    this.#merger = merger;
    this.#server = new ServerStats(new Stats(merger.source()));
    this.#expiry = new CertificateExpiry(supervisor.store);
    this.#quit = quit;
    this.clock = options.clock;
    this.version = options.version;
    this.startedWallMs = options.clock.wallMs();
    this.concurrency = options.concurrency;
    this.node = options.node;
    this.options = options.commandLine;
  }

  /** A failed health check reads as draining, as in Envoy. */
  state(): ServerState {
    const state = STATES[this.#supervisor.state];
    return this.#readiness.failed && state === 'LIVE' ? 'DRAINING' : state;
  }

  waitingFor(): readonly string[] {
    return this.#readiness.reasons;
  }

  config(): ConfigSnapshot {
    return {
      bootstrap: this.#options.bootstrap, bootstrapWallMs: this.startedWallMs, clusters: this.#list('cluster'),
      endpoints: this.#list('endpoints'), listeners: this.#list('listener'), routes: this.#list('route'),
      secrets: this.#list('secret'),
    };
  }

  configDump(query: URLSearchParams): Promise<AdminResponse> {
    return this.#options.decoder.configDump(this.config(), query);
  }

  listeners(): readonly ListenerView[] {
    return [...this.#supervisor.store.list('listener').values()].map(({ name, resource }) => {
      const address = (resource as Listener).address.socketAddress;
      return { name, address: address?.address ?? '', port: this.#supervisor.portOf(name) ?? address?.portValue ?? 0 };
    });
  }

  stats(): readonly StatSnapshot[] {
    this.#server.update(this.state(), this.concurrency, (this.clock.wallMs() - this.startedWallMs) / 1000);
    return [...this.#merger.snapshot(), ...this.#expiry.gauges(this.clock.wallMs())];
  }

  readStat(flat: string): number {
    return this.#merger.read(flat);
  }

  logLevels(): ReadonlyMap<string, LogLevel> {
    return this.#options.log.levels();
  }

  setLogLevel(level: string, component: string | undefined): void {
    this.#options.log.setLevel(level, component);
    this.#supervisor.pool.post({ kind: 'log-level', level, component });
  }

  /** Gracefully: connections are asked to go for the drain time, then listeners close, unless that is skipped. */
  drainListeners({ inboundOnly, graceful, skipExit }: DrainRequest): void {
    if (skipExit && !graceful) throw new ConfigError('skip_exit', 'needs graceful beside it');
    const { pool } = this.#supervisor;
    pool.post({ kind: 'drain', inboundOnly });
    const close = (): void => pool.post({ kind: 'stop-listening', inboundOnly });
    if (!graceful) close();
    else if (!skipExit) setTimeout(close, this.#options.drainMs).unref();
  }

  failHealthCheck(fail: boolean): void {
    this.#readiness.fail(fail);
  }

  reopenLogs(): void {
    this.#supervisor.pool.post({ kind: 'reopen-logs' });
  }

  quit(): void {
    this.#quit();
  }

  #list(kind: ResourceKind): DumpResource[] {
    return [...this.#supervisor.store.list(kind).values()];
  }
}
