// Back-off and the hosts that were tried.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Random } from '../base/random.ts';
import { ANY_HOST, RetryHosts, backoffMs, limitedBackoffMs } from './retry.ts';
import type { Endpoint } from './upstream.ts';

function endpoint(address: string, lbMetadata?: Record<string, unknown>, priority = 0): Endpoint {
  return { address, hostname: undefined, weight: 1, hashKey: undefined, healthySinceMs: 0, workload: undefined,
    activeRequests: 0, priority, lbMetadata, done: () => {} };
}

const fixed = (value: number): Random => ({ float: () => value, hex: () => '', uuid: () => '' });

test('back-off doubles up to its maximum and is jittered over all of it', () => {
  const ceilings = [0, 1, 2, 3, 4, 5].map((retry) => backoffMs(25, 250, retry, fixed(1)));
  assert.deepEqual(ceilings, [25, 50, 100, 200, 250, 250]);
  assert.equal(backoffMs(25, 250, 3, fixed(0)), 0);
  assert.equal(backoffMs(25, 250, 3, fixed(0.5)), 100);
  assert.equal(backoffMs(25, 250, 10_000, fixed(0.5)), 125);
});

test('what a response asks to wait is waited, and up to half of it more', () => {
  assert.deepEqual([0, 0.5].map((draw) => limitedBackoffMs(4000, fixed(draw))), [4000, 5000]);
});

test('hosts are remembered once, in order, and avoided when asked', () => {
  const [a, b] = [endpoint('a'), endpoint('b')];
  const hosts = new RetryHosts({ ...ANY_HOST, avoidPreviousHosts: true });
  for (const tried of [a, b, a]) hosts.add(tried);
  assert.deepEqual(hosts.tried, [a, b]);
  assert.equal(hosts.avoid(a), true);
  assert.equal(hosts.avoid(endpoint('a')), false);
  assert.equal(new RetryHosts(ANY_HOST).avoid(a), false);
});

test('endpoints are left out by their metadata, and only by retries', () => {
  const rules = { ...ANY_HOST, omitCanaryHosts: true,
    omitMetadata: [[['stage', 'beta']], [['zone', 'a'], ['sizes', { cpu: 1 }]]] as const };
  const hosts = new RetryHosts(rules);
  const avoided = (metadata?: Record<string, unknown>): boolean => hosts.avoid(endpoint('x', metadata));
  assert.equal(avoided({ canary: true }), false);
  hosts.add(endpoint('a'));
  const found = [undefined, {}, { canary: true }, { canary: 'true' }, { stage: 'beta' }, { stage: ['alpha', 'beta'] },
    { stage: 'alpha' }, { zone: 'a' }, { zone: 'a', sizes: { cpu: 1 } }, { zone: 'a', sizes: { cpu: 2 } }].map(avoided);
  assert.deepEqual(found, [false, false, true, false, true, true, false, false, true, false]);
});

test('after so many tries retries leave out the priorities of all of them, until none is left', () => {
  const offered = { healthy: [100, 100, 0], degraded: [0, 0, 100] };
  const own = [100, 0, 0].map((healthyPercent) => ({ healthyPercent, degradedPercent: 0, panic: false }));
  const { retryPriority } = new RetryHosts({ ...ANY_HOST, priorityFrequency: 2 });
  const shares: string[] = [];
  for (const priority of [0, 0, 1, 1, 2, 2, 0]) {
    retryPriority!.onAttempt(priority);
    const loads = retryPriority!.loadsOf(offered, own);
    shares.push(loads.map((load) => load.healthyPercent + load.degradedPercent).join(' '));
  }
  const [first, second, third] = ['100 0 0', '0 100 0', '0 0 100'];
  assert.deepEqual(shares, [first, second, second, third, third, first, first]);
  const nothing = { healthy: [0, 0, 0], degraded: [0, 0, 0] };
  const { retryPriority: other } = new RetryHosts({ ...ANY_HOST, priorityFrequency: 1 });
  other!.onAttempt(0);
  assert.equal(other!.loadsOf(nothing, own), own);
});
