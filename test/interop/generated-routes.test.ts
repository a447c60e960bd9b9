// Generated route tables and requests at their borders: weft must do with each what a real Envoy does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Draw } from '../harness/draw.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ScriptedUpstreams } from '../harness/scripted-upstreams.ts';
import { startTables } from './generated-bootstrap.ts';
import { LIVE_CLUSTERS, SHADOW_CLUSTERS } from './generated-clusters.ts';
import { drawRequest, drawTable } from './generated-tables.ts';
import type { RouteCase } from './route-case.ts';
import { ROUTE_DIFFERENCES } from './route-differences.ts';
import { disagreement } from './route-disagreement.ts';
import { outcomesOf } from './route-outcome.ts';
import { shrink } from './route-shrink.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
/** WEFT_SEED makes other tables; WEFT_PAIRS makes more of them. */
const SEED = Number(process.env['WEFT_SEED'] ?? 1);
const PAIRS = Number(process.env['WEFT_PAIRS'] ?? 2000);
const TABLES = 8;
const VIRTUAL_HOSTS = 6;
const PAIRS_PER_START = 500;
/** Disagreements that are made small; each takes some ten starts of both proxies. */
const SHRUNK_MAX = Number(process.env['WEFT_SHRINK'] ?? 3);

/** What the two do otherwise for each case, as text; undefined where they agree or differ on purpose. */
async function judge(cases: readonly RouteCase[], upstreams: ScriptedUpstreams): Promise<(string | undefined)[]> {
  const tables = [...new Set(cases.map(({ table }) => table))];
  if (tables.length === 0) return [];
  await using proxies = await startTables(envoy, tables, upstreams);
  const pairs = cases.map(({ table, request }) => ({ table: tables.indexOf(table), request }));
  const outcomes = await outcomesOf(pairs, proxies, upstreams);
  return outcomes.map(([theirs, ours], i) => disagreement(cases[i]!.request, theirs, ours));
}

function generate(seed: number, count: number): RouteCase[] {
  const draw = new Draw(seed);
  const tables = Array.from({ length: TABLES }, () => drawTable(draw, VIRTUAL_HOSTS));
  return Array.from({ length: count }, (_, i) => {
    const table = tables[i % TABLES]!;
    return { table, request: drawRequest(draw, table) };
  });
}

async function describe(found: RouteCase, problem: string, upstreams: ScriptedUpstreams): Promise<string> {
  let small = found;
  let text: string | undefined = problem;
  try {
    small = await shrink(found, async (cases) => (await judge(cases, upstreams)).map((one) => one !== undefined));
    text = (await judge([small], upstreams))[0] ?? problem;
  } catch (cause) {
    text += `\n  (not shrunk further: ${String(cause).slice(0, 300)})`;
  }
  return `${JSON.stringify(small.request)}\n  to ${JSON.stringify(small.table)}\n${text}`;
}

const title = `${PAIRS} generated routes and requests end as under Envoy (WEFT_SEED=${SEED})`;

test(title, { skip }, async () => {
  await using upstreams = await ScriptedUpstreams.start(LIVE_CLUSTERS, SHADOW_CLUSTERS);
  const found: (readonly [RouteCase, string])[] = [];
  for (let done = 0; done < PAIRS; done += PAIRS_PER_START) {
    const cases = generate(SEED + done, Math.min(PAIRS_PER_START, PAIRS - done));
    const problems = await judge(cases, upstreams);
    cases.forEach((one, i) => problems[i] !== undefined && found.push([one, problems[i]]));
  }
  const texts: string[] = [];
  for (const [one, problem] of found) {
    texts.push(texts.length < SHRUNK_MAX ? await describe(one, problem, upstreams)
      : `${JSON.stringify(one.request)}\n${problem}`);
  }
  assert.equal(found.length, 0, `seed ${SEED}: ${found.length} of ${PAIRS} differ:\n${texts.join('\n')}`);
});

test('where weft decides otherwise, it does so on purpose, and still does', { skip }, async () => {
  await using upstreams = await ScriptedUpstreams.start(LIVE_CLUSTERS, SHADOW_CLUSTERS);
  const cases = ROUTE_DIFFERENCES.map(({ example }) => example);
  await using proxies = await startTables(envoy, cases.map(({ table }) => table), upstreams);
  const outcomes = await outcomesOf(cases.map(({ request }, table) => ({ table, request })), proxies, upstreams);
  for (const [i, row] of ROUTE_DIFFERENCES.entries()) {
    const [theirs, ours] = outcomes[i]!;
    const { request } = cases[i]!;
    const seen = disagreement(request, theirs, ours, ROUTE_DIFFERENCES.filter((other) => other !== row));
    assert.notEqual(seen, undefined, `${row.id}: the two agree now, so that the row can go`);
    assert.equal(disagreement(request, theirs, ours), undefined, `${row.id}: ${row.reason}`);
  }
});
