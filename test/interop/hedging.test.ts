// Tries that race each other, beside a real Envoy: how many there are, which one is heard, and what is counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import { KEY_HEADER, SCRIPT_HEADER, ScriptedUpstreams } from '../harness/scripted-upstreams.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import type { RunningProxy } from '../harness/side-by-side.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/hedge.yaml', import.meta.url));
const LISTENER = 18_220;
const ADMIN = 18_229;
const HEDGE = 'x-envoy-hedge-on-per-try-timeout';

interface Case {
  readonly path: string;
  /** Of the upstream, one step for each try: see scripted-upstreams.ts. */
  readonly script: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

/** A try may take 1 s, and is asked again at once: tries begin at 0, 1 and 2 s. */
const CASES: readonly Case[] = [
  { path: '/two', script: '200' },
  { path: '/two', script: '200+2500 200+9000' },
  { path: '/two', script: '200+5000 204' },
  { path: '/two', script: '200+5000 204', body: 'hello' },
  { path: '/two', script: '200+9000 200+9000 204' },
  { path: '/two', script: '200+4500 200+9000 200+9000' },
  { path: '/two', script: '503+1500 200+600' },
  { path: '/two', script: '503+1500 200+2500' },
  { path: '/two', script: '200+3500 503' },
  { path: '/two', script: '503+3500 503 503' },
  { path: '/two', script: 'reset+1500 200+600' },
  { path: '/two', script: '200+3500 reset reset' },
  { path: '/two', script: 'reset+3500 reset reset' },
  { path: '/two', script: '404+1500 200+600' },
  { path: '/two', script: '503 200+2500 204' },
  { path: '/connect', script: '200+1500 200+9000' },
  { path: '/connect', script: '503+1500 200+9000' },
  { path: '/connect', script: '200+3500 503' },
  { path: '/unasked', script: '200+2500' },
  { path: '/short', script: '200+9000' },
  { path: '/own', script: '200+2500 204' },
  { path: '/own', script: '200+2500 200+9000', headers: [[HEDGE, 'true']] },
  { path: '/two', script: '200+2500 204', headers: [[HEDGE, 'false']] },
  { path: '/narrow', script: '200+2500' },
  { path: '/narrow', script: '503' },
];

async function statsOf(proxy: RunningProxy): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.portOf(ADMIN)}/stats`)).text();
  const lines = text.split('\n').map((line) => line.split(': ') as [string, string]);
  return new Map(lines.filter(([name]) => /^cluster\.\w+\.upstream_rq_(retry|total|[0-9]|completed)/.test(name))
    .map(([name, value]) => [name, Number(value)]));
}

async function outcomeOf(proxy: RunningProxy, upstream: ScriptedUpstreams, one: Case, i: number): Promise<unknown> {
  const { path, script, headers = [], body } = one;
  const key = `${proxy.name}-${i}`;
  const answer = await exchange(proxy.portOf(LISTENER), requestText({
    path, ...(body !== undefined && { body, method: 'POST' }),
    headers: [...headers, [KEY_HEADER, key], [SCRIPT_HEADER, script]],
  }));
  const tries = upstream.received(key).map(({ headers: lines, body: bytes }) =>
    [lines.find(([name]) => name === 'x-envoy-attempt-count')?.[1], bytes]);
  const count = answer.headers.find(([name]) => name === 'x-envoy-attempt-count')?.[1];
  return { case: `${path} ${script}`, status: answer.status, count, tries };
}

/** What came of all cases, which run side by side, and what they changed in the clusters' counters. */
async function outcomesOf(proxy: RunningProxy, upstream: ScriptedUpstreams): Promise<readonly [unknown[], string[]]> {
  const before = await statsOf(proxy);
  const outcomes = await Promise.all(CASES.map((one, i) => outcomeOf(proxy, upstream, one, i)));
  const changed = [...await statsOf(proxy)].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return [outcomes, changed.filter(([name, by]) => by > 0 && !/per_try|backoff/.test(name)).map(String).toSorted()];
}

/** In the order of the cases; flags in that of their names. */
async function linesOf(pair: SideBySide, proxy: RunningProxy): Promise<string[]> {
  let lines: string[] = [];
  await proxy.process.until(async () => {
    lines = (await pair.logOf(proxy)).split('\n').filter((line) => line.startsWith(`line|${proxy.name}-`));
    return lines.length === CASES.length;
  });
  return lines.map((line) => {
    const [key = '', status, detail = '', flags = '', ...rest] = line.split('|').slice(1);
    const words = detail.replace(/_before_response_started\{[^}]*\}/, '');
    return [key.replace(`${proxy.name}-`, ''), status, words, flags.split(',').toSorted().join(), ...rest].join('|');
  }).toSorted();
}

test('hedged tries are made, heard and counted as Envoy does', { skip }, async () => {
  await using upstream = await ScriptedUpstreams.start(['up']);
  const shared = new Map([[18_221, upstream.portOf('up')]]);
  await using pair = await SideBySide.start(envoy, file, { own: [LISTENER, ADMIN], shared, listener: LISTENER });
  const [theirs, ours] = await Promise.all([outcomesOf(pair.envoy, upstream), outcomesOf(pair.weft, upstream)]);
  assert.deepEqual(ours, theirs);
  const [wanted, found] = await Promise.all([linesOf(pair, pair.envoy), linesOf(pair, pair.weft)]);
  assert.deepEqual(found, wanted);
});
