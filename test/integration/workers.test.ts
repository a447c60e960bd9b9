// Two workers on one address: the kernel spreads connections, and each worker carries about half of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EchoServer } from '../harness/echo-server.ts';
import { askSteadily } from '../harness/new-connections.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const CONNECTIONS = 2500;
/** Of the half that is each one's: ten standard deviations of a fair coin. */
const UNEVEN_MAX = 0.2;
const AT_ONCE = 32;

void test('two workers share the connections of node:http evenly, and their figures say so', async () => {
  await using upstream = await EchoServer.start('app');
  const listener = { ...(httpListener([routeTo('app')]) as object), stat_prefix: 'in' };
  const bootstrap = bootstrapOf([listener], [staticCluster('app', [upstream.port])]);
  await using proxy = await TestProxy.start(bootstrap, { concurrency: 2 });
  await askSteadily(proxy.port(), CONNECTIONS, AT_ONCE);
  const shares = [0, 1].map((worker) => proxy.stat(`listener.in.worker_${worker}.downstream_cx_total`));
  assert.equal(shares[0]! + shares[1]!, CONNECTIONS);
  assert.equal(proxy.stat('listener.in.downstream_cx_total'), CONNECTIONS);
  const half = CONNECTIONS / 2;
  assert.ok(Math.abs(shares[0]! - half) < half * UNEVEN_MAX, `workers took ${shares.join(' and ')} connections`);
  await until('no connection is open', () =>
    [0, 1].every((worker) => proxy.stat(`listener.in.worker_${worker}.downstream_cx_active`) === 0));
});
