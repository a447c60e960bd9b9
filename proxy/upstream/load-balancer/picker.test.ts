// Priorities, health and panic; and the picker that follows them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../base/random.ts';
import { Counter } from '../../telemetry/stats.ts';
import { RetryHosts } from '../retry.ts';
import type { Endpoint } from '../upstream.ts';
import { buildPicker } from './picker.ts';
import type { PickerOptions, PriorityEndpoints } from './picker.ts';
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
  return { address, hostname: undefined, weight: 1, workload: undefined, activeRequests: 0, done: () => {} };
}

function level(healthy: readonly Endpoint[], unhealthy: readonly Endpoint[] = []): PriorityEndpoints {
  return { all: [...healthy, ...unhealthy], healthy, degraded: [] };
}

function options(changes: Partial<PickerOptions> = {}): PickerOptions {
  const panicked = new Counter(new Float64Array(1), 0);
  return { ...ENVOY, policy: roundRobin, random: new SeededRandom(7), failOnPanic: false, panicked, ...changes };
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
  const hosts = new RetryHosts(true, 5);
  hosts.add(a);
  for (let i = 0; i < 10; i++) assert.equal(picker.pick(hosts), b);
  hosts.add(b);
  assert.notEqual(picker.pick(hosts), 'unavailable');
  const careless = new RetryHosts(false, 5);
  careless.add(a);
  assert.deepEqual(new Set([picker.pick(careless), picker.pick(careless)]), new Set([a, b]));
});
