// Rate limits over several workers: undici on many connections, each worker with some of them, and one bucket for all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, request } from 'undici';
import { EchoServer } from '../harness/echo-server.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const ALWAYS = { default_value: { numerator: 100 } };

function limit(tokens: number): unknown {
  return { name: 'limit', typed_config: { '@type': TYPE, stat_prefix: 'limit', filter_enabled: ALWAYS,
    filter_enforced: ALWAYS, token_bucket: { max_tokens: tokens, fill_interval: '3600s' } } };
}

/** How many of the requests, each on a connection of its own, passed. */
async function passed(port: number, count: number): Promise<number> {
  const statuses = await Promise.all(Array.from({ length: count }, async () => {
    const agent = new Agent();
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, { dispatcher: agent });
    await body.dump();
    await agent.close();
    return statusCode;
  }));
  return statuses.filter((status) => status === 200).length;
}

test('undici: two workers take from one bucket, and one that replaces another goes on with it', async () => {
  await using upstream = await EchoServer.start('service');
  const listener = httpListener([routeTo('service')], { http_filters: [limit(25)] });
  const bootstrap = bootstrapOf([listener], [staticCluster('service', [upstream.port])]);
  await using proxy = await TestProxy.start(bootstrap, { concurrency: 2 });
  assert.equal(await passed(proxy.port(), 20), 20);
  assert.equal(await passed(proxy.port(), 20), 5);
  const { supervisor } = proxy.running;
  await Promise.all([0, 1].map((index) => supervisor.pool.killWorker(index)));
  await until('both workers listen again', () => proxy.stat('server.worker_deaths') === 2
    && supervisor.pool.size === 2 && supervisor.listening('http') === 2);
  assert.equal(await passed(proxy.port(), 10), 0);
  assert.equal(proxy.stat('limit.http_local_rate_limit.enforced'), 25);
});
