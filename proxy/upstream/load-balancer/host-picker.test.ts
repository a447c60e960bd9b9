// One conformance table for every load-balancing policy; then what sets each apart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFits } from '../../../test/harness/chi-squared.ts';
import { ManualClock } from '../../base/clock.ts';
import { SeededRandom } from '../../base/random.ts';
import { xxHash64 } from '../../base/xx-hash.ts';
import type { Endpoint } from '../upstream.ts';
import type { HostPickerFactory } from './host-picker.ts';
import { leastRequest } from './least-request.ts';
import { maglev } from './maglev.ts';
import { peakEwma } from './peak-ewma.ts';
import { randomChoice } from './random.ts';
import { ringHash } from './ring-hash.ts';
import { roundRobin } from './round-robin.ts';
import type { SlowStart } from './slow-start.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const LEAST_REQUEST = { choiceCount: 2, activeRequestBias: 1 };

interface FakeEndpoint extends Endpoint {
  activeRequests: number;
  healthySinceMs: number;
}

function endpoint(address: string, weight = 1, activeRequests = 0): FakeEndpoint {
  return {
    address, hostname: undefined, weight, hashKey: undefined, healthySinceMs: -Infinity, workload: undefined,
    activeRequests, priority: 0, lbMetadata: undefined, done: () => {},
  };
}

function deps(seed = SEED, clock = new ManualClock()) {
  return { random: new SeededRandom(seed), clock };
}

/** Of requests that are all different. */
function counts(policy: HostPickerFactory, endpoints: readonly Endpoint[], picks: number): Map<string, number> {
  const picker = policy(endpoints, deps());
  const result = new Map(endpoints.map(({ address }) => [address, 0]));
  for (let i = 0; i < picks; i++) {
    const { address } = picker.choose(xxHash64(`${SEED} ${i}`), 0);
    result.set(address, result.get(address)! + 1);
  }
  return result;
}

/** Five standard deviations of a binomial count. */
function tolerance(picks: number, share: number): number {
  return 5 * Math.sqrt(picks * share * (1 - share)) + 2;
}

interface Row {
  readonly name: string;
  readonly policy: HostPickerFactory;
  readonly weighted: boolean;
  readonly byHash: boolean;
}

const RING = ringHash({ minSize: 16_384, maxSize: 131_072, byHostname: false });
const MAGLEV = maglev({ tableSize: 65_537, byHostname: false });
const POLICIES: readonly Row[] = [
  { name: 'ROUND_ROBIN', policy: roundRobin(), weighted: true, byHash: false },
  { name: 'LEAST_REQUEST', policy: leastRequest(LEAST_REQUEST), weighted: true, byHash: false },
  { name: 'LEAST_REQUEST of all', policy: leastRequest({ ...LEAST_REQUEST, fullScan: true }), weighted: true,
    byHash: false },
  { name: 'peak EWMA', policy: peakEwma({ defaultMs: 10, penalty: 1e6 }), weighted: false, byHash: false },
  { name: 'RANDOM', policy: randomChoice, weighted: false, byHash: false },
  { name: 'RING_HASH', policy: RING, weighted: true, byHash: true },
  { name: 'MAGLEV', policy: MAGLEV, weighted: true, byHash: true },
];

for (const { name, policy, weighted, byHash } of POLICIES) {
  test(`${name} spreads over idle endpoints of one weight evenly (seed ${SEED})`, () => {
    const endpoints = ['a', 'b', 'c', 'd', 'e'].map((address) => endpoint(address, 7));
    assertFits([...counts(policy, endpoints, 5000).values()], [1, 1, 1, 1, 1], name);
  });

  test(`${name} ${weighted ? 'honours' : 'ignores'} weights (seed ${SEED})`, () => {
    const endpoints = [endpoint('a', 1), endpoint('b', 2), endpoint('c', 5)];
    assertFits([...counts(policy, endpoints, 4000).values()], weighted ? [1, 2, 5] : [1, 1, 1], name);
  });

  test(`${name} always answers with the only endpoint`, () => {
    assert.deepEqual([...counts(policy, [endpoint('only', 3, 9)], 10)], [['only', 10]]);
  });

  test(`${name} does not touch the list that it was given`, () => {
    const endpoints = Object.freeze([endpoint('b', 3), endpoint('a', 1)]);
    counts(policy, endpoints, 10);
    assert.deepEqual(endpoints.map(({ address }) => address), ['b', 'a']);
  });

  test(`${name} finds another endpoint for a request that asks again (seed ${SEED})`, () => {
    const endpoints = ['a', 'b', 'c'].map((address) => endpoint(address));
    const picker = policy(endpoints, deps());
    for (let key = 0; key < 50; key++) {
      const hash = xxHash64(`${SEED} ${key}`);
      const picked = new Set(Array.from({ length: 60 }, (_, attempt) => picker.choose(hash, attempt)));
      assert.equal(picked.size, 3, `key ${key}`);
    }
  });

  if (!byHash) continue;

  test(`${name} sends a hash to the same endpoint whatever the order of the list (seed ${SEED})`, () => {
    const endpoints = ['a', 'b', 'c', 'd'].map((address, i) => endpoint(address, i + 1));
    const one = policy(endpoints, deps());
    const other = policy(endpoints.toReversed(), deps(SEED + 1));
    for (let key = 0; key < 1000; key++) {
      const hash = xxHash64(`${SEED} ${key}`);
      const same = one.choose(hash, 0) === other.choose(hash, 0);
      if (name === 'MAGLEV') assert.ok(same, `key ${key}`);
      assert.equal(one.choose(hash, 0), one.choose(hash, 0));
    }
  });

  test(`${name} moves few hashes but those of an endpoint that leaves (seed ${SEED})`, () => {
    const endpoints = Array.from({ length: 10 }, (_, i) => endpoint(`10.0.0.${i}:80`));
    const before = policy(endpoints, deps());
    const after = policy(endpoints.slice(1), deps());
    let moved = 0;
    for (let key = 0; key < 2000; key++) {
      const hash = xxHash64(`${SEED} ${key}`);
      const was = before.choose(hash, 0);
      if (was !== endpoints[0] && after.choose(hash, 0) !== was) moved++;
    }
    // A Maglev table moves a few per cent; on a ring the others' places grow by a tenth, which moves as much at most.
    assert.ok(moved <= (name === 'MAGLEV' ? 100 : 250), String(moved));
  });

  test(`${name} draws for a request without a hash (seed ${SEED})`, () => {
    const endpoints = ['a', 'b', 'c', 'd'].map((address) => endpoint(address));
    const picker = policy(endpoints, deps());
    const found = new Map(endpoints.map((each) => [each as Endpoint, 0]));
    for (let i = 0; i < 2000; i++) {
      const picked = picker.choose(undefined, 0);
      found.set(picked, found.get(picked)! + 1);
    }
    assertFits([...found.values()], [1, 1, 1, 1], name);
  });

  test(`${name} goes by host name or by the endpoint's own key where asked to`, () => {
    const named = (address: string, hostname: string) => ({ ...endpoint(address), hostname });
    const make = name === 'MAGLEV' ? maglev({ tableSize: 251, byHostname: true })
      : ringHash({ minSize: 64, maxSize: 128, byHostname: true });
    const addresses = (endpoints: readonly Endpoint[]) => {
      const picker = make(endpoints, deps());
      return Array.from({ length: 50 }, (_, i) => endpoints.indexOf(picker.choose(xxHash64(`${i}`), 0)));
    };
    const one = addresses([named('1', 'x'), named('2', 'y')]);
    assert.deepEqual(addresses([named('3', 'x'), named('4', 'y')]), one);
    assert.deepEqual(addresses([{ ...endpoint('5'), hashKey: 'x' }, { ...endpoint('6'), hashKey: 'y' }]), one);
  });
}

for (const [name, make] of [
  ['ROUND_ROBIN', (slowStart) => roundRobin(slowStart)],
  ['LEAST_REQUEST', (slowStart) => leastRequest({ ...LEAST_REQUEST, slowStart })],
] as readonly (readonly [string, (slowStart: SlowStart) => HostPickerFactory])[]) {
  test(`F11 ${name} with slow start: a new endpoint's share grows to its whole in the window (seed ${SEED})`, () => {
    const clock = new ManualClock();
    const endpoints = ['old', 'older', 'new'].map((address) => endpoint(address));
    endpoints[2]!.healthySinceMs = clock.nowMs();
    const picker = make({ windowMs: 10_000, aggression: 1, minShare: 0.1 })(endpoints, deps(SEED, clock));
    for (const [seconds, share] of [[0, 0.1], [2, 0.2], [5, 0.5], [10, 1], [60, 1]] as const) {
      clock.advance(seconds * 1000 - clock.nowMs() + endpoints[2]!.healthySinceMs);
      // What was due before the weight grew comes first.
      for (let i = 0; i < 100; i++) picker.choose(undefined, 0);
      const picks = Array.from({ length: 3000 }, () => picker.choose(undefined, 0));
      const found = endpoints.map((each) => picks.filter((pick) => pick === each).length);
      assertFits(found, [1, 1, share], `${name} after ${seconds} s`);
    }
  });
}

test(`F11 aggression lets a share grow faster at first (seed ${SEED})`, () => {
  const clock = new ManualClock();
  const endpoints = ['old', 'new'].map((address) => endpoint(address));
  endpoints[1]!.healthySinceMs = clock.nowMs();
  const picker = roundRobin({ windowMs: 10_000, aggression: 2, minShare: 0.1 })(endpoints, deps(SEED, clock));
  clock.advance(2500);
  const picks = Array.from({ length: 3000 }, () => picker.choose(undefined, 0));
  assertFits(endpoints.map((each) => picks.filter((pick) => pick === each).length), [1, 0.5], 'a quarter of the time');
});

test('ROUND_ROBIN visits every endpoint once a round', () => {
  const endpoints = Array.from({ length: 7 }, (_, i) => endpoint(`e${i}`));
  const picker = roundRobin()(endpoints, deps());
  for (let round = 0; round < 3; round++) {
    assert.equal(new Set(endpoints.map(() => picker.choose(undefined, 0))).size, 7);
  }
});

test(`ROUND_ROBIN starts at different endpoints in different proxies (seed ${SEED})`, () => {
  const endpoints = Array.from({ length: 8 }, (_, i) => endpoint(`e${i}`));
  const random = new SeededRandom(SEED);
  const firsts = Array.from({ length: 64 }, () => (
    roundRobin()(endpoints, { random, clock: new ManualClock() }).choose(undefined, 0).address
  ));
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

test(`LEAST_REQUEST of all sends nothing to a busy one (seed ${SEED})`, () => {
  const endpoints = [endpoint('busy', 1, 3), endpoint('idle'), endpoint('idle too'), endpoint('busier', 1, 4)];
  const found = counts(leastRequest({ ...LEAST_REQUEST, fullScan: true }), endpoints, 2000);
  assertFits([...found.values()], [0, 1, 1, 0], 'of all');
});

test(`LEAST_REQUEST weighs a busy endpoint down where weights differ (seed ${SEED})`, () => {
  // 4 / (3 + 1) against 2 / (0 + 1): the lighter but idle one gets twice as many.
  const endpoints = [endpoint('heavy', 4, 3), endpoint('light', 2)];
  const share = counts(leastRequest(LEAST_REQUEST), endpoints, 3000).get('light')!;
  assert.ok(Math.abs(share - 2000) <= tolerance(3000, 2 / 3), String(share));
});
