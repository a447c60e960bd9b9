// Retries as responses ask for them, and how many a failing service gets, through the whole proxy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { serve } from '../harness/http-service.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

/** A retry that nobody waits for, unless a response says how long. */
const NEVER = '100000s';

test('a retry comes when the response says, not after the back-off (undici, node:http)', async () => {
  let calls = 0;
  await using upstream = await serve((_, outgoing) => {
    outgoing.writeHead(calls++ === 0 ? 429 : 200, { 'x-reset': '0' }).end();
  });
  const retry = {
    retry_on: 'retriable-status-codes', retriable_status_codes: [429],
    retry_back_off: { base_interval: NEVER, max_interval: NEVER },
    rate_limited_retry_back_off: { reset_headers: [{ name: 'x-reset', format: 'SECONDS' }] },
  };
  const listener = httpListener([routeTo('app', { retry_policy: retry, timeout: '0s' })]);
  await using proxy = await TestProxy.start(bootstrapOf([listener], [staticCluster('app', [upstream.port])]));
  const response = await request(`http://127.0.0.1:${proxy.port()}/`);
  await response.body.dump();
  assert.deepEqual([response.statusCode, calls], [200, 2]);
});

test('S83 a service that fails gets no storm of retries: the budget holds (undici, node:http)', async () => {
  let calls = 0;
  await using upstream = await serve((_, outgoing) => {
    calls++;
    outgoing.writeHead(503).end();
  });
  const retry = { retry_on: '5xx', num_retries: 5, retry_back_off: { base_interval: '0.050s' } };
  const thresholds = [{ retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 3 } }];
  const cluster = staticCluster('app', [upstream.port], { circuit_breakers: { thresholds } });
  const listener = httpListener([routeTo('app', { retry_policy: retry })]);
  await using proxy = await TestProxy.start(bootstrapOf([listener], [cluster]));
  const requests = 100;
  await Promise.all(Array.from({ length: requests }, async () => {
    const response = await request(`http://127.0.0.1:${proxy.port()}/`);
    assert.equal(response.statusCode, 503);
    await response.body.dump();
  }));
  const retries = proxy.stat('cluster.app.upstream_rq_retry');
  assert.equal(calls, requests + retries);
  assert.ok(proxy.stat('cluster.app.upstream_rq_retry_overflow') > 0);
  // About a fifth of the requests, five times each; without the budget all of them.
  assert.ok(retries < (requests * 5) / 2, `${retries} retries`);
});

test('TCP connections of one address go to one server of a hashed cluster (undici, node:http)', async () => {
  await using a = await serve((_, outgoing) => void outgoing.end('a'));
  await using b = await serve((_, outgoing) => void outgoing.end('b'));
  await using c = await serve((_, outgoing) => void outgoing.end('c'));
  const filter = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
    stat_prefix: 'tcp', cluster: 'app', hash_policy: [{ source_ip: {} }],
  };
  const listener = {
    name: 'http', address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'tcp', typed_config: filter }] }],
  };
  const cluster = staticCluster('app', [a.port, b.port, c.port], { lb_policy: 'MAGLEV' });
  await using proxy = await TestProxy.start(bootstrapOf([listener], [cluster]));
  const answers = new Set<string>();
  for (let i = 0; i < 12; i++) {
    const response = await request(`http://127.0.0.1:${proxy.port()}/`, { reset: true });
    answers.add(await response.body.text());
  }
  assert.equal(answers.size, 1);
});

test('peak EWMA: a server that answers late gets next to nothing, though no request waits (undici)', async () => {
  const counts = { late: 0, prompt: 0 };
  await using late = await serve((_, outgoing) => {
    counts.late++;
    setTimeout(() => outgoing.end(), 100);
  });
  await using prompt = await serve((_, outgoing) => {
    counts.prompt++;
    outgoing.end();
  });
  const type = 'type.googleapis.com/envoy.extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma';
  const policies = [{ typed_extension_config: { name: 'peak', typed_config: { '@type': type } } }];
  const cluster = staticCluster('app', [late.port, prompt.port], { load_balancing_policy: { policies } });
  await using proxy = await TestProxy.start(bootstrapOf([httpListener([routeTo('app')])], [cluster]));
  for (let i = 0; i < 60; i++) await (await request(`http://127.0.0.1:${proxy.port()}/`)).body.dump();
  assert.ok(counts.late <= 3, JSON.stringify(counts));
  assert.equal(counts.late + counts.prompt, 60);
});
