// Token buckets that threads share: how they fill, that threads together take what is there, and who makes room.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { heldBuckets } from '../../test/harness/buckets.ts';
import { ManualClock } from './clock.ts';
import { SeededRandom } from './random.ts';
import { SharedBuckets } from './shared-buckets.ts';

/** Two tokens, one a second. */
const SHAPE = { maxTokens: 2, nsPerToken: 1e9 };

function taken(buckets: SharedBuckets, name: string, times: number): number {
  const key = buckets.keyOf('made', name);
  return Array.from({ length: times }, () => buckets.take(key, SHAPE, 1)).filter(Boolean).length;
}

test('a bucket is full at first, is emptied, and fills evenly up to its size', () => {
  const clock = new ManualClock();
  const buckets = heldBuckets(clock);
  assert.equal(taken(buckets, 'a', 5), 2);
  clock.advance(999);
  assert.equal(taken(buckets, 'a', 1), 0);
  clock.advance(1);
  assert.equal(taken(buckets, 'a', 2), 1);
  clock.advance(60_000);
  assert.equal(taken(buckets, 'a', 5), 2);
});

test('a bucket of one token gives it at any moment, also where the next one is told less exactly', () => {
  const hour = { maxTokens: 1, nsPerToken: 3.6e12 };
  const random = new SeededRandom(7);
  for (let i = 0; i < 2000; i++) {
    // 2 ** 45 ns, 9.8 hours of a machine, lies between now and when the bucket is full again.
    const clock = new ManualClock();
    clock.advance(2 ** 45 / 1e6 - random.float() * 3.6e6);
    const buckets = heldBuckets(clock);
    const key = buckets.keyOf('configured', 'a');
    assert.deepEqual([buckets.take(key, hour, 1), buckets.take(key, hour, 1)], [true, false]);
  }
});

test('several tokens are taken together or not at all', () => {
  const buckets = heldBuckets();
  const key = buckets.keyOf('configured', 'a');
  assert.deepEqual([3, 1, 2, 1].map((tokens) => buckets.take(key, SHAPE, tokens)), [false, true, false, true]);
  assert.equal(buckets.tokens(key, SHAPE), 0);
});

test('names, and parts within a name, have buckets of their own', () => {
  const buckets = heldBuckets();
  assert.deepEqual(['a', 'b', 'a'].map((name) => taken(buckets, name, 5)), [2, 2, 0]);
  const key = buckets.keyOf('configured', 'a');
  const parts = ['x', 'y', 'x'].map((part) => buckets.take(buckets.within(key, part), { ...SHAPE, maxTokens: 1 }, 1));
  assert.deepEqual(parts, [true, true, false]);
});

test('more buckets than there is room for are counted, and the memory does not grow', () => {
  let evicted = 0;
  const clock = new ManualClock();
  const buckets = heldBuckets(clock, { inc: () => evicted++ });
  for (let i = 0; i < 100_000; i++) taken(buckets, `client ${i}`, 1);
  assert.ok(evicted > 30_000, `${evicted} buckets made room`);
  const before = evicted;
  clock.advance(10_000);
  for (let i = 0; i < 10_000; i++) taken(buckets, `later ${i}`, 1);
  assert.equal(evicted, before, 'those that are full again make room without loss');
});

test('made buckets take no place of configured ones', () => {
  const buckets = heldBuckets();
  const key = buckets.keyOf('configured', 'limit');
  buckets.take(key, SHAPE, 2);
  for (let i = 0; i < 100_000; i++) taken(buckets, `client ${i}`, 1);
  assert.equal(buckets.take(key, SHAPE, 1), false);
});

test('threads together take what is there, and no more', async () => {
  const memory = new SharedArrayBuffer(SharedBuckets.bytes);
  SharedBuckets.seed(memory, 3, 5);
  const code = `
    const { workerData, parentPort } = require('node:worker_threads');
    Promise.all([import(workerData.buckets), import(workerData.clock)]).then(([{ SharedBuckets }, clock]) => {
      const nowMs = clock.sharedMs(clock.systemClock);
      const buckets = new SharedBuckets(workerData.memory, nowMs, { inc() {} });
      const key = buckets.keyOf('configured', 'shared');
      let taken = 0;
      for (let i = 0; i < 20000; i++) if (buckets.take(key, { maxTokens: 10000, nsPerToken: 1e14 }, 1)) taken++;
      parentPort.postMessage(taken);
    });`;
  const workerData = {
    memory, buckets: import.meta.resolve('./shared-buckets.ts'), clock: import.meta.resolve('./clock.ts'),
  };
  const taken = await Promise.all([1, 2, 3].map(async () => {
    const worker = new Worker(code, { eval: true, workerData });
    const [count] = await once(worker, 'message') as [number];
    await worker.terminate();
    return count;
  }));
  assert.equal(taken.reduce((sum, count) => sum + count), 10_000);
});
