// Back-off and the hosts that were tried.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Random } from '../base/random.ts';
import { RetryHosts, backoffMs, limitedBackoffMs } from './retry.ts';
import type { Endpoint } from './upstream.ts';

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
  const endpoint = (address: string): Endpoint => (
    { address, hostname: undefined, weight: 1, hashKey: undefined, healthySinceMs: 0, workload: undefined,
    activeRequests: 0, done: () => {} }
  );
  const [a, b] = [endpoint('a'), endpoint('b')];
  const hosts = new RetryHosts(true, 3);
  for (const tried of [a, b, a]) hosts.add(tried);
  assert.deepEqual(hosts.tried, [a, b]);
  assert.equal(hosts.avoid(a), true);
  assert.equal(hosts.avoid(endpoint('a')), false);
  assert.equal(new RetryHosts(false, 3).avoid(a), false);
});
