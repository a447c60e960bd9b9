// Tests of the pace of long work.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkPace } from './work-pace.ts';

/** Of the system where rests end, of the test where work is measured. */
class HandClock {
  now = 0;
  nowMs(): number { return this.now; }
  wallMs(): number { return this.now; }
}

/** Turns of the event loop that go by until `rest` is over; at most `max`. */
async function turnsOf(rest: Promise<void>, max: number): Promise<number> {
  let over = false;
  void rest.then(() => { over = true; });
  let turns = 0;
  while (!over && turns < max) {
    await new Promise((resolve) => { setImmediate(resolve); });
    turns++;
  }
  await rest;
  return turns;
}

test('S85 the event loop has its turn after each piece of work, however short', async () => {
  const pace = new WorkPace(new HandClock(), () => true);
  pace.start();
  let turned = false;
  setImmediate(() => { turned = true; });
  await pace.rest();
  assert.equal(turned, true);
});

test('S85 while requests are served work rests for as long as it took, short pieces together', async () => {
  const clock = new HandClock();
  const pace = new WorkPace(clock, () => true);
  const started = performance.now();
  pace.start();
  for (let i = 0; i < 4; i++) {
    clock.now += 0.5;
    await pace.rest();
  }
  clock.now += 5;
  await pace.rest();
  // Timers may end a part of a millisecond early.
  assert.ok(performance.now() - started >= 6);
});

test('S85 a stall of the machine is not rested for in full', async () => {
  const clock = new HandClock();
  const pace = new WorkPace(clock, () => true);
  pace.start();
  clock.now += 3_600_000;
  // Else an hour: the runner would end the test first.
  await pace.rest();
});

test('S85 where nothing is served yet, work goes on in the next turn', async () => {
  const clock = new HandClock();
  const pace = new WorkPace(clock, () => false);
  pace.start();
  clock.now += 3_600_000;
  assert.ok(await turnsOf(pace.rest(), 10) <= 2);
});
