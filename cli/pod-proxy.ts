// `weft proxy sidecar` and `weft proxy router`: the data plane in an injected container, from its environment.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { podProxyOf } from '../control/inject/pod-bootstrap.ts';
import { readAppProbes } from '../proxy/admin/app-probe.ts';
import { readMetricsTarget } from '../proxy/admin/merged-metrics.ts';
import { StatusServer } from '../proxy/admin/status-server.ts';
import { runProxy } from '../proxy/main.ts';
import { Logger, parseLogLevel } from '../proxy/telemetry/log.ts';
import { UsageError } from './usage.ts';

const OPTIONS = {
  domain: { type: 'string' },
  'log-level': { type: 'string', short: 'l' },
  proxyLogLevel: { type: 'string' },
  concurrency: { type: 'string' },
  'print-bootstrap': { type: 'boolean' },
} as const;

/** Those of Istio's agent that an image may still be started with; their matter is the bootstrap's. */
const IGNORED = ['proxyComponentLogLevel', 'log_output_level', 'serviceCluster', 'templateFile', 'stsPort'] as const;

/** `kind` is the word after `proxy`. */
export async function runPodProxy(kind: 'sidecar' | 'router', args: string[]): Promise<number> {
  const ignored = Object.fromEntries(IGNORED.map((name) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ args, options: { ...ignored, ...OPTIONS } });
  const level = values['log-level'] ?? values.proxyLogLevel ?? 'info';
  if (parseLogLevel(level) === undefined) throw new UsageError(`--log-level does not know "${level}"`);
  const pod = podProxyOf(process.env, kind, values.domain);
  const text = `${JSON.stringify(pod.bootstrap, null, 2)}\n`;
  if (values['print-bootstrap'] === true) {
    process.stdout.write(text);
    return 0;
  }
  const log = new Logger(level).component('agent');
  await mkdir(pod.configPath, { recursive: true });
  // No other user may write there, whatever the folder above, which Kubernetes opens to all of the pod's.
  if (pod.lifeSocket !== undefined) await mkdir(dirname(pod.lifeSocket), { recursive: true, mode: 0o755 });
  const file = join(pod.configPath, 'weft-bootstrap.json');
  await writeFile(file, text, { mode: 0o600 });
  const status = await StatusServer.start({
    port: pod.statusPort, podIp: pod.podIp, adminPort: pod.adminPort,
    probes: readAppProbes(pod.probes), metrics: readMetricsTarget(pod.metrics),
    warning: (line) => log.warning(line),
  });
  try {
    const { concurrency = pod.concurrency } = values;
    return await runProxy({ file, logLevel: level, concurrency: Number(concurrency ?? 0) });
  } finally {
    await status.close();
  }
}

/** The preStop hook: callers are told to go elsewhere, while the application ends what it has begun. */
export async function runDrain(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { 'status-port': { type: 'string' } } });
  const port = values['status-port'] ?? '15020';
  if (!/^[0-9]{1,5}$/.test(port)) throw new UsageError(`--status-port takes a port, not "${port}"`);
  const answer = await fetch(`http://127.0.0.1:${port}/drain`, { method: 'POST', signal: AbortSignal.timeout(5000) });
  process.stdout.write(await answer.text());
  return answer.ok ? 0 : 1;
}
