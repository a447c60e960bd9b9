// Waiting for endpoints, for a limited time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { SeededRandom } from '../base/random.ts';
import { TimerWheel } from '../base/timers.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../config/type-url.ts';
import type { ResourceType } from '../config/any-registry.ts';
import { BackOff } from '../base/back-off.ts';
import { Inbox } from './inbox.ts';
import type { IncomingResponse } from './variant.ts';
import { Warming } from './warming.ts';

function makeWarming() {
  const clock = new ManualClock();
  const wheel = new TimerWheel(clock);
  const told: string[] = [];
  const warming = new Warming(clock, wheel, {
    onWarm: () => void told.push('warm'),
    onGivenUp: (what) => void told.push(`gave up ${what}`),
  });
  const pass = (ms: number): void => {
    clock.advance(ms);
    wheel.advance();
  };
  return { warming, told, pass };
}

test('is warm when all that was expected has come', () => {
  const { warming, told } = makeWarming();
  assert.equal(warming.cold, false);
  warming.expect('a', 1000);
  warming.expect('b', 1000);
  warming.done('a');
  assert.deepEqual([warming.cold, told], [true, []]);
  warming.done('b');
  warming.done('b');
  assert.deepEqual([warming.cold, told], [false, ['warm']]);
});

test('gives up what does not come in time, and only that; 0 waits for ever', () => {
  const { warming, told, pass } = makeWarming();
  warming.expect('a', 1000);
  warming.expect('b', 3000);
  warming.expect('ever', 0);
  pass(2000);
  assert.deepEqual(told, ['gave up a']);
  pass(2000);
  assert.deepEqual([warming.cold, told], [true, ['gave up a', 'gave up b']]);
  pass(1e9);
  assert.equal(warming.cold, true);
  warming.done('ever');
  assert.equal(told.at(-1), 'warm');
});

test('F02 pauses grow to 30 s, are never below 0.5 s, and differ between proxies', () => {
  const seeds = Array.from({ length: 200 }, (_, seed) => new BackOff(new SeededRandom(seed)));
  const rounds = Array.from({ length: 8 }, () => seeds.map((backOff) => backOff.nextMs()));
  for (const [round, pauses] of rounds.entries()) {
    const bound = Math.min(30_000, 1000 * 2 ** round);
    assert.ok(pauses.every((ms) => ms >= 500 && ms <= bound), `round ${round}`);
    assert.ok(new Set(pauses.map((ms) => Math.round(ms / 10))).size > 30, `round ${round} is spread`);
  }
  seeds[0]!.reset();
  assert.ok(seeds[0]!.nextMs() <= 1000);
});

const response = (type: ResourceType, removed: string[] = []): IncomingResponse => (
  { type, nonce: '', version: '', resources: [], removed, complete: false }
);

test('what listeners and routes wait for passes them, what might be named by them does not', () => {
  let isCold = true;
  const inbox = new Inbox((type) => !isCold || (type !== LISTENER_TYPE && type !== ROUTE_TYPE));
  const [route, removal, addition] = [response(ROUTE_TYPE), response(CLUSTER_TYPE, ['a']), response(CLUSTER_TYPE)];
  const endpoints = response(ENDPOINT_TYPE);
  for (const each of [route, removal, addition, endpoints]) inbox.push(each);
  assert.deepEqual([inbox.take(), inbox.take(), inbox.take()], [addition, endpoints, undefined]);
  isCold = false;
  assert.deepEqual([inbox.take(), inbox.take(), inbox.take()], [route, removal, undefined]);
});

test('is full at a bound', () => {
  const inbox = new Inbox(() => false);
  for (let i = 0; i < 16; i++) inbox.push(response(ROUTE_TYPE));
  assert.equal(inbox.full, true);
  inbox.clear();
  assert.equal(inbox.full, false);
});
