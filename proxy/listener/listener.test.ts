// What a listener holds of connections that are no further than their first bytes: they count among its connections.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { until } from '../../test/harness/until.ts';
import { systemClock } from '../base/clock.ts';
import { TimerWheel } from '../base/timers.ts';
import { ListenerStats } from '../telemetry/listener-stats.ts';
import { listenerScope } from '../telemetry/stat-name.ts';
import { Stats } from '../telemetry/stats.ts';
import { Listener } from './listener.ts';

test('S84 S54 connections that say nothing take places, and give them back', async () => {
  const stats = new ListenerStats(new Stats({ chunk: () => {}, register: () => {} }), listenerScope('l'), 0);
  const listener = new Listener({
    name: 'l', inbound: false, host: '127.0.0.1', port: 0, ipv6Only: false, binds: true, handsOn: false,
    findOriginal: undefined, matchers: [], defaultChain: undefined, served: new Map(), backlog: 16,
    inspects: { tls: true, http: false }, inspectTimeoutMs: 0, continueOnInspectTimeout: false,
    connectionsMax: 2, stats,
  }, {
    clock: systemClock, timers: new TimerWheel(systemClock), reusePort: false, nextConnectionId: () => 1,
    onHandshakeFailure: () => {},
  }, () => undefined);
  const port = await listener.listen();
  const open = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1').on('error', () => {}).resume();
    await once(socket, 'connect');
    return socket;
  };
  const held = [await open(), await open()];
  await until('both are accepted', () => stats.connectionsTotal.value === 2);
  await once(await open(), 'close');
  assert.equal(stats.connectionOverflow.value, 1);
  held.pop()!.destroy();
  const next = await open();
  await until('the next one is accepted', () => stats.connectionsTotal.value === 4);
  assert.equal(stats.connectionOverflow.value, 1);
  for (const socket of [...held, next]) socket.destroy();
  listener.stop();
});
