// `npm run bench`: HTTP/1.1 through weft, Envoy, HAProxy and nginx side by side, rounds
// interleaved; ratios are what is kept.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LOAD_TOOL, http1Load } from '../load/http1-load.ts';
import { cpuNs, familyOf, median, rssBytes } from './cpu.ts';
import type { Peer } from './peers.ts';
import { startBackend, startPeers } from './peers.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '64' },
    save: { type: 'boolean', default: false },
  },
});

interface Sample {
  readonly cpuUs: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMb: number;
  readonly errors: number;
}

async function measure(peer: Peer): Promise<Sample> {
  const family = familyOf(peer.process.pid);
  const cpu = (): bigint => family.reduce((sum, pid) => sum + cpuNs(pid), 0n);
  const before = cpu();
  const load = await http1Load({
    url: `http://127.0.0.1:${peer.port}/flaky/0`, host: 'reviews', connections: Number(values.connections),
    seconds: Number(values.seconds),
  });
  const used = Number(cpu() - before) / 1000;
  const rss = family.reduce((sum, pid) => sum + rssBytes(pid), 0);
  return { ...load, cpuUs: used / Math.max(1, load.requests), rssMb: rss / 1_048_576 };
}

function summary(samples: readonly Sample[]): Sample {
  const middle = (pick: (sample: Sample) => number): number => median(samples.map(pick));
  return {
    cpuUs: middle((s) => s.cpuUs), requestsPerSecond: middle((s) => s.requestsPerSecond), p50Ms: middle((s) => s.p50Ms),
    p99Ms: middle((s) => s.p99Ms), rssMb: middle((s) => s.rssMb), errors: samples.reduce((sum, s) => sum + s.errors, 0),
  };
}

function table(results: ReadonlyMap<string, Sample>): string {
  const envoy = results.get('envoy')?.cpuUs;
  const rows = [...results].map(([name, s]) => [
    name, s.cpuUs.toFixed(1), envoy === undefined ? '-' : (s.cpuUs / envoy).toFixed(2), s.requestsPerSecond.toFixed(0),
    s.p50Ms.toFixed(2),
    s.p99Ms.toFixed(2), s.rssMb.toFixed(0), String(s.errors),
  ]);
  const head = ['proxy', 'CPU us/request', 'ratio to Envoy', 'requests/s', 'p50 ms', 'p99 ms', 'RSS MB', 'errors'];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [head, ...rows].map(
    (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  ).join('\n');
}

const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'));
const backend = await startBackend(folder);
const peers = await startPeers(folder, backend.upstreams);
try {
  const samples = new Map<string, Sample[]>(peers.map(({ name }) => [name, []]));
  for (const peer of peers) await measure(peer); // warm-up, not counted
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const peer of peers) samples.get(peer.name)!.push(await measure(peer));
  }
  const results = new Map([...samples].map(([name, list]) => [name, summary(list)]));
  process.stdout.write(`HTTP/1.1 keep-alive, ${values.connections} connections, sidecar-like configuration, `
    + `one worker, medians of ${values.rounds} rounds of ${values.seconds} s by ${LOAD_TOOL}\n${table(results)}\n`);
  if (values.save) await save(results);
} finally {
  await Promise.all(peers.map((peer) => peer.process.stop()));
  await backend.process.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Only ratios mean anything on another day. */
async function save(results: ReadonlyMap<string, Sample>): Promise<void> {
  const envoy = results.get('envoy')?.cpuUs;
  if (envoy === undefined) return;
  const date = new Date().toISOString().slice(0, 10);
  const ratios = Object.fromEntries([...results].map(([name, s]) => [name, Number((s.cpuUs / envoy).toFixed(3))]));
  const record = {
    date, what: 'h1-keep-alive-64, sidecar-like, CPU per request as ratio to Envoy', rounds: Number(values.rounds),
    ratios,
  };
  await writeFile(
    fileURLToPath(new URL(`../results/${date}-h1.json`, import.meta.url)), `${JSON.stringify(record, undefined, 2)}\n`,
  );
}
