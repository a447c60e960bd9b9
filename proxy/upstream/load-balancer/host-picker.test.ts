// One conformance table for every load-balancing policy; then what sets each apart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';
import type { HostPickerFactory } from './host-picker.ts';
import { leastRequest } from './least-request.ts';
import { randomChoice } from './random.ts';
import { roundRobin } from './round-robin.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const LEAST_REQUEST = { choiceCount: 2, activeRequestBias: 1 };

interface FakeEndpoint extends Endpoint {
  activeRequests: number;
}

function endpoint(address: string, weight = 1, activeRequests = 0): FakeEndpoint {
  return { address, hostname: undefined, weight, workload: undefined, activeRequests, done: () => {} };
}

function counts(policy: HostPickerFactory, endpoints: readonly Endpoint[], picks: number): Map<string, number> {
  const picker = policy(endpoints, new SeededRandom(SEED));
  const result = new Map(endpoints.map(({ address }) => [address, 0]));
  for (let i = 0; i < picks; i++) {
    const { address } = picker.choose(undefined);
    result.set(address, result.get(address)! + 1);
  }
  return result;
}

/** Five standard deviations of a binomial count. */
function tolerance(picks: number, share: number): number {
  return 5 * Math.sqrt(picks * share * (1 - share)) + 2;
}

const POLICIES: readonly { name: string; policy: HostPickerFactory; weighted: boolean }[] = [
  { name: 'ROUND_ROBIN', policy: roundRobin, weighted: true },
  { name: 'LEAST_REQUEST', policy: leastRequest(LEAST_REQUEST), weighted: true },
  { name: 'RANDOM', policy: randomChoice, weighted: false },
];

for (const { name, policy, weighted } of POLICIES) {
  test(`${name} spreads over idle endpoints of one weight evenly (seed ${SEED})`, () => {
    const endpoints = ['a', 'b', 'c', 'd', 'e'].map((address) => endpoint(address, 7));
    for (const [address, count] of counts(policy, endpoints, 5000)) {
      assert.ok(Math.abs(count - 1000) <= tolerance(5000, 0.2), `${address}: ${count}`);
    }
  });

  test(`${name} ${weighted ? 'honours' : 'ignores'} weights (seed ${SEED})`, () => {
    const endpoints = [endpoint('a', 1), endpoint('b', 2), endpoint('c', 5)];
    for (const { address, weight } of endpoints) {
      const share = weighted ? weight / 8 : 1 / 3;
      const count = counts(policy, endpoints, 4000).get(address)!;
      assert.ok(Math.abs(count - 4000 * share) <= tolerance(4000, share), `${address}: ${count}`);
    }
  });

  test(`${name} always answers with the only endpoint`, () => {
    assert.deepEqual([...counts(policy, [endpoint('only', 3, 9)], 10)], [['only', 10]]);
  });

  test(`${name} does not touch the list that it was given`, () => {
    const endpoints = Object.freeze([endpoint('a', 3), endpoint('b', 1)]);
    counts(policy, endpoints, 10);
    assert.deepEqual(endpoints.map(({ address }) => address), ['a', 'b']);
  });
}

test('ROUND_ROBIN visits every endpoint once a round', () => {
  const endpoints = Array.from({ length: 7 }, (_, i) => endpoint(`e${i}`));
  const picker = roundRobin(endpoints, new SeededRandom(SEED));
  for (let round = 0; round < 3; round++) {
    assert.equal(new Set(endpoints.map(() => picker.choose(undefined))).size, 7);
  }
});

test(`ROUND_ROBIN starts at different endpoints in different proxies (seed ${SEED})`, () => {
  const endpoints = Array.from({ length: 8 }, (_, i) => endpoint(`e${i}`));
  const random = new SeededRandom(SEED);
  const firsts = Array.from({ length: 64 }, () => roundRobin(endpoints, random).choose(undefined).address);
  assert.ok(new Set(firsts).size > 3);
});

test(`LEAST_REQUEST sends the busy one of two only what the draw leaves it (seed ${SEED})`, () => {
  const share = counts(leastRequest(LEAST_REQUEST), [endpoint('busy', 1, 10), endpoint('idle')], 4000).get('busy')!;
  // Both draws fall on the busy one in a quarter of the cases.
  assert.ok(Math.abs(share - 1000) <= tolerance(4000, 0.25), String(share));
});

test(`LEAST_REQUEST with more choices finds the idle one more often (seed ${SEED})`, () => {
  const policy = leastRequest({ choiceCount: 8, activeRequestBias: 1 });
  const busy = counts(policy, [endpoint('busy', 1, 10), endpoint('idle')], 4000).get('busy')!;
  assert.ok(busy < 40, String(busy));
});

test(`LEAST_REQUEST weighs a busy endpoint down where weights differ (seed ${SEED})`, () => {
  // 4 / (3 + 1) against 2 / (0 + 1): the lighter but idle one gets twice as many.
  const endpoints = [endpoint('heavy', 4, 3), endpoint('light', 2)];
  const share = counts(leastRequest(LEAST_REQUEST), endpoints, 3000).get('light')!;
  assert.ok(Math.abs(share - 2000) <= tolerance(3000, 2 / 3), String(share));
});
