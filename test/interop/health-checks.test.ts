// Active health checks by weft and by a real Envoy: the same servers are taken out and in again, and counted alike.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcHealthServer, HttpHealthServer, NOT_SERVING, SERVING } from '../harness/health-server.ts';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const TIMES = {
  timeout: '2s', interval: '0.05s', no_traffic_interval: '0.05s', unhealthy_threshold: 3, healthy_threshold: 2,
};

/** Envoy checks by gRPC only clusters that speak HTTP/2. */
function grpcCluster(name: string, port: number, check: object): unknown {
  return { ...http2Cluster(name, port) as object, health_checks: [{ ...TIMES, grpc_health_check: check }] };
}

function cluster(name: string, ports: readonly number[], check: object): unknown {
  return staticCluster(name, ports, { health_checks: [{ ...TIMES, ...check }],
    common_lb_config: { healthy_panic_threshold: { value: 0 } } });
}

async function healthy(proxy: ProxyProcess, name: string, count: number): Promise<void> {
  await until(`${name} has ${count}`, async () => (await proxy.stat(`cluster.${name}.membership_healthy`)) === count);
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} checks the health of servers (node:http, node:http2, grpc-js)`, { skip }, async (t) => {
    await using one = await HttpHealthServer.start();
    await using other = await HttpHealthServer.start();
    await using second = await HttpHealthServer.start('http2');
    await using calls = await GrpcHealthServer.start();
    calls.statuses.set('reviews.Reviews', SERVING);
    const http = { path: '/health', retriable_statuses: [{ start: 500, end: 600 }] };
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([httpListener([routeTo('web')])], [
      cluster('web', [one.port, other.port], { http_health_check: { path: '/health' } }),
      cluster('retried', [one.port], { http_health_check: http }),
      cluster('second', [second.port], { http_health_check: { path: '/health', codec_client_type: 'HTTP2' } }),
      grpcCluster('calls', calls.port, { service_name: 'reviews.Reviews', authority: 'a.example' }),
      grpcCluster('unknown', calls.port, { service_name: 'nobody' }),
      cluster('tcp', [one.port], { tcp_health_check: {} }),
    ]));
    const count = (name: string, stat: string): Promise<number> => proxy.stat(`cluster.${name}.health_check.${stat}`);
    const flags = async (name: string, port: number): Promise<string> => {
      const text = await proxy.clusters();
      return new RegExp(`^${name}::127.0.0.1:${port}::health_flags::(.*)$`, 'm').exec(text)![1]!;
    };

    await t.test('what is asked', async () => {
      for (const [name, number] of [['web', 2], ['second', 1], ['calls', 1], ['unknown', 0], ['tcp', 1]] as const) {
        await healthy(proxy, name, number);
      }
      assert.equal(other.asked[0], 'GET /health 1.1 web Envoy/HC');
      assert.equal(second.asked[0], 'GET /health 2.0 second Envoy/HC');
      const { service, authority, 'user-agent': agent } = calls.asked.find((fields) => fields['service'] !== 'nobody')!;
      assert.deepEqual([service, authority, agent], ['reviews.Reviews', 'a.example', 'Envoy/HC']);
      assert.equal(await flags('unknown', calls.port), '/failed_active_hc');
    });

    await t.test('a server that answers 503 gets no requests, from its first such answer on', async () => {
      one.status = 503;
      await healthy(proxy, 'web', 1);
      const found = [await flags('web', one.port), await flags('web', other.port)];
      assert.deepEqual(found, ['/failed_active_hc', 'healthy']);
      for (let i = 0; i < 20; i++) {
        const { status } = await fetch(`http://127.0.0.1:${proxy.port('http')}/`);
        assert.equal(status, 200);
      }
      await healthy(proxy, 'retried', 0);
      assert.ok(await count('retried', 'failure') >= 3);
      one.status = 200;
      await healthy(proxy, 'web', 2);
      await healthy(proxy, 'retried', 1);
      assert.equal(await count('web', 'network_failure'), 0);
    });

    await t.test('gRPC\'s NOT_SERVING, and SERVING again', async () => {
      const failures = await count('calls', 'failure');
      calls.statuses.set('reviews.Reviews', NOT_SERVING);
      await healthy(proxy, 'calls', 0);
      assert.ok(await count('calls', 'failure') > failures);
      calls.statuses.set('reviews.Reviews', SERVING);
      await healthy(proxy, 'calls', 1);
      assert.equal(await count('calls', 'network_failure'), 0);
    });

    await t.test('a server that is gone', async () => {
      await other[Symbol.asyncDispose]();
      await healthy(proxy, 'web', 1);
      assert.ok(await count('web', 'network_failure') >= 3);
    });
  });
}
