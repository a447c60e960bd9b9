// Each route and request that once ended otherwise than under a real Envoy, by its name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ScriptedUpstreams } from '../harness/scripted-upstreams.ts';
import { startTables } from './generated-bootstrap.ts';
import { LIVE_CLUSTERS, SHADOW_CLUSTERS } from './generated-clusters.ts';
import { ROUTE_CASES } from './route-cases.ts';
import { disagreement } from './route-disagreement.ts';
import { outcomesOf } from './route-outcome.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);

test('routes and requests that once ended otherwise end as under Envoy', { skip }, async (t) => {
  await using upstreams = await ScriptedUpstreams.start(LIVE_CLUSTERS, SHADOW_CLUSTERS);
  const cases = Object.values(ROUTE_CASES);
  await using proxies = await startTables(envoy, cases.map(({ table }) => table), upstreams);
  const outcomes = await outcomesOf(cases.map(({ request }, table) => ({ table, request })), proxies, upstreams);
  for (const [i, name] of Object.keys(ROUTE_CASES).entries()) {
    await t.test(name, () => {
      const [theirs, ours] = outcomes[i]!;
      assert.equal(disagreement(cases[i]!.request, theirs, ours), undefined);
    });
  }
});
