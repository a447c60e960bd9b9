// Circuit breakers: limits over all workers, the retry budget, and what they show.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamedCounts } from '../base/named-counts.ts';
import { SharedCounts } from '../base/shared-counts.ts';
import { clusterScope } from '../telemetry/stat-name.ts';
import { Stats } from '../telemetry/stats.ts';
import { ClusterBreaker } from './circuit-breaker.ts';
import type { BreakerLimits } from './circuit-breaker.ts';

const LIMITS: BreakerLimits = {
  connections: 2, pending: 1, requests: 3, retries: 1, retryBudget: undefined, trackRemaining: true,
};

/** One worker's breaker over counts that it may share. */
function worker(counts: SharedCounts, thread: number, limits = LIMITS) {
  const stats = new Stats({ chunk: () => {}, register: () => {} });
  const scope = clusterScope('a');
  const breaker = new ClusterBreaker(limits, { counts, slot: 1, thread }, stats, scope);
  const gauge = (name: string): number => stats.gauge(
    { flat: `${scope.flat}circuit_breakers.default.${name}`, family: '', labels: [] },
  ).value;
  return { breaker, gauge };
}

function counts(threads: number): SharedCounts {
  return new SharedCounts(new SharedArrayBuffer(SharedCounts.bytesFor(2, threads)), threads);
}

test('each limit is its own, and what is given back can be taken again', () => {
  const { breaker } = worker(counts(1), 0);
  assert.deepEqual([breaker.tryConnection(), breaker.tryConnection(), breaker.tryConnection()], [true, true, false]);
  assert.deepEqual([breaker.tryPending(), breaker.tryPending()], [true, false]);
  assert.deepEqual([breaker.tryRetry(), breaker.tryRetry()], [true, false]);
  breaker.connectionDone();
  assert.equal(breaker.tryConnection(), true);
});

test('workers share one limit, and the counts of one that died are taken back (F19)', () => {
  const shared = counts(2);
  const [a, b] = [worker(shared, 0), worker(shared, 1)];
  assert.deepEqual([a.breaker.tryConnection(), b.breaker.tryConnection()], [true, true]);
  assert.equal(a.breaker.tryConnection(), false);
  shared.clearThread(1);
  assert.equal(a.breaker.tryConnection(), true);
});

test('the gauges of all workers add up', () => {
  const shared = counts(2);
  const [a, b] = [worker(shared, 0), worker(shared, 1)];
  const total = (name: string): number => a.gauge(name) + b.gauge(name);
  a.breaker.tryRequest();
  b.breaker.tryRequest();
  assert.deepEqual([total('rq_open'), total('remaining_rq')], [0, 1]);
  b.breaker.tryRequest();
  assert.deepEqual([total('rq_open'), total('remaining_rq')], [1, 0]);
  assert.equal(a.breaker.tryRequest(), false);
  b.breaker.requestDone();
  b.breaker.requestDone();
  a.breaker.requestDone();
  assert.deepEqual([total('rq_open'), total('remaining_rq')], [0, 3]);
});

test('an endpoint without a connection gets one over the limit', () => {
  const { breaker, gauge } = worker(counts(1), 0, { ...LIMITS, connections: 0 });
  assert.equal(breaker.tryConnection(), false);
  breaker.forceConnection();
  assert.equal(gauge('cx_open'), 1);
  breaker.connectionDone();
});

test('S83 a retry budget is a share of what is active and pending, and a minimum', () => {
  const limits = { ...LIMITS, requests: 100, retries: undefined, retryBudget: { share: 0.5, min: 1 } };
  const { breaker } = worker(counts(1), 0, limits);
  assert.deepEqual([breaker.tryRetry(), breaker.tryRetry()], [true, false]);
  for (let i = 0; i < 4; i++) breaker.tryRequest();
  assert.deepEqual([breaker.tryRetry(), breaker.tryRetry()], [true, false]);
});

test('connections to one endpoint are limited over all workers and priorities', () => {
  const shared = counts(2);
  const memory = new SharedArrayBuffer(NamedCounts.bytesFor(2));
  const hosts = [0, 1].map((thread) => new NamedCounts(memory, 2, thread));
  const limits = { ...LIMITS, connections: 10, connectionsPerHost: 2 };
  const [a, b] = [worker(shared, 0, limits), worker(shared, 1, limits)];
  const [one, same, other] = [hosts[0]!.of('a')!, hosts[1]!.of('a')!, hosts[1]!.of('b')!];
  assert.deepEqual([a.breaker.tryConnection(one), b.breaker.tryConnection(same)], [true, true]);
  assert.deepEqual([a.breaker.tryConnection(one), b.breaker.tryConnection(other)], [false, true]);
  b.breaker.connectionDone(same);
  assert.equal(a.breaker.tryConnection(one), true);
  a.breaker.forceConnection(one);
  assert.equal(same.sum, 3);
});

test('priorities share a slot and nothing else', () => {
  const shared = counts(1);
  const stats = new Stats({ chunk: () => {}, register: () => {} });
  const place = { counts: shared, slot: 1, thread: 0 };
  const ours = new ClusterBreaker(LIMITS, place, stats, clusterScope('a'));
  const high = new ClusterBreaker({ ...LIMITS, retries: 0 }, place, stats, clusterScope('a'), 'high');
  assert.deepEqual([ours.tryPending(), ours.tryPending(), high.tryPending()], [true, false, true]);
  assert.deepEqual([ours.tryRetry(), high.tryRetry()], [true, false]);
  ours.pendingDone();
  assert.deepEqual([high.tryPending(), ours.tryPending()], [false, true]);
});

test("Istio's 2^32 - 1 is no limit", () => {
  const { breaker } = worker(counts(1), 0, { ...LIMITS, requests: 2 ** 32 - 1 });
  for (let i = 0; i < 5000; i++) assert.equal(breaker.tryRequest(), true);
});

test('limits may change while counts are held', () => {
  const { breaker } = worker(counts(1), 0);
  breaker.tryConnection();
  breaker.setLimits({ ...LIMITS, connections: 1 });
  assert.equal(breaker.tryConnection(), false);
  breaker.connectionDone();
  assert.equal(breaker.tryConnection(), true);
});
