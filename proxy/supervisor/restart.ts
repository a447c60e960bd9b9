// Hot restart (faults.md F18): one process after the other on the same sockets, with what was counted, and without a
// refused connection. Descriptors are handed over, because of sockets that share a port (SO_REUSEPORT) the one that is
// closed resets the connections that wait in it. Envoy's --restart-epoch and --base-id.
import { join } from 'node:path';
import { ConfigError } from '../base/error.ts';
import { joinHostPort } from '../base/host-port.ts';
import { privateFolder } from '../base/private-file.ts';
import type { Listener } from '../config/listener.ts';
import type { ComponentLog, Logger } from '../telemetry/log.ts';
import { serverScope, statName } from '../telemetry/stat-name.ts';
import { Stats } from '../telemetry/stats.ts';
import type { NodeIdentity } from './messages.ts';
import type { RestartGiver } from './restart-giver.ts';
import type { RestartTaker } from './restart-taker.ts';
import type { SideServers } from './side-servers.ts';
import type { StatsMerger } from './stats-merger.ts';
import type { Supervisor } from './supervisor.ts';

export interface RestartOptions {
  /** 0: there is no process yet; more: there is one. */
  readonly epoch: number;
  /** Where the processes meet; made when missing, for this user alone. */
  readonly folder: string;
}

/** The process around it. */
export interface RestartParts {
  readonly supervisor: Supervisor;
  readonly stats: StatsMerger;
  readonly servers: SideServers;
  /** Another process serves: this one should end. */
  onTaken(): void;
}

/** Between two looks whether all listeners serve. */
const LOOK_MS = 20;
/** What only one process can have at a time, and cannot let go of. */
const UNSHARED: readonly string[] = ['WEFT_AUDIT'];

export class Restart {
  readonly #path: string;
  readonly #node: NodeIdentity;
  readonly #log: ComponentLog;
  readonly #taker: RestartTaker | undefined;
  #giver: RestartGiver | undefined = undefined;
  #look: NodeJS.Timeout | undefined = undefined;
  #isTaken = false;

  private constructor(path: string, node: NodeIdentity, log: ComponentLog, taker: RestartTaker | undefined) {
    this.#path = path;
    this.#node = node;
    this.#log = log;
    this.#taker = taker;
  }

  /** Takes the sockets of the process that serves, if one is to. Rejects with a ConfigError when it cannot. */
  static async begin(
    options: RestartOptions | undefined, node: NodeIdentity, logger: Logger,
  ): Promise<Restart | undefined> {
    if (options === undefined) return undefined;
    privateFolder(options.folder);
    const path = join(options.folder, 'restart');
    const log = logger.component('restart');
    if (options.epoch === 0) return new Restart(path, node, log, undefined);
    const { RestartTaker } = await import('./restart-taker.ts');
    const taker = await RestartTaker.take(path, node.id);
    if (taker === undefined) throw new ConfigError('', 'no process serves there: begin with --restart-epoch 0', path);
    return new Restart(path, node, log, taker);
  }

  /** Sockets of the process before this one, by `host:port`. */
  get inherited(): ReadonlyMap<string, readonly number[]> | undefined {
    return this.#taker?.sockets;
  }

  /** Another process serves in this one's place. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Once all listeners serve the process before this one is told to end, and this one may be followed. */
  follow(parts: RestartParts): void {
    const stats = new Stats(parts.stats.source());
    stats.gauge(statName(serverScope, 'hot_restart_epoch')).set(this.#taker?.epoch ?? 0);
    this.#look = setInterval(() => {
      if (parts.supervisor.state !== 'live') return;
      clearInterval(this.#look);
      this.#taker?.taken(addressesOf(parts.supervisor), (tallies) => parts.stats.inherit(tallies));
      void this.#open(parts);
    }, LOOK_MS).unref();
  }

  /** Before the workers end: their counts go to the process that follows. */
  async close(): Promise<void> {
    clearInterval(this.#look);
    this.#taker?.giveUp();
    await this.#giver?.close();
  }

  async #open({ supervisor, stats, servers, onTaken }: RestartParts): Promise<void> {
    const { RestartGiver } = await import('./restart-giver.ts');
    const host = {
      node: this.#node.id, epoch: this.#taker?.epoch ?? 0, hindrance: hindranceOf(this.#node),
      sockets: () => supervisor.sockets(), tallies: () => stats.tallies(),
      release: () => servers.close(), resume: () => servers.reopen(),
      onTaken: () => {
        this.#isTaken = true;
        onTaken();
      },
    };
    for (let attempt = 1; this.#giver === undefined; attempt++) {
      try {
        this.#giver = await RestartGiver.open(this.#path, host, this.#log);
      } catch (cause) {
        // The process before this one lets go of the path when it hears that it may.
        if (attempt === ATTEMPTS) return this.#log.error(`no other process can take over: ${String(cause)}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    }
  }
}

const ATTEMPTS = 250;

function hindranceOf({ metadata }: NodeIdentity): string | undefined {
  const found = UNSHARED.find((name) => metadata[name] !== undefined);
  const sds = (metadata['WEFT_CA'] as { sds_socket?: unknown } | undefined)?.sds_socket;
  const name = found ?? (sds === undefined ? undefined : 'WEFT_CA.sds_socket');
  if (name === undefined) return undefined;
  return `it has ${name}, which two processes cannot share: drain it, then start another`;
}

function addressesOf({ store }: Supervisor): ReadonlySet<string> {
  const listeners = store.list('listener').values().map(({ resource }) => (resource as Listener).address.socketAddress);
  return new Set(listeners.map((address) => joinHostPort(address?.address ?? '', address?.portValue ?? 0)));
}
