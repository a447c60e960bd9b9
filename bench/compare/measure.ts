// One row of the comparison: its proxies side by side under the same load, in interleaved rounds.
import { rm } from 'node:fs/promises';
import { findProgram } from '../../test/harness/peers.ts';
import { acceptedConnections } from './backends.ts';
import type { Upstreams } from './backends.ts';
import { accessLogOf } from './bootstrap.ts';
import type { Shape } from './bootstrap.ts';
import { cpuNs, familyOf, median, rssBytes } from './cpu.ts';
import { startPeer } from './peers.ts';
import type { Peer, PeerName, StartOptions } from './peers.ts';
import type { Scenario } from './scenarios.ts';

/** What a row says of a proxy. */
export interface Figures {
  /** CPU us per request or CPU s per GB; undefined in rows of memory. */
  readonly cpu: number | undefined;
  /** Requests/s or GB/s. */
  readonly rate: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly rssMb: number;
  /** What each idle connection has added; undefined in rows without. */
  readonly eachKb?: number | undefined;
  readonly errors: number;
  /**
   * New upstream connections for 1,000 requests: handshakes, where upstreams speak TLS. Requests that the load drops at
   * the end of a round cost one each, in every proxy.
   */
  readonly connects: number | undefined;
  /** To Envoy in the same run, or as the row says; undefined without it. */
  readonly ratio: number | undefined;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly per: 'request' | 'GB' | 'memory';
  /** By the proxy's label. */
  readonly figures: ReadonlyMap<string, Figures>;
}

export interface Run {
  readonly peers: readonly PeerName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly folder: string;
  readonly upstreams: Upstreams;
  /** Progress, a line each. */
  say(line: string): void;
  /** What the table lacks, and why. */
  leaveOut(line: string): void;
}

/** One round of one proxy. */
export type Sample = { readonly [Key in keyof Omit<Figures, 'ratio' | 'eachKb'>]: number };

const WARM_UP_SECONDS_MIN = 2;

/** Undefined when a program is missing that the row needs, or the load fails. */
export async function measureRow(scenario: Scenario, run: Run): Promise<Row | undefined> {
  const { id, title, per } = scenario;
  const missing = scenario.needs.find((name) => findProgram(name) === undefined);
  if (missing !== undefined) {
    run.leaveOut(`${id}: ${missing} is not installed`);
    return undefined;
  }
  const peers = await startPeers(id, scenario.shape, run.peers, run);
  try {
    return { id, title, per, figures: await figuresOf(scenario, run, peers) };
  } catch (cause) {
    run.leaveOut(`${id}: ${cause instanceof Error ? cause.message : String(cause)}`);
    return undefined;
  } finally {
    await stopPeers(peers, run);
  }
}

/** Those that can do it; who is left out is said. */
export async function startPeers(
  id: string, shape: Shape, names: readonly PeerName[], run: Run, options: StartOptions = {},
): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (const name of names) {
    const peer = await startPeer(name, shape, run.upstreams[shape], run.folder, options);
    if (typeof peer === 'string') run.leaveOut(`${id}, ${name}: it ${peer}`);
    else peers.push(peer);
  }
  return peers;
}

/** Their access logs are gone too: a run writes gigabytes. */
export async function stopPeers(peers: readonly Peer[], { folder }: Run): Promise<void> {
  await Promise.all(peers.map((peer) => peer.stop()));
  await Promise.all(peers.map(({ label }) => rm(accessLogOf(label, folder), { force: true })));
}

async function figuresOf(scenario: Scenario, run: Run, peers: readonly Peer[]): Promise<Map<string, Figures>> {
  const samples = await samplesOf(scenario, run, peers);
  const base = samples.get('envoy');
  return new Map([...samples].map(([label, list]) => [label, middle(list, base)]));
}

/** Rounds of each proxy, by its label, after one that isn't counted. */
export async function samplesOf(
  scenario: Scenario, run: Run, peers: readonly Peer[],
): Promise<ReadonlyMap<string, readonly Sample[]>> {
  const samples = new Map<string, Sample[]>(peers.map(({ label }) => [label, []]));
  // Not counted: a runtime compiles what is hot in the first seconds.
  const warmUp = { ...run, seconds: Math.max(run.seconds, WARM_UP_SECONDS_MIN) };
  for (const peer of peers) await sampleOf(scenario, warmUp, peer);
  for (let round = 0; round < run.rounds; round++) {
    for (const peer of peers) samples.get(peer.label)!.push(await sampleOf(scenario, run, peer));
  }
  const costs = [...samples].map(([label, list]) => `${label} ${median(list.map(({ cpu }) => cpu)).toFixed(2)}`);
  run.say(`${scenario.id}: ${costs.join(', ')}`);
  return samples;
}

async function sampleOf(
  { per, load }: Scenario, { seconds, folder, upstreams }: Run, { port, pid }: Peer,
): Promise<Sample> {
  const family = familyOf(pid);
  const cpu = (): number => family.reduce((sum, id) => sum + Number(cpuNs(id)), 0);
  const accepted = await acceptedConnections(upstreams);
  let before = cpu();
  const begin = (): void => void (before = cpu());
  const { requests, bytes, requestsPerSecond, p50Ms, p99Ms, errors } = await load({ port, seconds, folder, begin });
  const usedNs = cpu() - before;
  const rssMb = family.reduce((sum, id) => sum + rssBytes(id), 0) / 1_048_576;
  const gigabytes = bytes / 1e9;
  const connects = (await acceptedConnections(upstreams) ?? Number.NaN) - (accepted ?? Number.NaN);
  return {
    cpu: per === 'GB' ? usedNs / 1e9 / gigabytes : usedNs / 1000 / Math.max(1, requests),
    rate: per === 'GB' ? gigabytes / seconds : requestsPerSecond, p50Ms, p99Ms, rssMb, errors,
    connects: connects * 1000 / Math.max(1, requests),
  };
}

/** Medians; the ratio is the median of each round's, since a busy moment slows all of one round. */
export function middle(samples: readonly Sample[], base: readonly Sample[] | undefined): Figures {
  const of = (pick: (sample: Sample) => number): number => median(samples.map(pick));
  return {
    cpu: of((s) => s.cpu), rate: of((s) => s.rate), p50Ms: of((s) => s.p50Ms),
    p99Ms: of((s) => s.p99Ms), rssMb: of((s) => s.rssMb),
    connects: of((s) => s.connects),
    errors: samples.reduce((sum, s) => sum + s.errors, 0),
    ratio: base && median(samples.map((s, round) => s.cpu / base[round]!.cpu)),
  };
}
