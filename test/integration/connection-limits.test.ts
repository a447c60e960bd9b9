// Limits of connections over several workers: node:net on many connections, each worker with some of them, one count.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { startNamed } from '../harness/named-server.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, staticCluster } from '../harness/weft.ts';

const PREFIX = 'type.googleapis.com/envoy.extensions.filters.network';
const LISTENER = {
  name: 'bytes', address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  filter_chains: [{ filters: [
    { name: 'limit', typed_config: { '@type': `${PREFIX}.connection_limit.v3.ConnectionLimit`, stat_prefix: 'few',
      max_connections: 5 } },
    { name: 'tcp', typed_config: { '@type': `${PREFIX}.tcp_proxy.v3.TcpProxy`, stat_prefix: 'to', cluster: 'bytes' } },
  ] }],
};

/** Opened one after the other; those that were let through stay open until the test ends. */
async function opened(t: TestContext, port: number, count: number): Promise<Socket[]> {
  const through: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect({ host: '127.0.0.1', port });
    t.after(() => socket.destroy());
    const hears = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => socket.write('hello'));
      socket.on('data', () => resolve(true));
      socket.on('error', () => undefined).on('close', () => resolve(false));
    });
    if (hears) through.push(socket);
  }
  return through;
}

test('node:net: two workers count connections together, and one that dies gives back what it had', async (t) => {
  const upstream = await startNamed(t, 'bytes');
  await using proxy = await TestProxy.start(bootstrapOf([LISTENER], [staticCluster('bytes', [upstream])]),
    { concurrency: 2 });
  const held = await opened(t, proxy.port('bytes'), 20);
  assert.equal(held.length, 5);
  await until('the count', () => proxy.stat('connection_limit.few.active_connections') === 5);
  assert.equal(proxy.stat('connection_limit.few.limited_connections'), 15);
  held[0]?.destroy();
  await until('its place', () => proxy.stat('connection_limit.few.active_connections') === 4);
  assert.equal((await opened(t, proxy.port('bytes'), 5)).length, 1);
  const { supervisor } = proxy.running;
  await Promise.all([0, 1].map((index) => supervisor.pool.killWorker(index)));
  await until('both workers listen again', () => proxy.stat('server.worker_deaths') === 2
    && supervisor.pool.size === 2 && supervisor.listening('bytes') === 2);
  assert.equal((await opened(t, proxy.port('bytes'), 10)).length, 5);
});
