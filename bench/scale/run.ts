// `npm run bench:scale`: weft and Envoy under pushes of a mesh of 10,000 clusters with 50,000 endpoints while requests
// go on; how long a push takes, how long requests wait for it, and what it costs.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { findEnvoy, reasonToSkip } from '../../test/harness/peers.ts';
import { median } from '../compare/cpu.ts';
import { startServer, stopServers } from '../compare/servers.ts';
import { measureScale } from './measure.ts';
import type { ScaleProxy, Step } from './measure.ts';

const BACKEND = fileURLToPath(new URL('../load/backend.ts', import.meta.url));
const { values: given } = parseArgs({
  options: {
    clusters: { type: 'string', default: '10000' }, endpoints: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' }, peers: { type: 'string', default: 'weft,envoy' },
  },
});
const size = { clusters: Number(given.clusters), endpoints: Number(given.endpoints) };
const envoy = findEnvoy(true);

const folder = await mkdtemp(join(tmpdir(), 'weft-scale-'));
const cleanUp = async (): Promise<void> => {
  await stopServers();
  await rm(folder, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
}

/** Rounds of each proxy in turn, never two at once. */
async function measureAll(proxies: readonly ScaleProxy[], upstream: number): Promise<Map<ScaleProxy, Step[][]>> {
  const all = new Map(proxies.map((proxy): [ScaleProxy, Step[][]] => [proxy, []]));
  for (let round = 0; round < Number(given.rounds); round++) {
    for (const proxy of proxies) {
      const steps = await measureScale(proxy, size, { folder, upstream, envoy });
      all.get(proxy)!.push(steps);
      const pauses = steps.map(({ name, pushMs, through }) => (
        `${name} ${pushMs === undefined ? '' : `${pushMs.toFixed(0)} ms, `}longest wait ${through.maxMs.toFixed(0)} ms`
      ));
      process.stderr.write(`${proxy}: ${pauses.join('; ')}\n`);
    }
  }
  return all;
}

const COLUMNS: readonly (readonly [string, number, (step: Step) => number | undefined])[] = [
  ['push ms', 0, ({ pushMs }) => pushMs],
  ['CPU ms', 0, ({ cpuMs }) => cpuMs],
  ['RSS MB', 0, ({ rssMb }) => rssMb],
  ['requests', 0, ({ through }) => through.requests],
  ['p50 ms', 2, ({ through }) => through.p50Ms],
  ['p99.9 ms', 1, ({ through }) => through.p999Ms],
  ['max ms', 1, ({ through }) => through.maxMs],
  ['max beside', 1, ({ beside }) => beside.maxMs],
  ['errors', 0, ({ through }) => through.errors],
];

/** Medians of the rounds. */
function table(all: ReadonlyMap<ScaleProxy, readonly (readonly Step[])[]>): string {
  const rows = [['step', 'proxy', ...COLUMNS.map(([title]) => title)]];
  for (const [i, { name }] of [...all.values()][0]![0]!.entries()) {
    for (const [proxy, rounds] of all) {
      const cells = COLUMNS.map(([, digits, pick]) => {
        const figures = rounds.map((steps) => pick(steps[i]!)).filter((figure) => figure !== undefined);
        return figures.length === 0 ? '-' : median(figures).toFixed(digits);
      });
      rows.push([name, proxy, ...cells]);
    }
  }
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((cells) => cells[i]!.length)));
  const line = (cells: readonly string[]): string => cells.map((cell, i) => (
    i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return rows.map(line).join('\n');
}

try {
  const absent = reasonToSkip(envoy);
  const proxies = (given.peers.split(',') as ScaleProxy[]).filter((name) => name !== 'envoy' || absent === false);
  const [upstream = 0] = await freePorts(1);
  await startServer('backend', process.execPath, [BACKEND, String(upstream)], upstream);
  const all = await measureAll(proxies, upstream);
  process.stdout.write(`One worker, 500 requests/s from another process; ${size.clusters} clusters of `
    + `${size.endpoints} endpoints, a virtual host each; medians of ${given.rounds} rounds; "max beside" is the `
    + `longest wait of the same requests past the proxy\n\n${table(all)}\n`);
  if (absent !== false) process.stdout.write(`left out: envoy: ${absent}\n`);
} finally {
  await cleanUp();
}
