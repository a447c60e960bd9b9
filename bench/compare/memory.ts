// The rows of memory: resident sets of weft and Envoy at rest, after load, and with many idle connections.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../test/harness/peers.ts';
import { http1Load } from '../load/http1-load.ts';
import { LATE_MS } from '../load/load.ts';
import { tlsLoad } from '../load/tls-load.ts';
import { familyOf, rssBytes } from './cpu.ts';
import { startPeers, stopPeers } from './measure.ts';
import type { Figures, Row, Run } from './measure.ts';
import type { Peer, PeerName } from './peers.ts';
import { RAISE_LIMIT } from './servers.ts';

export const MEMORY_ROWS = ['rss-start', 'rss-load', 'rss-xds', 'rss-idle'] as const;
type MemoryRow = (typeof MEMORY_ROWS)[number];

const IDLE = fileURLToPath(new URL('../load/idle-connections.ts', import.meta.url));
/** Longer than weft's decoder stays after the last configuration: it is no part of a proxy at rest. */
const SETTLE_MS = 6000;
/** Figures are of these, because the others have no sidecar's configuration. */
const COMPARED: readonly PeerName[] = ['weft', 'envoy'];

interface Reading {
  readonly rssMb: number;
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
  const peers = await startPeers(id, xds ? 'mtls-both' : 'h1', names, run, { xds });
  try {
    const readings = new Map<PeerName, Reading>();
    for (const peer of peers) readings.set(peer.name, await readingOf(id, run, peer, idle));
    const base = readings.get('envoy')?.rssMb;
    run.say(`${id}: ${[...readings].map(([name, { rssMb }]) => `${name} ${rssMb.toFixed(0)}`).join(', ')}`);
    const figures = new Map([...readings].map(([name, reading]) => [name, figuresOf(reading, base)]));
    return { id: id === 'rss-idle' ? `rss-idle-${idle}` : id, title: titleOf(id, idle), per: 'memory', figures };
  } finally {
    await stopPeers(peers, run);
  }
}

function titleOf(id: MemoryRow, idle: number): string {
  switch (id) {
    case 'rss-start': return 'resident set after start, no traffic';
    case 'rss-load': return 'resident set after HTTP/1.1 load on 64 connections';
    case 'rss-xds': return 'resident set after load on 64 connections; xDS, mutual TLS on both sides, spans to Zipkin';
    case 'rss-idle': return `resident set with ${idle} idle connections that had one request each`;
  }
}

function figuresOf({ rssMb, errors }: Reading, base: number | undefined): Figures {
  return {
    cpu: undefined, rate: undefined, p50Ms: undefined, p99Ms: undefined, rssMb, errors, connects: undefined,
    ratio: base === undefined ? undefined : rssMb / base,
  };
}

async function readingOf(id: MemoryRow, run: Run, peer: Peer, idle: number): Promise<Reading> {
  if (id === 'rss-idle') return withIdleConnections(peer, idle);
  let errors = 0;
  const target = { port: peer.port, seconds: run.seconds * run.rounds, folder: run.folder, begin: () => {} };
  if (id === 'rss-load') ({ errors } = await http1Load(target, { connections: 64 }));
  if (id === 'rss-xds') ({ errors } = await tlsLoad(target, { mode: 'keep-alive', connections: 64 }));
  await delay(SETTLE_MS);
  return { rssMb: rssMb(peer), errors };
}

/** Connections that do not stand count as errors. */
async function withIdleConnections(peer: Peer, idle: number): Promise<Reading> {
  const child = spawn('sh', ['-c', RAISE_LIMIT, process.execPath, IDLE, String(peer.port), String(idle)], {
    stdio: ['pipe', 'pipe', 'inherit'], timeout: 2 * LATE_MS,
  });
  const closed = once(child, 'close');
  const line = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  const standing = await Promise.race([line.then(([text]) => Number(text)), closed.then(() => 0)]);
  await delay(SETTLE_MS);
  const reading = { rssMb: rssMb(peer), errors: idle - standing };
  child.stdin.end();
  await closed;
  return reading;
}

function rssMb({ pid }: Peer): number {
  return familyOf(pid).reduce((sum, id) => sum + rssBytes(id), 0) / 1_048_576;
}
