// Active health checks against node:http, node:http2 and grpc-js servers that change their minds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcHealthServer, HttpHealthServer, NOT_SERVING, SERVING } from '../../test/harness/health-server.ts';
import { TestClusters, eventually, loopback } from '../../test/harness/upstreams.ts';
import { ConfigError } from '../base/error.ts';
import type { LbEndpoint } from '../config/endpoint.ts';
import type { HealthCheck } from '../config/health-check.ts';
import { Headers } from '../http/headers.ts';
import { ResponseHead } from '../http/message.ts';
import { clusterScope, statName } from '../telemetry/stat-name.ts';

const OFTEN = '0.01s';
const HTTP: Partial<HealthCheck> = { httpHealthCheck: { path: '/health' } };

function healthCheck(changes: Partial<HealthCheck>): HealthCheck {
  return {
    timeout: '5s', interval: OFTEN, noTrafficInterval: OFTEN, unhealthyThreshold: 3, healthyThreshold: 2, ...changes,
  };
}

class Checked implements Disposable {
  readonly clusters = new TestClusters();

  constructor(ports: readonly (number | LbEndpoint)[], check: Partial<HealthCheck>) {
    this.clusters.apply(ports, { healthChecks: [healthCheck(check)] });
  }

  get #checks(): Record<string, number> {
    const names = ['attempt', 'success', 'failure', 'network_failure', 'verify_cluster'];
    return Object.fromEntries(names.map((name) => [name, this.stat(name)]));
  }

  stat(name: string): number {
    const key = statName(clusterScope('a'), `health_check.${name}`);
    return name === 'healthy' || name === 'degraded' ? this.clusters.stats.gauge(key).value
      : this.clusters.stats.counter(key).value;
  }

  /** Resolves when as many more checks are over. */
  async checks(count: number): Promise<Record<string, number>> {
    const before = this.stat('success') + this.stat('failure');
    await eventually(() => this.stat('success') + this.stat('failure') >= before + count);
    return this.#checks;
  }

  async healthy(count: number): Promise<void> {
    await eventually(() => this.clusters.set.warming().length === 0
      && this.clusters.stat('membership_healthy') === count);
  }

  [Symbol.dispose](): void {
    this.clusters.set.close();
  }
}

test('a cluster waits for its first checks, of which one success is enough (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  using checked = new Checked([server.port], { ...HTTP, healthyThreshold: 100 });
  assert.equal(checked.clusters.cluster.pick(undefined), 'queue');
  assert.deepEqual(checked.clusters.set.warming(), [{ name: 'a', missing: ['health checks'] }]);
  await checked.healthy(1);
  assert.equal(checked.stat('healthy'), 1);
  assert.equal(server.asked[0], 'GET /health 1.1 a Envoy/HC');
  await checked.checks(3);
  assert.equal(server.connections, 1);
});

test('an unexpected answer takes an endpoint out at once, and healthy_threshold in again (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  using checked = new Checked([server.port], { ...HTTP, unhealthyThreshold: 1000, healthyThreshold: 3 });
  await checked.healthy(1);
  server.status = 503;
  await checked.healthy(0);
  const { success } = await checked.checks(1);
  server.status = 200;
  await checked.healthy(1);
  assert.equal(checked.stat('success') - success!, 3);
});

test('retriable answers and failed connections count up to unhealthy_threshold (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  const http = { path: '/health', retriableStatuses: [{ start: 500, end: 600 }] };
  using checked = new Checked([server.port], { httpHealthCheck: http, unhealthyThreshold: 5 });
  await checked.healthy(1);
  server.status = 503;
  await checked.healthy(0);
  assert.equal(checked.stat('failure'), 5);
  server.status = 200;
  await checked.healthy(1);
  await server[Symbol.asyncDispose]();
  const failures = checked.stat('failure');
  await checked.healthy(0);
  assert.equal(checked.stat('failure') - failures, 5);
  assert.equal(checked.stat('network_failure'), 5);
});

test('F07 a server that never answers fails by timeout, and nothing is left over (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  server.status = 0;
  const checked = new Checked([server.port], { ...HTTP, timeout: '0.02s' });
  await checked.healthy(0);
  assert.equal(checked.stat('failure'), checked.stat('network_failure'));
  assert.equal(checked.clusters.stat('upstream_cx_total'), 0);
  checked.clusters.set.close();
  await eventually(() => server.sockets.size === 0);
  assert.equal(checked.clusters.timers.size, 0);
});

test('a connection that the server ended between two checks fails none (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  using checked = new Checked([server.port], HTTP);
  await checked.healthy(1);
  for (let i = 0; i < 5; i++) {
    server.hangUp();
    await checked.checks(2);
  }
  assert.equal(checked.stat('failure'), 0);
  assert.ok(server.connections > 3);
});

test('what is asked is as configured, and each check has a connection if asked (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  server.status = 404;
  server.fields = { 'x-envoy-upstream-healthchecked-cluster': 'reviews-v2' };
  const http = {
    path: '/up', host: 'up.example', method: 'HEAD' as const, expectedStatuses: [{ start: 404, end: 405 }],
    serviceNameMatcher: { prefix: 'reviews' }, requestHeadersToAdd: [{ header: { key: 'X-Token', value: '100%%' } }],
  };
  using checked = new Checked([server.port], { httpHealthCheck: http, reuseConnection: false });
  await checked.healthy(1);
  const { verify_cluster: verified, success } = await checked.checks(3);
  assert.equal(server.asked[0], 'HEAD /up 1.1 up.example Envoy/HC');
  assert.ok(server.connections >= 3);
  assert.equal(verified, success);
  server.fields = { 'x-envoy-upstream-healthchecked-cluster': 'ratings' };
  await checked.healthy(0);
});

test('x-envoy-degraded makes an endpoint degraded (node:http2)', async () => {
  await using server = await HttpHealthServer.start('http2');
  using checked = new Checked([server.port], { httpHealthCheck: { path: '/health', codecClientType: 'HTTP2' } });
  await checked.healthy(1);
  assert.equal(server.asked[0], 'GET /health 2.0 a Envoy/HC');
  server.fields = { 'x-envoy-degraded': '' };
  await eventually(() => checked.stat('degraded') === 1);
  assert.equal(checked.clusters.pick().health, 'degraded');
  server.fields = {};
  await checked.healthy(1);
  assert.equal(checked.stat('failure'), 0);
  assert.equal(server.connections, 1);
});

test('a response may take its endpoint out until its checks pass (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  const rarely = { interval: '60s', noTrafficInterval: '60s' };
  using checked = new Checked([server.port], { ...HTTP, ...rarely });
  await checked.healthy(1);
  const endpoint = checked.clusters.pick();
  endpoint.onResponseHead(new ResponseHead(200));
  assert.equal(checked.clusters.stat('membership_healthy'), 1);
  endpoint.onResponseHead(new ResponseHead(200, new Headers(['x-envoy-immediate-health-check-fail', 'true'])));
  assert.deepEqual([checked.clusters.stat('membership_healthy'), endpoint.excluded], [0, true]);
  assert.equal(checked.clusters.pick(), endpoint);
});

test('gRPC: SERVING alone is healthy, and the service is asked about by name (grpc-js)', async () => {
  await using server = await GrpcHealthServer.start();
  server.statuses.set('reviews.Reviews', SERVING);
  const initialMetadata = [{ header: { key: 'x-token', value: 'abc' } }];
  using checked = new Checked([server.port], {
    grpcHealthCheck: { serviceName: 'reviews.Reviews', authority: 'reviews.example', initialMetadata },
  });
  await checked.healthy(1);
  const { service, authority, 'x-token': token, 'user-agent': agent } = server.asked[0]!;
  assert.deepEqual([service, authority, token, agent], ['reviews.Reviews', 'reviews.example', 'abc', 'Envoy/HC']);
  for (const status of [NOT_SERVING, undefined, 0]) {
    if (status === undefined) server.statuses.delete('reviews.Reviews');
    else server.statuses.set('reviews.Reviews', status);
    await checked.healthy(0);
    server.statuses.set('reviews.Reviews', SERVING);
    await checked.healthy(1);
  }
  assert.equal(checked.stat('network_failure'), 0);
});

test('a server without the health service is unhealthy (node:http2)', async () => {
  await using server = await HttpHealthServer.start('http2');
  using checked = new Checked([server.port], { grpcHealthCheck: {} });
  await checked.checks(2);
  await checked.healthy(0);
  assert.equal(checked.stat('success'), 0);
});

test('TCP: a connection is enough; what is not checked is healthy (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  const unchecked: LbEndpoint = loopback(1, {
    endpoint: { ...loopback(1).endpoint, healthCheckConfig: { disableActiveHealthCheck: true } },
  });
  using checked = new Checked([server.port, 2, unchecked], { tcpHealthCheck: {} });
  await checked.healthy(2);
  assert.equal(server.asked.length, 0);
});

test('health_check_config says where an endpoint is checked, alt_port where all are (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  const elsewhere: LbEndpoint = loopback(1, {
    endpoint: { ...loopback(1).endpoint, healthCheckConfig: { portValue: server.port, hostname: 'one.example' } },
  });
  {
    using checked = new Checked([elsewhere], { httpHealthCheck: { path: '/', host: 'all.example' } });
    await checked.healthy(1);
  }
  using checked = new Checked([2], { httpHealthCheck: { path: '/', host: 'all.example' }, altPort: server.port });
  await checked.healthy(1);
  const names = new Set(server.asked.map((line) => line.split(' ')[3]));
  assert.deepEqual(names, new Set(['one.example', 'all.example']));
});

test('a later endpoint waits for its first check, and without healthy ones all are tried (node:http)', async () => {
  await using one = await HttpHealthServer.start();
  await using other = await HttpHealthServer.start();
  using checked = new Checked([one.port], HTTP);
  await checked.healthy(1);
  const changes = { healthChecks: [healthCheck(HTTP)] };
  checked.clusters.apply([one.port, other.port], changes);
  assert.equal(checked.clusters.stat('membership_healthy'), 1);
  await checked.healthy(2);
  one.status = other.status = 500;
  await checked.healthy(0);
  assert.notEqual(typeof checked.clusters.cluster.pick(undefined), 'string');
  assert.ok(checked.clusters.stat('lb_healthy_panic') > 0);
  checked.clusters.apply([one.port, other.port], { ...changes,
    commonLbConfig: { healthyPanicThreshold: { value: 0 } } });
  assert.equal(checked.clusters.cluster.pick(undefined), 'unavailable');
  checked.clusters.apply([one.port, other.port]);
  assert.equal(checked.clusters.stat('membership_healthy'), 2);
  const asked = one.asked.length;
  await eventually(() => checked.clusters.timers.size === 0);
  assert.equal(one.asked.length, asked);
});

test('F31 a check that passes ends an ejection, unless that is not wanted (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  for (const returns of [true, false]) {
    using checked = new Checked([server.port, 2], HTTP);
    checked.clusters.apply([server.port, 2], {
      healthChecks: [healthCheck(HTTP)], commonLbConfig: { healthyPanicThreshold: { value: 0 } },
      outlierDetection: { maxEjectionPercent: 100, successfulActiveHealthCheckUnejectHost: returns },
    });
    await checked.healthy(1);
    const own = `127.0.0.1:${server.port}`;
    const endpoint = [...checked.clusters.cluster.endpoints].find(({ address }) => address === own)!;
    for (let i = 0; i < 5; i++) endpoint.done(500);
    assert.equal(checked.clusters.cluster.pick(undefined), 'unavailable');
    if (returns) await checked.healthy(1);
    else await checked.checks(4);
    assert.equal(endpoint.outlier.ejected, !returns);
  }
});

test('F31 what checks and ejections leave out together may be panic, and then all are used (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  using checked = new Checked([server.port, 2], HTTP);
  checked.clusters.apply([server.port, 2], {
    healthChecks: [healthCheck(HTTP)],
    outlierDetection: { maxEjectionPercent: 100, successfulActiveHealthCheckUnejectHost: false },
  });
  await checked.healthy(1);
  // One of two is the threshold of 50 %: no panic yet.
  for (let i = 0; i < 20; i++) assert.equal(checked.clusters.pick().address, `127.0.0.1:${server.port}`);
  for (let i = 0; i < 5; i++) checked.clusters.pick().done(500);
  const picked = new Set(Array.from({ length: 20 }, () => checked.clusters.pick().address));
  assert.equal(picked.size, 2);
});

test('without traffic checks are rare (no_traffic_interval)', async () => {
  await using server = await HttpHealthServer.start();
  using checked = new Checked([server.port], { ...HTTP, noTrafficInterval: '60s' });
  await checked.healthy(1);
  assert.equal(checked.stat('attempt'), 1);
  checked.clusters.cluster.stats.counters.cxTotal.inc();
  assert.equal(checked.clusters.timers.size, 1);
});

test('fields that a check says itself, and operators, are refused with their place', () => {
  const add = (key: string, value: string) => () => new Checked([1], {
    httpHealthCheck: { path: '/', requestHeadersToAdd: [{ header: { key, value } }] },
  });
  const at = (field: string) => (error: unknown): boolean => error instanceof ConfigError
    && error.path === `healthChecks[0].httpHealthCheck.requestHeadersToAdd[0].header.${field}`;
  assert.throws(add('Host', 'x'), at('key'));
  assert.throws(add('x-a', '%PROTOCOL%'), at('value'));
});
