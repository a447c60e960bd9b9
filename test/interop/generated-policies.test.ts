// Generated AuthorizationPolicies and requests: what weft permits and denies, and by which policy it says so, is what a
// real Envoy does with the RBAC that the same translation gives. Callers are undici's, with certificates and without.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Draw } from '../harness/draw.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { drawPolicies, drawPolicyRequest } from './generated-policies.ts';
import type { DrawnPolicy, PolicyRequest } from './generated-policies.ts';
import { PolicyProxies, policyPort } from './policy-proxies.ts';
import type { PolicyOutcome } from './policy-proxies.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
/** WEFT_SEED makes other policies; WEFT_PAIRS makes more requests. */
const SEED = Number(process.env['WEFT_SEED'] ?? 1);
const PAIRS = Number(process.env['WEFT_PAIRS'] ?? 10_000);
const SETS_PER_START = 16;
const PAIRS_PER_START = 5000;
const AT_ONCE = 16;
const SHRUNK_MAX = Number(process.env['WEFT_SHRINK'] ?? 3);

interface PolicyCase {
  readonly policies: readonly DrawnPolicy[];
  readonly request: PolicyRequest;
}

/** S44: of several values of one header weft permits only by all of them, and denies by any: never less than Envoy. */
function isStricter({ headers }: PolicyRequest, ours: PolicyOutcome): boolean {
  const values = headers.flatMap(([name, value]) => (name === 'x-team' ? value.split(',') : []));
  return values.length > 1 && ours.status === 403;
}

async function run(sets: readonly (readonly DrawnPolicy[])[], cases: readonly (readonly [number, PolicyRequest])[]) {
  await using proxies = await PolicyProxies.start(envoy, sets);
  const outcomes: (readonly [PolicyOutcome, PolicyOutcome])[] = [];
  const lanes = Array.from({ length: AT_ONCE }, async (_, lane) => {
    for (let i = lane; i < cases.length; i += AT_ONCE) outcomes[i] = await proxies.ask(...cases[i]!);
  });
  await Promise.all(lanes);
  return { outcomes, stats: await proxies.stats() };
}

function differs([theirs, ours]: readonly [PolicyOutcome, PolicyOutcome]): boolean {
  return theirs.status !== ours.status || theirs.detail !== ours.detail;
}

/** Which policy of several it is that lets a request on may differ by S44; what denies is in the details. */
function ofFilters(stats: Record<string, number>): object {
  return Object.fromEntries(Object.entries(stats).filter(([name]) => !name.includes('.policy.')));
}

/** Fewer policies and rules that still make the difference: each alone is tried, all in one start. */
async function smaller({ policies, request }: PolicyCase): Promise<PolicyCase> {
  const without = policies.flatMap((policy, at) => {
    const rules = policy.spec['rules'] as readonly object[] | undefined ?? [];
    const fewer = rules.length < 2 ? [] : rules.map((_, gone) => policies.toSpliced(at, 1,
      { ...policy, spec: { ...policy.spec, rules: rules.toSpliced(gone, 1) } }));
    return policies.length < 2 ? fewer : [policies.toSpliced(at, 1), ...fewer];
  });
  if (without.length === 0) return { policies, request };
  // A set's port is in its policies: the difference may be about it, so that each is tried on the first listener.
  for (const fewer of without) {
    const { outcomes } = await run([fewer], [[0, request]]);
    if (differs(outcomes[0]!)) return smaller({ policies: fewer, request });
  }
  return { policies, request };
}

test(`${PAIRS} generated policies and requests end as under Envoy (WEFT_SEED=${SEED})`, { skip }, async (t) => {
  const found: string[] = [];
  const counts = { allowed: 0, denied: 0, stricter: 0 };
  for (let done = 0; done < PAIRS; done += PAIRS_PER_START) {
    const draw = new Draw(SEED + done);
    const sets = Array.from({ length: SETS_PER_START }, (_, i) => drawPolicies(draw, policyPort(i)));
    const cases = Array.from({ length: Math.min(PAIRS_PER_START, PAIRS - done) },
      (_, i) => [i % SETS_PER_START, drawPolicyRequest(draw)] as const);
    const { outcomes, stats: [theirStats, ourStats] } = await run(sets, cases);
    let purpose = 0;
    for (const [i, [theirs, ours]] of outcomes.entries()) {
      const [set, request] = cases[i]!;
      counts[ours.status === 403 ? 'denied' : 'allowed']++;
      if (!differs([theirs, ours])) continue;
      if (isStricter(request, ours)) {
        purpose++;
        continue;
      }
      let small: PolicyCase = { policies: sets[set]!, request };
      if (found.length < SHRUNK_MAX) small = await smaller(small);
      found.push(`${JSON.stringify(small.request)}\n  to ${JSON.stringify(small.policies)}\n`
        + `  Envoy ${JSON.stringify(theirs)}\n  weft ${JSON.stringify(ours)}`);
    }
    counts.stricter += purpose;
    if (found.length === 0 && purpose === 0) assert.deepEqual(ofFilters(ourStats), ofFilters(theirStats), 'figures');
  }
  assert.equal(found.length, 0, `seed ${SEED}: ${found.length} of ${PAIRS} differ:\n${found.slice(0, 10).join('\n')}`);
  t.diagnostic(JSON.stringify(counts));
  // Both sides of a decision are there to be seen.
  assert.ok(counts.allowed > PAIRS / 20 && counts.denied > PAIRS / 20, JSON.stringify(counts));
});
