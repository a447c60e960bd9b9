// Stats of one thread: names, buckets and the bound on names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterScope, labelledName, statName } from './stat-name.ts';
import { BUCKETS, STATS_MAX, Stats } from './stats.ts';
import type { StatRegistration } from './stats.ts';

test('one name is one stat, registered once', () => {
  const registered: StatRegistration[] = [];
  const stats = new Stats({ chunk: () => {}, register: (registration) => registered.push(registration) });
  const name = statName(clusterScope('a'), 'upstream_rq_total');
  stats.counter(name).inc();
  stats.counter({ ...name }).add(2);
  assert.equal(stats.counter(name).value, 3);
  stats.counter(labelledName('istio_requests_total', [['a', '1']])).inc();
  assert.equal(stats.counter(labelledName('istio_requests_total', [['a', '2']])).value, 0);
  assert.equal(registered.length, 3);
});

test('values fall into the bucket whose bound they do not exceed', () => {
  const memory: SharedArrayBuffer[] = [];
  const stats = new Stats({ chunk: (_, chunk) => memory.push(chunk), register: () => {} });
  const histogram = stats.histogram(statName(clusterScope('a'), 'upstream_rq_time'));
  for (const value of [0, 0.5, 0.6, 1, 3_600_000, 3_600_001]) histogram.record(value);
  const values = new Float64Array(memory[0]!);
  assert.deepEqual([values[0], values[1], values[BUCKETS.length - 1], values[BUCKETS.length]], [2, 2, 1, 1]);
  assert.equal(values[BUCKETS.length + 1], 6);
});

test('S88 names without end are counted, not kept', () => {
  const registered: StatRegistration[] = [];
  const stats = new Stats({ chunk: () => {}, register: (registration) => registered.push(registration) });
  const name = (i: number) => statName(clusterScope('a'), `c${i}`);
  for (let i = 0; i < STATS_MAX; i++) stats.counter(name(i));
  stats.counter(name(STATS_MAX)).inc();
  stats.gauge(name(STATS_MAX + 1)).set(1);
  stats.histogram(name(STATS_MAX + 2)).record(1);
  stats.counter(name(5)).inc();
  assert.equal(stats.counter(name(5)).value, 1);
  assert.equal(registered.length, STATS_MAX + 1);
  assert.equal(registered.at(-1)!.name.flat, 'server.stats_overflow');
});
