// Stats of one thread: names, buckets and the bound on names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterScope, labelledName, statName } from './stat-name.ts';
import { BUCKETS, STATS_MAX, StatShape, Stats } from './stats.ts';
import type { BlockRegistration, StatRegistration } from './stats.ts';

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

const SHAPE = new StatShape('sample', {
  counter: ['rq_total', 'circuit.open_total'], gauge: ['rq_active'], histogram: ['rq_time'],
});

test('a block is registered once for all its stats, which are found by their names as well', () => {
  const registered: StatRegistration[] = [];
  const blocks: BlockRegistration[] = [];
  const stats = new Stats({ chunk: () => {}, register: (r) => registered.push(r), block: (r) => blocks.push(r) });
  const scope = clusterScope('a.b');
  const block = stats.block(SHAPE, scope);
  block.counter('rq_total').inc();
  stats.counter(statName(scope, 'circuit.open_total')).add(2);
  stats.gauge(statName(scope, 'rq_active')).set(3);
  assert.equal(stats.counter(statName(scope, 'rq_total')).value, 1);
  assert.deepEqual([block.counter('circuit.open_total').value, block.gauge('rq_active').value], [2, 3]);
  assert.equal(stats.block(SHAPE, { ...scope }), block);
  assert.deepEqual([registered.length, blocks.length], [0, 1]);
  stats.counter(statName(scope, 'rq_retry'));
  assert.deepEqual(registered.map(({ name }) => name.flat), ['cluster.a.b.rq_retry']);
});

test('a sink that knows no blocks is told of each stat', () => {
  const registered: StatRegistration[] = [];
  const stats = new Stats({ chunk: () => {}, register: (r) => registered.push(r) });
  stats.block(SHAPE, clusterScope('a'));
  assert.deepEqual(registered.map(({ kind, name, slot }) => [kind, name.flat, name.family, slot]), [
    ['counter', 'cluster.a.rq_total', 'envoy_cluster_rq_total', 0],
    ['counter', 'cluster.a.circuit.open_total', 'envoy_cluster_circuit_open_total', 1],
    ['gauge', 'cluster.a.rq_active', 'envoy_cluster_rq_active', 2],
    ['histogram', 'cluster.a.rq_time', 'envoy_cluster_rq_time', 3],
  ]);
});
