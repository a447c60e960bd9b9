// The timer wheel under a clock that the test moves: order, re-arming, cancelling, long delays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, systemClock } from './clock.ts';
import { Timer, TimerWheel } from './timers.ts';

function setUp() {
  const clock = new ManualClock();
  const wheel = new TimerWheel(clock);
  const fired: number[] = [];
  const target = { onTimer: (tag: number) => void fired.push(tag) };
  const pass = (ms: number): void => {
    clock.advance(ms);
    wheel.advance();
  };
  return { wheel, fired, target, pass };
}

test('a timer fires once, never early', () => {
  const { wheel, fired, target, pass } = setUp();
  new Timer(wheel, target, 7).arm(25);
  pass(24);
  assert.deepEqual(fired, []);
  pass(10);
  assert.deepEqual(fired, [7]);
  pass(1000);
  assert.deepEqual(fired, [7]);
  assert.equal(wheel.size, 0);
});

test('arming again replaces, cancelling forgets', () => {
  const { wheel, fired, target, pass } = setUp();
  const timer = new Timer(wheel, target, 1);
  timer.arm(20);
  timer.arm(200);
  pass(100);
  assert.deepEqual(fired, []);
  assert.equal(timer.armed, true);
  timer.cancel();
  timer.cancel();
  pass(1000);
  assert.deepEqual(fired, []);
});

test('delays longer than one turn of the wheel wait for their turn', () => {
  const { wheel, fired, target, pass } = setUp();
  new Timer(wheel, target, 1).arm(10_240 + 50);
  new Timer(wheel, target, 2).arm(50);
  pass(60);
  assert.deepEqual(fired, [2]);
  pass(10_000);
  assert.deepEqual(fired, [2]);
  pass(240);
  assert.deepEqual(fired, [2, 1]);
});

test('a callback may arm and cancel timers of the slot that is firing', () => {
  const { wheel, fired, pass } = setUp();
  const second = new Timer(wheel, { onTimer: () => void fired.push(2) });
  const first = new Timer(wheel, {
    onTimer: () => {
      fired.push(1);
      second.cancel();
      first.arm(10);
    },
  });
  second.arm(10);
  first.arm(10);
  pass(10);
  assert.deepEqual(fired, [1]);
  pass(20);
  assert.deepEqual(fired, [1, 1]);
});

test('a clock that jumps far fires everything due, each once', () => {
  const { wheel, fired, target, pass } = setUp();
  for (let i = 0; i < 100; i++) new Timer(wheel, target, i).arm(i * 977);
  pass(10_000_000);
  assert.deepEqual(fired.toSorted((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i));
});

test('a far timer armed by a callback does not delay a near one', async () => {
  const wheel = new TimerWheel(systemClock);
  const order: string[] = [];
  const done = Promise.withResolvers<void>();
  const far = new Timer(wheel, { onTimer: () => void order.push('far') });
  const note = (name: string): { onTimer(): void } => ({
    onTimer: () => {
      order.push(name);
      if (name === 'first') far.arm(3_600_000);
      else done.resolve();
    },
  });
  new Timer(wheel, note('first')).arm(20);
  new Timer(wheel, note('near')).arm(60);
  const late = setTimeout(() => {
    order.push('late');
    done.resolve();
  }, 5000);
  await done.promise;
  clearTimeout(late);
  far.cancel();
  assert.deepEqual(order, ['first', 'near']);
});
