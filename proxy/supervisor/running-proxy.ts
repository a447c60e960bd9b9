// A whole proxy in one process: supervisor, workers and the services beside them; what main.ts runs and tests embed.
import type { Clock } from '../base/clock.ts';
import type { Bootstrap } from '../config/bootstrap.ts';
import type { Logger } from '../telemetry/log.ts';
import type { NodeIdentity } from './messages.ts';
import { StatsMerger } from './stats-merger.ts';
import { Supervisor } from './supervisor.ts';

export interface RunningProxyOptions {
  readonly bootstrap: Bootstrap;
  readonly node: NodeIdentity;
  readonly concurrency: number;
  readonly logLevel: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly heapMb?: number;
}

export class RunningProxy implements AsyncDisposable {
  readonly supervisor: Supervisor;
  readonly stats: StatsMerger;
  readonly adminAddress = '';
  readonly #quit = Promise.withResolvers<void>();

  private constructor(supervisor: Supervisor, stats: StatsMerger) {
    this.supervisor = supervisor;
    this.stats = stats;
  }

  /** Rejects when the file's configuration cannot be put in force; nothing is left running then. */
  static async start(options: RunningProxyOptions): Promise<RunningProxy> {
    const stats = new StatsMerger();
    const supervisor = await Supervisor.create(options, { log: options.log, stats, spans: () => undefined, initialized: () => true });
    const proxy = new RunningProxy(supervisor, stats);
    try {
      await supervisor.start();
    } catch (cause) {
      await proxy.stop();
      throw cause;
    }
    return proxy;
  }

  get workers(): number {
    return this.supervisor.pool.size;
  }

  /** Resolves when the admin interface was asked to end the process. */
  get quitRequested(): Promise<void> {
    return this.#quit.promise;
  }

  drain(deadlineMs: number): Promise<void> {
    return this.supervisor.drain(deadlineMs);
  }

  async stop(): Promise<void> {
    await this.supervisor.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
