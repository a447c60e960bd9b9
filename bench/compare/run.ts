// `npm run bench`: weft, Envoy, HAProxy, nginx and nghttpx side by side under the same loads, rounds interleaved;
// ratios are what is kept.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LOAD_TOOL } from '../load/http1-load.ts';
import { startBackends } from './backends.ts';
import { CROWDS_ROW, measureCrowds } from './crowds.ts';
import { writeIdentities } from './identities.ts';
import { measureRow } from './measure.ts';
import type { Row, Run } from './measure.ts';
import { MEMORY_ROWS, measureMemory } from './memory.ts';
import { PEER_NAMES, whyAbsent } from './peers.ts';
import type { PeerName } from './peers.ts';
import { save, table } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { stopServers } from './servers.ts';
import { WORKERS_ROW, measureWorkers } from './workers.ts';

const ROWS = [...SCENARIOS.map(({ id }) => id), WORKERS_ROW, CROWDS_ROW, ...MEMORY_ROWS];
const USAGE = `npm run bench -- [options]
  --only ROWS      some rows, with commas between: ${ROWS.join(', ')}
  --peers NAMES    some proxies: ${PEER_NAMES.join(', ')}; ratios need envoy
  --rounds N       rounds of each row that count, default 3
  --seconds N      length of a round, default 2
  --quick          2 rounds of 1 s and 2,000 idle connections in place of 10,000
  --save           keeps the ratios in bench/results/
`;
const IDLE_CONNECTIONS = 10_000;
const IDLE_CONNECTIONS_QUICK = 2000;

/** Options that are wrong end with status 2, as everywhere in weft. */
function usage(problem: string): never {
  process.stderr.write(`${problem}\n${USAGE}`);
  process.exit(2);
}

function options(): { [Key in 'only' | 'peers' | 'rounds' | 'seconds']?: string } & { quick: boolean; save: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' }, peers: { type: 'string' }, rounds: { type: 'string' }, seconds: { type: 'string' },
        quick: { type: 'boolean', default: false }, save: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (cause) {
    return usage(cause instanceof Error ? cause.message : String(cause));
  }
}

/** All of `known`, or those that `list` names. */
function chosen<Name extends string>(list: string | undefined, known: readonly Name[], what: string): Name[] {
  const names = list?.split(',').map((name) => name.trim()) ?? known;
  const wrong = names.find((name) => !known.includes(name as Name));
  if (wrong !== undefined) usage(`there is no ${what} ${wrong}`);
  return known.filter((name) => names.includes(name));
}

function positive(text: string | undefined, fallback: number, name: string): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isInteger(value) || value < 1) usage(`--${name} is a whole number above 0`);
  return value;
}

const leftOut: string[] = [];

function isHere(name: PeerName): boolean {
  const why = whyAbsent(name);
  if (why !== undefined) leftOut.push(`${name}: ${why}`);
  return why === undefined;
}

const given = options();
const rowIds = chosen(given.only, ROWS, 'row');
const settings = {
  peers: chosen(given.peers, PEER_NAMES, 'proxy').filter(isHere),
  rounds: positive(given.rounds, given.quick ? 2 : 3, 'rounds'),
  seconds: positive(given.seconds, given.quick ? 1 : 2, 'seconds'),
  say: (line: string) => void process.stderr.write(`${line}\n`),
  leaveOut: (line: string) => void leftOut.push(line),
};

async function measureAll(run: Run): Promise<Row[]> {
  const rows: Row[] = [];
  for (const scenario of SCENARIOS.filter(({ id }) => rowIds.includes(id))) {
    const row = await measureRow(scenario, run);
    if (row !== undefined) rows.push(row);
  }
  if (rowIds.includes(WORKERS_ROW)) rows.push(await measureWorkers(run));
  if (rowIds.includes(CROWDS_ROW)) rows.push(await measureCrowds(run));
  const idle = given.quick ? IDLE_CONNECTIONS_QUICK : IDLE_CONNECTIONS;
  for (const id of MEMORY_ROWS) {
    const row = rowIds.includes(id) ? await measureMemory(id, run, idle) : undefined;
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'));
const cleanUp = async (): Promise<void> => {
  await stopServers();
  await rm(folder, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
}
try {
  // nginx's workers are another user when root starts them, and read files from here.
  await chmod(folder, 0o711);
  await writeIdentities(folder);
  const run: Run = { ...settings, folder, upstreams: await startBackends(folder) };
  const rows = await measureAll(run);
  process.stdout.write(`CPU of the proxy alone, one worker, sidecar-like configuration for weft and Envoy; ratios to `
    + `Envoy; connects/1000 are new upstream connections for 1,000 requests; medians of ${run.rounds} rounds of `
    + `${run.seconds} s; ${LOAD_TOOL}, h2load, load/tls-client.ts\n\n${table(rows)}\n`);
  for (const line of leftOut) process.stdout.write(`left out: ${line}\n`);
  if (given.save) process.stdout.write(`${await save(rows, run) ?? 'not saved: there is no Envoy to compare with'}\n`);
} finally {
  await cleanUp();
}
