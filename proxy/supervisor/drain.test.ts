// A drain's phases, by what the workers count.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Drain } from './drain.ts';
import type { ToWorker } from './messages.ts';

const LONG = { deadlineMs: 60_000, minimumMs: 0, endsWhenEmpty: true };

function drainOf(size: number): { drain: Drain; posted: ToWorker[] } {
  const posted: ToWorker[] = [];
  return { drain: new Drain({ size, post: (message) => void posted.push(message) }), posted };
}

test('F17 no more is taken once nobody is connected, and who came meanwhile is waited for', async () => {
  const { drain, posted } = drainOf(2);
  const over = drain.run(LONG, true);
  drain.onConnections(0, 0);
  assert.deepEqual(posted, [{ kind: 'drain', inboundOnly: true }], 'the other worker has not counted yet');
  drain.onConnections(1, 1);
  drain.onConnections(1, 0);
  assert.deepEqual(posted.at(-1), { kind: 'stop-listening', inboundOnly: false });
  drain.onConnections(0, 0);
  drain.onConnections(1, 1);
  let isOver = false;
  void over.then(() => (isOver = true));
  await Promise.resolve();
  assert.equal(isOver, false);
  drain.onConnections(1, 0);
  await over;
});

test('F17 a worker that dies is waited for no longer than its replacement counts', async () => {
  const { drain } = drainOf(1);
  const over = drain.run(LONG, false);
  drain.onConnections(0, 3);
  drain.onDeath(0);
  drain.onConnections(0, 0);
  drain.onConnections(0, 0);
  await over;
});

test('F17 the deadline ends it with connections open, and a second drain is the first one', async () => {
  const { drain, posted } = drainOf(1);
  const over = drain.run({ deadlineMs: 1, minimumMs: 0, endsWhenEmpty: true }, false);
  drain.onConnections(0, 5);
  assert.equal(drain.run(LONG, false), over);
  await over;
  assert.equal(posted.length, 1);
});

test('F17 before its least time, or where it takes its time in any case, being empty is no end; finish() makes it one',
  async () => {
    for (const plan of [{ ...LONG, minimumMs: 50_000 }, { ...LONG, endsWhenEmpty: false }]) {
      const { drain, posted } = drainOf(1);
      const over = drain.run(plan, false);
      drain.onConnections(0, 0);
      assert.equal(posted.length, 1);
      drain.finish();
      assert.equal(posted.length, 2);
      drain.onConnections(0, 0);
      await over;
    }
  });
