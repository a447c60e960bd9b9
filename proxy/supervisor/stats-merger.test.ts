// Stats of several threads, living and ended, summed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { httpScope, statName } from '../telemetry/stat-name.ts';
import { quantile } from '../telemetry/stat-snapshot.ts';
import type { HistogramSnapshot } from '../telemetry/stat-snapshot.ts';
import { CHUNK_SLOTS, StatShape, Stats } from '../telemetry/stats.ts';
import type { FromWorker } from './messages.ts';
import { StatPort } from './stat-port.ts';
import { StatsMerger } from './stats-merger.ts';

const scope = httpScope('in');
const total = statName(scope, 'downstream_rq_total');
const active = statName(scope, 'downstream_rq_active');
const time = statName(scope, 'downstream_rq_time');

const histogramOf = (merger: StatsMerger): HistogramSnapshot =>
  merger.snapshot().find((stat) => stat.kind === 'histogram')!;

test('threads are summed', () => {
  const merger = new StatsMerger();
  for (const amount of [1, 10, 100]) {
    const stats = new Stats(merger.source());
    stats.counter(total).add(amount);
    stats.gauge(active).set(amount);
    stats.histogram(time).record(amount);
  }
  assert.equal(merger.read(total.flat), 111);
  assert.equal(merger.read(active.flat), 111);
  assert.equal(merger.read('nope'), 0);
  assert.deepEqual([histogramOf(merger).count, histogramOf(merger).sum], [3, 111]);
  assert.deepEqual(histogramOf(merger).buckets.slice(0, 8), [0, 1, 0, 1, 0, 0, 1, 0]);
});

test('F19 an ended thread keeps its counts and loses its gauges, and its successor adds to them', () => {
  const merger = new StatsMerger();
  const first = merger.source();
  const old = new Stats(first);
  old.counter(total).add(5);
  old.gauge(active).set(2);
  old.histogram(time).record(3);
  first.end();
  first.end();
  assert.deepEqual([merger.read(total.flat), merger.read(active.flat), histogramOf(merger).count], [5, 0, 1]);
  const next = new Stats(merger.source());
  next.counter(total).inc();
  next.histogram(time).record(3);
  assert.deepEqual([merger.read(total.flat), histogramOf(merger).count], [6, 2]);
});

const SHAPE = new StatShape('sample', { counter: ['total'], gauge: ['active'], histogram: ['time'] });

test('F19 blocks of threads are summed, and keep the counts of those that have ended', () => {
  const merger = new StatsMerger();
  const first = merger.source();
  for (const source of [first, merger.source()]) {
    const block = new Stats(source).block(SHAPE, scope);
    block.counter('total').add(5);
    block.gauge('active').set(2);
    block.histogram('time').record(3);
  }
  const read = (name: string): number => merger.read(`http.in.${name}`);
  const seen = (): unknown[] => [read('total'), read('active'), histogramOf(merger).count];
  assert.deepEqual(seen(), [10, 4, 2]);
  first.end();
  assert.deepEqual(seen(), [10, 2, 2]);
  assert.deepEqual(merger.snapshot().map(({ name }) => [name.flat, name.family, name.labels]), [
    ['http.in.total', 'envoy_http_total', scope.labels], ['http.in.active', 'envoy_http_active', scope.labels],
    ['http.in.time', 'envoy_http_time', scope.labels],
  ]);
});

test('a worker tells the names of a shape once', async () => {
  const merger = new StatsMerger();
  const source = merger.source();
  const sent: FromWorker[] = [];
  const stats = new Stats(new StatPort((message) => sent.push(structuredClone(message))));
  for (const prefix of ['in', 'out']) stats.block(SHAPE, httpScope(prefix)).counter('total').inc();
  await new Promise((resolve) => setImmediate(resolve));
  for (const message of sent) {
    if (message.kind === 'chunk') source.chunk(message.index, message.memory);
    if (message.kind === 'stats') for (const block of message.blocks) source.blockOfThread(block);
  }
  assert.deepEqual(sent.flatMap((m) => (m.kind === 'stats' ? m.blocks.map(({ names }) => names !== undefined) : [])),
    [true, false]);
  assert.deepEqual(['in', 'out', 'none'].map((prefix) => merger.read(`http.${prefix}.total`)), [1, 1, 0]);
});

test('more stats than a chunk holds go into the next one', () => {
  const merger = new StatsMerger();
  const stats = new Stats(merger.source());
  for (let i = 0; i < CHUNK_SLOTS + 10; i++) stats.counter(statName(scope, `c${i}`)).add(i);
  for (const i of [0, CHUNK_SLOTS - 1, CHUNK_SLOTS, CHUNK_SLOTS + 9]) assert.equal(merger.read(`http.in.c${i}`), i);
});

test('a worker thread counts in memory that is read here without asking it', async () => {
  const merger = new StatsMerger();
  const source = merger.source();
  const code = `
    const { parentPort } = require('node:worker_threads');
    const memory = new SharedArrayBuffer(${CHUNK_SLOTS} * 8);
    parentPort.postMessage({ memory });
    new Float64Array(memory)[7] = 42;
    parentPort.postMessage({ done: true });`;
  const worker = new Worker(code, { eval: true });
  const exit = once(worker, 'exit');
  const [{ memory }] = (await once(worker, 'message')) as [{ memory: SharedArrayBuffer }];
  source.chunk(0, memory);
  source.register({ kind: 'counter', name: total, chunk: 0, slot: 7 });
  await exit;
  source.end();
  assert.equal(merger.read(total.flat), 42);
});

test('quantiles lie on a line within their bucket', () => {
  const merger = new StatsMerger();
  const stats = new Stats(merger.source());
  assert.ok(Number.isNaN(quantile({ kind: 'histogram', name: time, buckets: [], count: 0, sum: 0 }, 0.5)));
  for (let i = 0; i < 100; i++) stats.histogram(time).record(7);
  const histogram = histogramOf(merger);
  assert.deepEqual([0, 0.5, 1].map((q) => quantile(histogram, q)), [5, 7.5, 10]);
  stats.histogram(time).record(1e9);
  assert.equal(quantile(histogramOf(merger), 1), 3_600_000);
});
