// `weft proxy`: the data plane from an Envoy v3 bootstrap file, with Envoy's flags.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runProxy, validateBootstrap } from '../proxy/main.ts';
import type { ProxyOptions } from '../proxy/main.ts';
import { UsageError } from './usage.ts';

export const HELP = `usage: weft proxy -c FILE [options]
       weft proxy sidecar|router [--domain DOMAIN] [--log-level LEVEL] [--print-bootstrap]
       weft proxy drain [--status-port N]

In an injected container sidecar and router make the bootstrap of the environment, as Istio's agent does; drain tells
the sidecar's callers to go elsewhere.

  -c, --config-path FILE   Envoy v3 bootstrap, YAML or JSON (also --config)
      --concurrency N      worker threads; 0 is one for each CPU (default: number of CPUs)
      --service-node ID    node.id, over the file's
      --service-cluster N  node.cluster, over the file's
  -l, --log-level LEVEL    trace, debug, info, warning, error, critical, off (default info)
      --drain-time-s N     how long requests in flight may take after SIGTERM (default 30)
      --mode MODE          serve, or validate: check the file and end
      --restart-epoch N    0: another process may take over from this one; 1 and more: this one takes over from the
                           one that runs, without a refused connection (of the same user and node.id)
      --base-id N          which of several proxies of this user is meant by that (default 0)
`;

const OPTIONS = {
  'config-path': { type: 'string', short: 'c' },
  config: { type: 'string' },
  concurrency: { type: 'string' },
  'service-node': { type: 'string' },
  'service-cluster': { type: 'string' },
  'log-level': { type: 'string', short: 'l' },
  'drain-time-s': { type: 'string' },
  mode: { type: 'string' },
  'base-id': { type: 'string' },
  'restart-epoch': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'];

export async function run(args: string[]): Promise<number> {
  const [kind = '', ...rest] = args;
  if (kind === 'sidecar' || kind === 'router') return (await import('./pod-proxy.ts')).runPodProxy(kind, rest);
  if (kind === 'drain') return (await import('./pod-proxy.ts')).runDrain(rest);
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const file = values['config-path'] ?? values.config;
  if (file === undefined) throw new UsageError('-c FILE is missing');
  const [concurrency, drainTimeS] = [wholeNumber(values.concurrency), wholeNumber(values['drain-time-s'])];
  if (concurrency === null) throw new UsageError(`--concurrency takes a whole number, not "${values.concurrency}"`);
  if (drainTimeS === null) throw new UsageError(`--drain-time-s takes a whole number, not "${values['drain-time-s']}"`);
  const level = values['log-level'] ?? 'info';
  if (!LEVELS.includes(level)) throw new UsageError(`--log-level is one of ${LEVELS.join(', ')}, not "${level}"`);
  const [epoch, baseId] = [wholeNumber(values['restart-epoch']), wholeNumber(values['base-id'])];
  if (epoch === null || baseId === null) throw new UsageError('--restart-epoch and --base-id take whole numbers');
  const options: ProxyOptions = {
    file, logLevel: level, ...(concurrency !== undefined && { concurrency }),
    ...(drainTimeS !== undefined && { drainTimeMs: drainTimeS * 1000 }),
    ...(epoch !== undefined && { restart: { epoch, folder: restartFolder(baseId ?? 0) } }),
    ...(values['service-node'] !== undefined && { serviceNode: values['service-node'] }),
    ...(values['service-cluster'] !== undefined && { serviceCluster: values['service-cluster'] }),
  };
  if (values.mode === 'validate') return validateBootstrap(options);
  if (values.mode !== undefined && values.mode !== 'serve') {
    throw new UsageError(`--mode is serve or validate, not "${values.mode}"`);
  }
  return runProxy(options);
}

/** Where the processes of one proxy meet. */
function restartFolder(baseId: number): string {
  return join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), `weft-restart-${process.getuid?.() ?? 0}-${baseId}`);
}

/** undefined when absent, null when it is no whole number. */
function wholeNumber(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,6}$/.test(text) ? Number(text) : null;
}
