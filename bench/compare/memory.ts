// The rows of memory: resident sets of weft and Envoy at rest, after load, and with many idle connections.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../test/harness/peers.ts';
import { http1Load } from '../load/http1-load.ts';
import { LATE_MS } from '../load/load.ts';
import { tlsLoad } from '../load/tls-load.ts';
import type { Shape } from './bootstrap.ts';
import { familyOf, rssBytes } from './cpu.ts';
import { startPeers, stopPeers } from './measure.ts';
import type { Figures, Row, Run } from './measure.ts';
import type { Peer, PeerName } from './peers.ts';
import { RAISE_LIMIT } from './servers.ts';

export const MEMORY_ROWS = ['rss-start', 'rss-load', 'rss-xds', 'rss-idle', 'rss-tcp', 'rss-tcp-mtls'] as const;
type MemoryRow = (typeof MEMORY_ROWS)[number];

const IDLE = fileURLToPath(new URL('../load/idle-connections.ts', import.meta.url));
/** Longer than weft's decoder stays after the last configuration: it is no part of a proxy at rest. */
const SETTLE_MS = 6000;
/** Figures are of these, because the others have no sidecar's configuration. */
const COMPARED: readonly PeerName[] = ['weft', 'envoy'];

/** Rows that hold idle connections, and what each connection is. */
const IDLE_ROWS: Readonly<Partial<Record<MemoryRow, readonly [shape: Shape, what: string]>>> = {
  'rss-idle': ['h1', 'connections'],
  'rss-tcp': ['tcp', 'connections through the TCP proxy'],
  'rss-tcp-mtls': ['tcp-mtls', 'connections through the TCP proxy, mutual TLS in'],
};
/** What a proxy has open beside two descriptors for each connection, with some to spare. */
const OTHER_DESCRIPTORS = 200;

interface Reading {
  readonly rssMb: number;
  /** What each connection that stands has added. */
  readonly eachKb: number | undefined;
  readonly errors: number;
}

/** One row, or undefined when it is left out. Its processes are fresh: none is higher for what an earlier one left. */
export async function measureMemory(id: MemoryRow, run: Run, idle: number): Promise<Row | undefined> {
  const xds = id === 'rss-xds';
  if (xds && findProgram('nginx') === undefined) {
    run.leaveOut(`${id}: nginx is not installed`);
    return undefined;
  }
  const names = COMPARED.filter((name) => run.peers.includes(name));
  const held = IDLE_ROWS[id];
  const count = held === undefined ? 0 : withinLimit(id, run, idle);
  const peers = await startPeers(id, held?.[0] ?? (xds ? 'mtls-both' : 'h1'), names, run, { xds });
  try {
    const readings = new Map<PeerName, Reading>();
    for (const peer of peers) {
      const reading = held === undefined ? readingOf(id, run, peer) : withIdle(held[0], run, peer, count);
      readings.set(peer.name, await reading);
    }
    const base = readings.get('envoy')?.rssMb;
    run.say(`${id}: ${[...readings].map(([name, { rssMb }]) => `${name} ${rssMb.toFixed(0)}`).join(', ')}`);
    const figures = new Map([...readings].map(([name, reading]) => [name, figuresOf(reading, base)]));
    const title = held === undefined ? titleOf(id)
      : `resident set with ${count} idle ${held[1]} that had one request each`;
    return { id: held === undefined ? id : `${id}-${idle}`, title, per: 'memory', figures };
  } finally {
    await stopPeers(peers, run);
  }
}

/** A proxy that goes by its limit of open files takes no more clients than half of it. */
function withinLimit(id: MemoryRow, run: Run, idle: number): number {
  const limit = Number(execFileSync('sh', ['-c', RAISE_LIMIT, 'sh', '-c', 'ulimit -n'], { encoding: 'latin1' }));
  const most = Math.floor((limit - OTHER_DESCRIPTORS) / 2);
  if (!(most < idle)) return idle;
  run.leaveOut(`${id}: connections beyond ${most}, because ${limit} files may be open`);
  return most;
}

function titleOf(id: MemoryRow): string {
  switch (id) {
    case 'rss-start': return 'resident set after start, no traffic';
    case 'rss-load': return 'resident set after HTTP/1.1 load on 64 connections';
    case 'rss-xds': return 'resident set after load on 64 connections; xDS, mutual TLS on both sides, spans to Zipkin';
    default: return '';
  }
}

function figuresOf({ rssMb, eachKb, errors }: Reading, base: number | undefined): Figures {
  return {
    cpu: undefined, rate: undefined, p50Ms: undefined, p99Ms: undefined, rssMb, eachKb, errors, connects: undefined,
    ratio: base === undefined ? undefined : rssMb / base,
  };
}

async function readingOf(id: MemoryRow, run: Run, peer: Peer): Promise<Reading> {
  let errors = 0;
  const target = { port: peer.port, seconds: run.seconds * run.rounds, folder: run.folder, begin: () => {} };
  if (id === 'rss-load') ({ errors } = await http1Load(target, { connections: 64 }));
  if (id === 'rss-xds') ({ errors } = await tlsLoad(target, { mode: 'keep-alive', connections: 64 }));
  await delay(SETTLE_MS);
  return { rssMb: rssMb(peer), eachKb: undefined, errors };
}

/** Connections that do not stand count as errors. */
async function withIdle(shape: Shape, run: Run, peer: Peer, idle: number): Promise<Reading> {
  await delay(SETTLE_MS);
  const before = rssMb(peer);
  const words = [peer.port, idle, ...(shape === 'tcp-mtls' ? [run.folder] : [])].map(String);
  const child = spawn('sh', ['-c', RAISE_LIMIT, process.execPath, IDLE, ...words], {
    stdio: ['pipe', 'pipe', 'inherit'], timeout: 2 * LATE_MS,
  });
  const closed = once(child, 'close');
  const line = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  const standing = await Promise.race([line.then(([text]) => Number(text)), closed.then(() => 0)]);
  await delay(SETTLE_MS);
  const after = rssMb(peer);
  child.stdin.end();
  await closed;
  return { rssMb: after, eachKb: (after - before) * 1024 / Math.max(1, standing), errors: idle - standing };
}

function rssMb({ pid }: Peer): number {
  return familyOf(pid).reduce((sum, id) => sum + rssBytes(id), 0) / 1_048_576;
}
