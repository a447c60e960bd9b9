// What the admin interface asks of the process behind it; the supervisor implements it.
import type { Clock } from '../base/clock.ts';
import type { Bootstrap } from '../config/bootstrap.ts';
import type { LogLevel } from '../telemetry/log.ts';
import type { ServerState } from '../telemetry/server-stats.ts';
import type { StatSnapshot } from '../telemetry/stat-snapshot.ts';
import type { NodeFacts } from '../telemetry/workload.ts';
import type { AdminResponse } from './admin-response.ts';

/** One resource in force, decoded; `version` is the management server's, '' for the file's. */
export interface DumpResource {
  readonly name: string;
  readonly resource: unknown;
  readonly origin: 'static' | 'dynamic';
  readonly version: string;
  readonly updatedWallMs: number;
}

/** The configuration in force. `endpoints` are those of xDS and of DNS, by cluster or service name. */
export interface ConfigSnapshot {
  readonly bootstrap: Bootstrap;
  readonly bootstrapWallMs: number;
  readonly clusters: readonly DumpResource[];
  readonly endpoints: readonly DumpResource[];
  readonly listeners: readonly DumpResource[];
  readonly routes: readonly DumpResource[];
  readonly secrets: readonly DumpResource[];
}

/** Where a listener really listens (a configured port 0 is resolved). */
export interface ListenerView {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export interface DrainRequest {
  /** Only listeners whose traffic direction is INBOUND. */
  readonly inboundOnly: boolean;
  /** Connections are asked to end, and none is refused meanwhile. */
  readonly graceful: boolean;
  /** Listeners stay open when the drain is over. */
  readonly skipExit: boolean;
}

/** Snapshots are made when they are asked for. Actions throw a ConfigError for what they cannot do: answered 400. */
export interface AdminSource {
  readonly clock: Clock;
  readonly version: string;
  readonly startedWallMs: number;
  /** Worker threads that are configured. */
  readonly concurrency: number;
  readonly node: NodeFacts;
  /** The command line, for /server_info. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  state(): ServerState;
  /** Why the proxy is not ready, for people; empty when it is. */
  waitingFor(): readonly string[];
  config(): ConfigSnapshot;
  /** Answers /config_dump, which needs the schemas of all resources. Rejects with a ConfigError for a bad query. */
  configDump(query: URLSearchParams): Promise<AdminResponse>;
  listeners(): readonly ListenerView[];
  stats(): readonly StatSnapshot[];
  /** A counter or gauge by its flat name; 0 for one that does not exist. */
  readStat(flat: string): number;
  logLevels(): ReadonlyMap<string, LogLevel>;
  setLogLevel(level: string, component: string | undefined): void;
  drainListeners(request: DrainRequest): void;
  /** True: /ready fails from now on although everything serves; false: the opposite. */
  failHealthCheck(fail: boolean): void;
  reopenLogs(): void;
  /** Ends the process in order. */
  quit(): void;
}
