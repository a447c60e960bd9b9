// What is told of the use of hosts: each that a stream began at, goes on at, or ended at since the last time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { TimerWheel } from '../base/timers.ts';
import { HostUses } from './host-use.ts';

test('hosts are told of while streams go on and once after; then nothing is', () => {
  const clock = new ManualClock();
  const wheel = new TimerWheel(clock);
  const told: string[] = [];
  const uses = new HostUses(wheel, (table, hosts) => told.push(`${table}: ${hosts.join(' ')}`));
  const pass = (): string[] => {
    clock.advance(2010);
    wheel.advance();
    return told.splice(0);
  };
  uses.begin('t', 'short');
  uses.begin('t', 'short');
  uses.begin('t', 'long');
  uses.end('t', 'short');
  uses.end('t', 'short');
  assert.deepEqual(pass(), ['t: short long']);
  assert.deepEqual(pass(), ['t: long']);
  assert.deepEqual(pass(), ['t: long']);
  uses.end('t', 'long');
  assert.deepEqual(pass(), ['t: long']);
  assert.deepEqual(pass(), []);
});
