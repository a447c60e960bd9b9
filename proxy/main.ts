// The proxy as a program: bootstrap file in, traffic served, SIGTERM drained;
// and the same as a handle for tests and embedding.
import { availableParallelism } from 'node:os';
import { systemClock } from './base/clock.ts';
import { endSignal } from './base/end-signal.ts';
import { messageOf } from './base/error.ts';
import { harden } from './base/harden.ts';
import { RestCollection } from './base/rest-collection.ts';
import type { Bootstrap } from './config/bootstrap.ts';
import { Decoder } from './supervisor/decoder.ts';
import type { DrainPlan } from './supervisor/drain.ts';
import type { RunningProxy } from './supervisor/running-proxy.ts';
import type { NodeIdentity } from './supervisor/messages.ts';
import type { RestartOptions } from './supervisor/restart.ts';
import { Logger } from './telemetry/log.ts';

export interface ProxyOptions {
  readonly file: string;
  readonly logLevel: string;
  /** Worker threads; 0 or absent: one for each CPU. */
  readonly concurrency?: number;
  /** After SIGTERM; default 30 s, or what the bootstrap and the environment say (supervisor/lifecycle-config.ts). */
  readonly drainTimeMs?: number;
  readonly restart?: RestartOptions;
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
}

/** As package.json has it. */
const VERSION = '0.1.0';


/** `weft proxy --mode validate`: 0 when the file is good, 1 with every fault on a line when not. */
export async function validateBootstrap(options: ProxyOptions): Promise<number> {
  const { loadBootstrap } = await import('./config/bootstrap-file.ts');
  try {
    const { warnings } = await loadBootstrap(options.file);
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    process.stdout.write(`configuration '${options.file}' OK\n`);
    return 0;
  } catch (cause) {
    process.stderr.write(`${messageOf(cause)}\n`);
    return 1;
  }
}

/** Serves until SIGTERM or SIGINT; resolves with the exit status: 0 after a drain, 2 when it cannot start. */
export async function runProxy(options: ProxyOptions): Promise<number> {
  harden();
  const log = new Logger(options.logLevel);
  const main = log.component('main');
  // From the beginning: what runs as process 1 is not ended by a signal that it does not take.
  const told = endSignal();
  const decoder = new Decoder();
  let proxy: RunningProxy;
  try {
    // The decoder starts while the rest of this process is loaded.
    const [{ bootstrap, warnings }, { RunningProxy }] = await Promise.all([
      decoder.bootstrap(options.file), import('./supervisor/running-proxy.ts'),
    ]);
    for (const warning of warnings) log.component('config').warning(warning);
    proxy = await RunningProxy.start({
      bootstrap, decoder, log, clock: systemClock, node: nodeIdentity(bootstrap, options), logLevel: options.logLevel,
      version: VERSION,
      commandLine: { config_path: options.file, concurrency: options.concurrency ?? 0, log_level: options.logLevel },
      concurrency: options.concurrency || availableParallelism(),
      ...(options.drainTimeMs !== undefined && { drainTimeMs: options.drainTimeMs }),
      ...(options.restart !== undefined && { restart: options.restart }),
    });
  } catch (cause) {
    for (const line of messageOf(cause).split('\n')) main.critical(line);
    return 2;
  }
  const admin = proxy.adminAddress === '' ? '' : `, admin on ${proxy.adminAddress}`;
  main.info(`serving with ${proxy.workers} worker${proxy.workers === 1 ? '' : 's'}${admin}`);
  new RestCollection(0).touch();
  await Promise.race([told, proxy.quitRequested]);
  main.info(`draining: ${howLong(proxy.drainPlan)}; a second signal ends at once`);
  await Promise.race([proxy.drain(), endSignal()]);
  await proxy.stop();
  return 0;
}

function howLong({ deadlineMs, minimumMs, endsWhenEmpty }: DrainPlan): string {
  if (!endsWhenEmpty) return `for ${deadlineMs / 1000} s`;
  const least = minimumMs === 0 ? '' : `at least ${minimumMs / 1000} s, and `;
  return `${least}until no connection is open, for ${deadlineMs / 1000} s at most`;
}

function nodeIdentity(bootstrap: Bootstrap, options: ProxyOptions): NodeIdentity {
  return {
    id: options.serviceNode ?? bootstrap.node?.id ?? '',
    cluster: options.serviceCluster ?? bootstrap.node?.cluster ?? '',
    metadata: bootstrap.node?.metadata ?? {},
  };
}
