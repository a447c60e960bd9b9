// Priorities, health and panic; and the picker that follows them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { assertFits } from '../../../test/harness/chi-squared.ts';
import { SeededRandom } from '../../base/random.ts';
import { Counter } from '../../telemetry/stats.ts';
import { ANY_HOST, RetryHosts } from '../retry.ts';
import type { Endpoint } from '../upstream.ts';
import { randomChoice } from './random.ts';
import { maglev } from './maglev.ts';
import { buildPicker } from './picker.ts';
import type { LocalityEndpoints, PriorityEndpoints } from './locality.ts';
import type { PickerOptions } from './picker.ts';
import { priorityLoads } from './priority-load.ts';
import { roundRobin } from './round-robin.ts';

const ENVOY = { overprovisioningPercent: 140, panicPercent: 50 };

/** Healthy percents of levels that are given as [healthy, total]; `!` marks panic. */
function loads(levels: readonly (readonly [number, number])[], panicPercent = 50): string {
  const health = levels.map(([healthy, total]) => ({ healthy, total, degraded: 0 }));
  return priorityLoads(health, { ...ENVOY, panicPercent })
    .map(({ healthyPercent, panic }) => `${healthyPercent}${panic ? '!' : ''}`)
    .join(' ');
}

test('priority 0 takes all until fewer than 72 % of it are healthy, then spills', () => {
  assert.equal(loads([[100, 100], [100, 100]]), '100 0');
  assert.equal(loads([[72, 100], [100, 100]]), '100 0');
  assert.equal(loads([[71, 100], [100, 100]]), '99 1');
  assert.equal(loads([[50, 100], [100, 100]]), '70 30');
  assert.equal(loads([[0, 100], [100, 100]]), '0 100');
  assert.equal(loads([[0, 0], [5, 5]]), '0 100');
});

test('what all priorities lack together is shared in proportion, and priorities below the threshold panic', () => {
  assert.equal(loads([[5, 100], [5, 100]]), '50! 50!');
  assert.equal(loads([[20, 100], [0, 100], [50, 100]]), '29! 0! 71');
});

test('a level that is nearly empty does not panic while another carries all', () => {
  assert.equal(loads([[1, 100], [100, 100]]), '1 99');
});

test('when every priority is in panic each gets traffic by its size', () => {
  assert.equal(loads([[0, 3], [0, 1]]), '75! 25!');
  assert.equal(loads([[0, 0], [0, 2]]), '0! 100!');
});

test('a panic threshold of 0 never uses unhealthy endpoints', () => {
  assert.equal(loads([[0, 3]], 0), '0');
  assert.equal(loads([[1, 100]], 0), '100');
});

test('degraded endpoints take what the healthy ones of all priorities leave', () => {
  const levels = [{ total: 10, healthy: 5, degraded: 5 }, { total: 10, healthy: 1, degraded: 9 }];
  const found = priorityLoads(levels, ENVOY);
  const percents = found.map(({ healthyPercent, degradedPercent }) => [healthyPercent, degradedPercent]);
  assert.deepEqual(percents, [[70, 16], [14, 0]]);
});

function endpoint(address: string): Endpoint {
  return { address, hostname: undefined, weight: 1, hashKey: undefined, healthySinceMs: 0, workload: undefined,
    activeRequests: 0, priority: 0, lbMetadata: undefined, done: () => {} };
}

function level(healthy: readonly Endpoint[], unhealthy: readonly Endpoint[] = []): PriorityEndpoints {
  return { all: [...healthy, ...unhealthy], healthy, degraded: [], localities: [] };
}

function options(changes: Partial<PickerOptions> = {}): PickerOptions {
  const panicked = new Counter(new Float64Array(1), 0);
  return {
    ...ENVOY, policy: roundRobin(), byHash: false, byLocality: false, random: new SeededRandom(7),
    clock: new ManualClock(), failOnPanic: false, zone: undefined, panicked, ...changes,
  };
}

const [a, b, c] = [endpoint('a'), endpoint('b'), endpoint('c')] as const;

test('no endpoint at all is unavailable', () => {
  assert.equal(buildPicker([level([])], options()).pick(undefined), 'unavailable');
  assert.equal(buildPicker([], options()).pick(undefined), 'unavailable');
});

test('unhealthy endpoints get nothing while enough are healthy, and their share in panic', () => {
  const calm = buildPicker([level([a, b], [c])], options());
  for (let i = 0; i < 9; i++) assert.notEqual(calm.pick(undefined), c);
  const panic = options();
  const picker = buildPicker([level([a], [b, c])], panic);
  const picked = new Set(Array.from({ length: 9 }, () => picker.pick(undefined)));
  assert.deepEqual(picked, new Set([a, b, c]));
  assert.equal(panic.panicked.value, 9);
});

test('panic is refused where the cluster asks for that', () => {
  assert.equal(buildPicker([level([], [a])], options({ failOnPanic: true })).pick(undefined), 'unavailable');
  assert.equal(buildPicker([level([], [a])], options({ panicPercent: 0 })).pick(undefined), 'unavailable');
});

test('a share of the picks spills to the next priority', () => {
  const picker = buildPicker([level([a], [c]), level([b])], options());
  const picks = Array.from({ length: 1000 }, () => picker.pick(undefined));
  const spilled = picks.filter((pick) => pick === b).length;
  assert.ok(spilled > 220 && spilled < 380, String(spilled));
  assert.ok(!picks.includes(c));
});

test('a retry gets another endpoint while the attempts last, then the avoided one', () => {
  const picker = buildPicker([level([a, b])], options());
  const hosts = new RetryHosts({ ...ANY_HOST, avoidPreviousHosts: true, hostSelectionMaxAttempts: 5 });
  hosts.add(a);
  for (let i = 0; i < 10; i++) assert.equal(picker.pick(hosts), b);
  hosts.add(b);
  assert.notEqual(picker.pick(hosts), 'unavailable');
  const careless = new RetryHosts({ ...ANY_HOST, hostSelectionMaxAttempts: 5 });
  careless.add(a);
  assert.deepEqual(new Set([picker.pick(careless), picker.pick(careless)]), new Set([a, b]));
});

/** A locality of `total` endpoints of which the first `healthy` are. */
function place(weight: number, healthy: number, total: number): LocalityEndpoints {
  const all = Array.from({ length: total }, (_, i) => endpoint(`${weight}-${i}`));
  return { name: `zone-${weight}`, weight, all, healthy: all.slice(0, healthy), degraded: [] };
}

function byLocality(localities: readonly LocalityEndpoints[], changes: Partial<PickerOptions> = {}): number[] {
  const all = localities.flatMap((locality) => locality.all);
  const healthy = localities.flatMap((locality) => locality.healthy);
  const picker = buildPicker([{ all, healthy, degraded: [], localities }], options({ byLocality: true, ...changes }));
  const picks = Array.from({ length: 6000 }, () => picker.pick(undefined));
  return localities.map((locality) => picks.filter((pick) => (locality.all as unknown[]).includes(pick)).length);
}

test('localities get traffic by their weights, whatever their endpoints; without a weight none (seed 7)', () => {
  assertFits(byLocality([place(1, 5, 5), place(2, 1, 1), place(3, 2, 2), place(0, 4, 4)]), [1, 2, 3, 0], 'weights');
});

test('a locality whose health falls below the overprovisioning loses weight (seed 7)', () => {
  // 10 of 14 are complete at 140 %; 5 of 14 are half.
  assertFits(byLocality([place(1, 10, 14), place(2, 14, 14)]), [1, 2], 'complete');
  assertFits(byLocality([place(2, 5, 14), place(3, 14, 14)]), [1, 3], 'half');
});

test('localities without any weight, and localities in panic, don\'t count (seed 7)', () => {
  const random = { policy: randomChoice };
  assertFits(byLocality([place(0, 1, 1), place(0, 3, 3)], random), [1, 3], 'no weight');
  assertFits(byLocality([place(9, 0, 1), place(1, 1, 3)], random), [1, 3], 'panic');
});

test('policies by hash have the localities\' weights in their shares (seed 7)', () => {
  const hashed = { policy: maglev({ tableSize: 65_537, byHostname: false }), byHash: true };
  assertFits(byLocality([place(1, 4, 4), place(3, 2, 2), place(0, 1, 1)], hashed), [1, 3, 0], 'hash');
});
