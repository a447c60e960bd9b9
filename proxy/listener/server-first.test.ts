// What is remembered of servers that speak first: bounded in number and in time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../config/limits.ts';
import { Stats } from '../telemetry/stats.ts';
import type { ConnectionFacts } from './connection-facts.ts';
import { ServerFirstMemory } from './server-first.ts';

const to = (destinationPort: number): ConnectionFacts => ({
  destinationIp: '10.0.0.1', destinationPort, redirected: true, sourceIp: '10.0.0.2', sourcePort: 1,
  serverName: undefined, transportProtocol: 'raw_buffer', alpn: [], directIp: '10.0.0.2', directPort: 1,
  proxied: undefined,
});

test('destinations are forgotten after a while, and the oldest for one too many', () => {
  let now = 0;
  const clock: Clock = { nowMs: () => now, wallMs: () => 0 };
  const memory = new ServerFirstMemory(clock, new Stats({ chunk: () => {}, register: () => {} }));
  assert.equal(memory.knows(to(1)), false);
  memory.learn(to(1));
  assert.equal(memory.knows(to(1)), true);
  assert.equal(memory.knows(to(2)), false);
  now += LIMITS.serverFirstMemoryMs;
  assert.equal(memory.knows(to(1)), false);
  for (let port = 1; port <= LIMITS.serverFirstDestinationsMax; port++) memory.learn(to(port));
  memory.learn(to(1));
  memory.learn(to(60_000));
  assert.deepEqual([1, 2, 3, 60_000].map((port) => memory.knows(to(port))), [true, false, true, true]);
});
