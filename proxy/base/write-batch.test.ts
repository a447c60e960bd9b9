// When output that waits goes out: at the end of the event, or at the next tick.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteBatch } from './write-batch.ts';

test('inside of an event output waits for its end, outside for the next tick', async () => {
  const batch = new WriteBatch();
  const log: string[] = [];
  const seen = (): string => log.join('');
  const item = (name: string) => ({ flushWrites: () => void log.push(name) });
  batch.enter();
  batch.enter();
  batch.add(item('a'));
  batch.leave();
  assert.equal(seen(), '');
  batch.leave();
  assert.equal(seen(), 'a');
  batch.add(item('b'));
  batch.add({
    flushWrites: () => {
      log.push('c');
      if (log.length < 5) batch.add(item('d'));
    },
  });
  assert.equal(seen(), 'a');
  await new Promise((resolve) => process.nextTick(resolve));
  assert.equal(seen(), 'abcd');
});

test('what is late leaves once, after the events of all sockets that are ready', async () => {
  const batch = new WriteBatch();
  let flushed = 0;
  batch.enter();
  batch.addLate({ flushWrites: () => void flushed++ });
  batch.leave();
  await new Promise((resolve) => process.nextTick(resolve));
  assert.equal(flushed, 0);
  await new Promise(setImmediate);
  assert.equal(flushed, 1);
  await new Promise(setImmediate);
  assert.equal(flushed, 1);
});

test('a turn with much output hands it on in parts', async () => {
  const batch = new WriteBatch();
  const flushed: number[] = [];
  for (let i = 0; i < 100; i++) batch.addLate({ flushWrites: () => void flushed.push(i) });
  assert.equal(flushed.length, 64);
  await new Promise(setImmediate);
  assert.deepEqual(flushed, Array.from({ length: 100 }, (_, i) => i));
});
