// Requests of priority HIGH have circuit breakers and connections of their own, through weft as through a real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EchoServer } from '../harness/echo-server.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawAnswer } from '../harness/raw-client.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';

const retry = { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s' } };
const ROUTES = [
  { match: { prefix: '/host/high' }, route: { cluster: 'b', priority: 'HIGH' } },
  { match: { prefix: '/host' }, route: { cluster: 'b' } },
  { match: { prefix: '/high' }, route: { cluster: 'a', priority: 'HIGH', retry_policy: retry } },
  { match: { prefix: '/' }, route: { cluster: 'a', retry_policy: retry } },
];
const PER_HOST = [{ max_connections: 2 }, { priority: 'HIGH', max_connections: 3 }];
const THRESHOLDS = [
  { priority: 'HIGH', max_requests: 2, max_retries: 0, track_remaining: true },
  { priority: 'DEFAULT', max_requests: 1, max_retries: 1, track_remaining: true },
];
const NAMES = ['cx_open', 'rq_pending_open', 'rq_open', 'remaining_cx', 'remaining_pending', 'remaining_rq',
  'remaining_retries'];

class Fixture {
  readonly #proxy: ProxyProcess;

  constructor(proxy: ProxyProcess) {
    this.#proxy = proxy;
  }

  ask(path: string, fields: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
    return exchange(this.#proxy.port('http'), requestText({ path, headers: Object.entries(fields) }));
  }

  /** A gauge that is not there yet has not been open yet. */
  async gauges(priority: 'default' | 'high'): Promise<Record<string, number>> {
    const read = async (name: string) =>
      [name, await this.#proxy.stat(`cluster.a.circuit_breakers.${priority}.${name}`).catch(() => 0)] as const;
    return Object.fromEntries(await Promise.all(NAMES.map(read)));
  }
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} limits requests by the priority of their route (node:http)`, { skip }, async (t) => {
    await using upstream = await EchoServer.start('a');
    const clusters = [staticCluster('a', [upstream.port], { circuit_breakers: { thresholds: THRESHOLDS } })];
    clusters.push(staticCluster('b', [upstream.port], { circuit_breakers: { per_host_thresholds: PER_HOST } }));
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([httpListener(ROUTES)], clusters));
    const fixture = new Fixture(proxy);
    const idle = { cx_open: 0, rq_pending_open: 0, rq_open: 0, remaining_cx: 1024, remaining_pending: 1024 };

    await t.test('what is open and what remains, before anything', async () => {
      assert.deepEqual(await fixture.gauges('default'), { ...idle, remaining_rq: 1, remaining_retries: 1 });
      assert.deepEqual(await fixture.gauges('high'), { ...idle, remaining_rq: 2, remaining_retries: 0 });
    });

    await t.test('each priority overflows by itself', async () => {
      const seen = upstream.requests;
      const held = [fixture.ask('/', { 'x-delay-ms': '1500' }), fixture.ask('/high', { 'x-delay-ms': '1500' })];
      await until('both wait', () => upstream.requests === seen + 2);
      assert.equal((await fixture.gauges('default'))['rq_open'], 1);
      assert.equal((await fixture.gauges('high'))['rq_open'], 0);
      const [over, within] = [await fixture.ask('/'), await fixture.ask('/high')];
      assert.deepEqual([over.status, within.status], [503, 200]);
      assert.match(over.body, /^upstream connect error.*: overflow$/);
      assert.equal((await fixture.gauges('high'))['remaining_rq'], 1);
      for (const answer of await Promise.all(held)) assert.equal(answer.status, 200);
    });

    await t.test('a connection serves one priority', async () => {
      const connections = await proxy.stat('cluster.a.upstream_cx_total');
      const ours = 1024 - (await fixture.gauges('default'))['remaining_cx']!;
      const high = 1024 - (await fixture.gauges('high'))['remaining_cx']!;
      assert.ok(ours > 0 && high > 0);
      assert.equal(connections, ours + high);
    });

    await t.test('each priority has its own retries', async () => {
      const failing = (key: string) => ({ 'x-fail-times': '1', 'x-request-key': key });
      assert.equal((await fixture.ask('/', failing('one'))).status, 200);
      assert.equal((await fixture.ask('/high', failing('two'))).status, 503);
      assert.equal(await proxy.stat('cluster.a.upstream_rq_retry_overflow'), 1);
    });

    await t.test('an endpoint has so many connections of a priority, whoever has them, but one each', async () => {
      const total = (): Promise<number> => proxy.stat('cluster.b.upstream_cx_total');
      const held = { 'x-delay-ms': '1000' };
      const seen = upstream.requests;
      const first = [fixture.ask('/host', held), fixture.ask('/host/high', held), fixture.ask('/host/high', held)];
      await until('three wait at the server', () => upstream.requests === seen + 3);
      assert.equal(await proxy.stat('cluster.b.upstream_cx_overflow'), 0);
      const [more, high] = [fixture.ask('/host'), fixture.ask('/host/high')];
      await until('both are refused a connection', async () =>
        (await proxy.stat('cluster.b.upstream_rq_pending_active')) === 2);
      for (const answer of await Promise.all([...first, more, high])) assert.equal(answer.status, 200);
      assert.deepEqual([await total(), await proxy.stat('cluster.b.upstream_cx_overflow')], [3, 2]);
    });
  });
}
