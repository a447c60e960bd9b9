// Requests that wait for their host: one question for all of them, and so many of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { TimerWheel } from '../base/timers.ts';
import { HostLink, HOST_WAITS_MAX } from './host-link.ts';
import { HostUses } from './host-use.ts';

const uses = (): HostUses => new HostUses(new TimerWheel(new ManualClock()), () => undefined);

test('all that wait for one host are one question, and all are told', () => {
  const sent: string[] = [];
  const told: string[] = [];
  const link = new HostLink((table, authority) => sent.push(`${table}/${authority}`), uses());
  for (let i = 0; i < 3; i++) assert.equal(link.ask('r', 'a.test', (answer) => told.push(answer)), true);
  link.answer('r', 'a.test', 'known');
  assert.deepEqual([sent, told], [['r/a.test'], ['known', 'known', 'known']]);
  assert.equal(link.ask('r', 'a.test', () => undefined), true);
  assert.equal(sent.length, 2);
});

test('so many requests wait and no more, and names are no longer than names are', () => {
  const link = new HostLink(() => undefined, uses());
  assert.equal(link.ask('r', 'a'.repeat(300), () => undefined), false);
  for (let i = 0; i < HOST_WAITS_MAX; i++) assert.equal(link.ask('r', `${i}.test`, () => undefined), true);
  assert.equal(link.ask('r', 'more.test', () => undefined), false);
  link.answer('r', '0.test', 'late');
  assert.equal(link.ask('r', 'more.test', () => undefined), true);
});
