// Records that threads share by name: who sees what, who does a duty, and what becomes of a dead thread's.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedHosts, ownRecord } from './shared-hosts.ts';

function threads(count: number): SharedHosts[] {
  const memory = new SharedArrayBuffer(SharedHosts.bytes);
  SharedHosts.seed(memory, 7, 11);
  return Array.from({ length: count }, (_, thread) => new SharedHosts(memory, thread));
}

test('threads that hold one name share its numbers, and the last one takes them along', () => {
  const [a, b] = threads(2) as [SharedHosts, SharedHosts];
  const [one, same, other] = [a.hold('a')!, b.hold('a')!, b.hold('b')!];
  assert.equal(one.add(3, 2), 2);
  assert.equal(same.add(3, 2), 4);
  one.double = 1.5;
  assert.deepEqual([same.get(3), same.double, other.get(3), other.double], [4, 1.5, 0, 0]);
  assert.deepEqual([same.swap(3, 5, 1), same.swap(3, 4, 1), one.take(3), same.get(3)], [false, true, 1, 0]);
  one.set(9, 7);
  one.release();
  one.release();
  assert.equal(b.hold('a')!.get(9), 7);
  same.release();
  assert.equal(a.hold('a')!.get(9), 0);
});

test("F19 a dead thread's duties are for the taking, and what it alone held is forgotten", () => {
  const [a, b] = threads(2) as [SharedHosts, SharedHosts];
  const [shared, same, alone] = [a.hold('shared')!, b.hold('shared')!, a.hold('alone')!];
  shared.set(0, 1);
  alone.set(0, 1);
  assert.deepEqual([shared.takeDuty(0), shared.takeDuty(0)], [true, true]);
  assert.deepEqual([same.takeDuty(0), same.takeDuty(1)], [false, true]);
  b.clearThread(0);
  assert.deepEqual([same.takeDuty(0), same.get(0), b.hold('alone')!.get(0)], [true, 1, 0]);
  same.leaveDuty(1);
  assert.equal(a.hold('shared')!.takeDuty(1), true);
});

test('F19 a thread that died at the table keeps nobody from it', () => {
  const memory = new SharedArrayBuffer(SharedHosts.bytes);
  const survivor = new SharedHosts(memory, 1);
  // As the thread 0 leaves it when it has the lock.
  new Int32Array(memory)[0] = 1;
  survivor.clearThread(0);
  assert.equal(survivor.hold('a')!.takeDuty(0), true);
});

test('a table that is full gives no record', () => {
  const [a, b] = threads(2) as [SharedHosts, SharedHosts];
  let held = 0;
  for (let i = 0; i < 90_000; i++) if (a.hold(`host ${i}`) !== undefined) held++;
  assert.ok(held > 60_000 && held <= 65_536, String(held));
  assert.equal(b.hold('host 1')!.get(0), 0);
  assert.equal(new SharedHosts(new ArrayBuffer(SharedHosts.bytes), 64).hold('a'), undefined);
  assert.equal(ownRecord().takeDuty(0), true);
});

test('threads that come and go at the same time share one record', async () => {
  const memory = new SharedArrayBuffer(SharedHosts.bytes);
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(new URL('shared-hosts.ts', import.meta.url).href)}).then(({ SharedHosts }) => {
      const hosts = new SharedHosts(workerData.memory, workerData.thread);
      for (let round = 0; round < 200; round++) {
        for (let i = 0; i < 20; i++) hosts.hold('passing ' + i).release();
        hosts.hold('counted').add(0, 1);
      }
      parentPort.postMessage('done');
    });
  `;
  const keeper = new SharedHosts(memory, 2).hold('counted')!;
  const workers = [0, 1].map((thread) => new Worker(source, { eval: true, workerData: { memory, thread } }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  assert.equal(keeper.get(0), 400);
  await Promise.all(workers.map((worker) => worker.terminate()));
});
