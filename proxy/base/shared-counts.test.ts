// Shared counts: limits over all threads, and rows that die with their thread.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedCounts } from './shared-counts.ts';

test('the limit holds over all threads', () => {
  const memory = new SharedArrayBuffer(SharedCounts.bytesFor(3, 2));
  const [a, b] = [new SharedCounts(memory, 2), new SharedCounts(memory, 2)];
  assert.equal(a.slots, 3);
  assert.equal(a.tryAdd(1, 0, 4, 2), 1);
  assert.equal(b.tryAdd(1, 1, 4, 2), 2);
  assert.equal(a.tryAdd(1, 0, 4, 2), 0);
  assert.equal(a.sum(1, 4), 2);
  assert.equal(a.sum(1, 3), 0);
  assert.equal(a.sum(2, 4), 0);
});

test("F19 a dead thread's counts are taken back, the others' stay", () => {
  const memory = new SharedArrayBuffer(SharedCounts.bytesFor(2, 3));
  const counts = new SharedCounts(memory, 3);
  for (let thread = 0; thread < 3; thread++) counts.add(1, thread, 2, thread + 1);
  counts.clearThread(1);
  assert.equal(counts.sum(1, 2), 4);
});

test('threads that race for a limit never exceed it', async () => {
  const memory = new SharedArrayBuffer(SharedCounts.bytesFor(1, 2));
  const source = `
    const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.module).then(({ SharedCounts }) => {
      const counts = new SharedCounts(workerData.memory, 2);
      let most = 0;
      for (let i = 0; i < 20000; i++) {
        if (!counts.tryAdd(0, workerData.thread, 0, 1)) continue;
        counts.add(0, workerData.thread, 1, 1);
        most = Math.max(most, counts.sum(0, 1));
        counts.add(0, workerData.thread, 1, -1);
        counts.add(0, workerData.thread, 0, -1);
      }
      parentPort.postMessage(most);
    });`;
  const module = new URL('./shared-counts.ts', import.meta.url).href;
  const workers = [0, 1].map((thread) => new Worker(source, { eval: true, workerData: { memory, thread, module } }));
  const most = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as number));
  await Promise.all(workers.map((worker) => worker.terminate()));
  assert.ok(most.every((value) => value <= 1) && Math.max(...most) === 1, String(most));
  assert.equal(new SharedCounts(memory, 2).sum(0, 0), 0);
});
