// The cluster set: what an update keeps, what it refuses, and what waits for what.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClusters, loopback, staticCluster } from '../../test/harness/upstreams.ts';
import { SharedCounts } from '../base/shared-counts.ts';
import { ConfigError } from '../base/error.ts';
import type { Cluster as ClusterConfig } from '../config/cluster.ts';
import type { ClusterLoadAssignment } from '../config/endpoint.ts';

const clusters = (): TestClusters => new TestClusters();
const EDS: ClusterConfig = { name: 'a', type: 'EDS', edsClusterConfig: { edsConfig: { ads: {} }, serviceName: 'svc' } };

function assignment(clusterName: string, ...ports: number[]): ClusterLoadAssignment {
  return { clusterName, endpoints: [{ lbEndpoints: ports.map((port) => loopback(port)) }] };
}

function named(address: string): ClusterLoadAssignment {
  const endpoint = { address: { socketAddress: { address, portValue: 1 } } };
  return { clusterName: 'a', endpoints: [{ lbEndpoints: [{ endpoint }] }] };
}

function addresses(worker: TestClusters): string[] {
  return [...worker.cluster.endpoints].map(({ address }) => address);
}

test('F24 an EDS cluster waits for its endpoints, and an empty answer is one', () => {
  const worker = clusters();
  worker.set.apply({ config: EDS });
  assert.equal(worker.cluster.pick(undefined), 'queue');
  assert.deepEqual(worker.set.warming(), [{ name: 'a', missing: ['endpoints svc'] }]);
  worker.set.applyAssignment(assignment('svc', 1));
  assert.equal(worker.pick().address, '127.0.0.1:1');
  worker.set.applyAssignment({ clusterName: 'svc' });
  assert.equal(worker.cluster.pick(undefined), 'unavailable');
  assert.equal(worker.stat('upstream_cx_none_healthy'), 1);
});

test('F12 the endpoint of a logical cluster moves: what is known of it stays, and new connections go elsewhere', () => {
  const worker = clusters();
  worker.set.apply({ config: { name: 'a', type: 'LOGICAL_DNS', loadAssignment: named('a.example') } });
  assert.equal(worker.cluster.pick(undefined), 'queue');
  worker.set.applyAssignment(assignment('a', 1));
  const endpoint = worker.pick();
  worker.set.applyAssignment(assignment('a', 2));
  assert.equal(worker.pick(), endpoint);
  assert.deepEqual(addresses(worker), ['127.0.0.1:2']);
  const { memory } = endpoint.routeFor({ sni: undefined, required: undefined });
  assert.deepEqual(memory.target, { host: '127.0.0.1', port: 2 });
  assert.equal(worker.stat('membership_total'), 1);
});

test('F24 endpoints that come before their cluster are kept for it', () => {
  const worker = clusters();
  worker.set.applyAssignment(assignment('svc', 7));
  worker.set.apply({ config: EDS });
  assert.equal(worker.pick().address, '127.0.0.1:7');
  worker.set.remove('a');
  assert.equal(worker.set.get('a'), undefined);
  worker.set.apply({ config: EDS });
  assert.equal(worker.pick().address, '127.0.0.1:7');
});

test('endpoints of clusters that never come are bounded, those in use stay', () => {
  const worker = clusters();
  worker.set.applyAssignment(assignment('svc', 7));
  worker.set.apply({ config: EDS });
  for (let i = 0; i < 2000; i++) worker.set.applyAssignment(assignment(`other-${i}`, 1));
  worker.set.remove('a');
  worker.set.apply({ config: EDS });
  assert.equal(worker.pick().address, '127.0.0.1:7');
  const edsClusterConfig = { edsConfig: { ads: {} }, serviceName: 'other-0' };
  worker.set.apply({ config: { ...EDS, name: 'early', edsClusterConfig } });
  assert.equal(worker.set.get('early')!.pick(undefined), 'queue');
});

test('an endpoint that stays is the same object, with its figures and its new facts', () => {
  const worker = clusters();
  worker.set.apply({ config: EDS });
  worker.set.applyAssignment(assignment('svc', 1, 2));
  const [first] = worker.cluster.endpoints;
  first!.requestStarted();
  const heavier = loopback(1, { loadBalancingWeight: 9, metadata: { filterMetadata: { istio: { workload: 'w' } } } });
  worker.set.applyAssignment({ clusterName: 'svc', endpoints: [{ lbEndpoints: [heavier, loopback(3)] }] });
  const [same] = worker.cluster.endpoints;
  assert.equal(same, first);
  assert.deepEqual([same!.activeRequests, same!.weight, same!.workload], [1, 9, 'w']);
  assert.deepEqual(addresses(worker), ['127.0.0.1:1', '127.0.0.1:3']);
  assert.equal(worker.stat('membership_change'), 2);
  assert.equal(worker.stat('membership_total'), 2);
});

test('a changed cluster keeps its object, its endpoints and its counts', () => {
  const worker = clusters();
  worker.apply([1]);
  const { cluster } = worker;
  const endpoint = worker.pick();
  cluster.breaker.tryRetry();
  worker.apply([1, 2], { lbPolicy: 'RANDOM', circuitBreakers: { thresholds: [{ maxRetries: 1 }] } });
  assert.equal(worker.cluster, cluster);
  assert.ok([...cluster.endpoints].includes(endpoint));
  assert.equal(cluster.breaker.tryRetry(), false);
});

test('S103 F03 a refused update names the field and changes nothing', () => {
  const worker = clusters();
  worker.apply([1]);
  const bad = loopback(2, { endpoint: { address: { socketAddress: { address: 'reviews', portValue: 80 } } } });
  assert.throws(() => worker.apply([3, bad], { lbPolicy: 'RANDOM' }), new ConfigError(
    'loadAssignment.endpoints[0].lbEndpoints[1].endpoint.address.socketAddress.address',
    "'reviews' is not an IP address",
    'cluster a',
  ));
  assert.deepEqual(addresses(worker), ['127.0.0.1:1']);
  const tls = {
    name: 'tls',
    typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext' as const,
      commonTlsContext: { validationContext: { trustedCa: { inlineString: 'no' } } },
    },
  };
  assert.throws(() => worker.apply([3], { transportSocket: tls }),
    /cluster a: transportSocket\.typedConfig\.commonTlsContext\.validationContext\.trustedCa: holds no PEM/);
  assert.deepEqual(addresses(worker), ['127.0.0.1:1']);
  const endpoints = [{ lbEndpoints: [bad] }];
  assert.throws(() => worker.set.applyAssignment({ clusterName: 'svc', endpoints }), ConfigError);
});

test('a DNS cluster waits for the resolver unless its addresses are addresses already', () => {
  const worker = clusters();
  const named = loopback(80, { endpoint: { address: { socketAddress: { address: 'localhost', portValue: 80 } } } });
  worker.apply([named], { type: 'STRICT_DNS' });
  assert.equal(worker.cluster.pick(undefined), 'queue');
  worker.set.applyAssignment(assignment('a', 80));
  assert.equal(worker.pick().address, '127.0.0.1:80');
  worker.apply([81], { type: 'STRICT_DNS' });
  assert.equal(worker.pick().address, '127.0.0.1:81');
});

test('a STATIC cluster takes no endpoints from elsewhere', () => {
  const worker = clusters();
  worker.apply([1]);
  worker.set.applyAssignment(assignment('a', 2));
  assert.deepEqual(addresses(worker), ['127.0.0.1:1']);
});

test('health: unhealthy, draining and timed-out endpoints are left out while enough are healthy', () => {
  const worker = clusters();
  const statuses = ['HEALTHY', 'UNHEALTHY', 'UNKNOWN', 'DRAINING', 'HEALTHY', 'TIMEOUT', 'HEALTHY', 'HEALTHY'] as const;
  worker.apply(statuses.map((healthStatus, i) => loopback(i + 1, { healthStatus })));
  const picked = new Set(Array.from({ length: 20 }, () => worker.pick().address));
  assert.deepEqual(picked, new Set([1, 3, 5, 7, 8].map((port) => `127.0.0.1:${port}`)));
  assert.equal(worker.stat('membership_healthy'), 5);
  worker.apply([1, 2, 3].map((port) => loopback(port, { healthStatus: 'UNHEALTHY' })));
  assert.equal(new Set(Array.from({ length: 9 }, () => worker.pick().address)).size, 3);
  worker.apply([loopback(1, { healthStatus: 'UNHEALTHY' })], { commonLbConfig: { healthyPanicThreshold: {} } });
  assert.equal(worker.cluster.pick(undefined), 'unavailable');
});

test('priorities: the second gets what the first cannot carry', () => {
  const worker = clusters();
  const first = { priority: 0, lbEndpoints: [loopback(1, { healthStatus: 'UNHEALTHY' })] };
  const second = { priority: 1, lbEndpoints: [loopback(2)] };
  const loadAssignment = { clusterName: 'a', endpoints: [second, first] };
  worker.set.apply({ config: { ...staticCluster([]), loadAssignment } });
  for (let i = 0; i < 10; i++) assert.equal(worker.pick().address, '127.0.0.1:2');
});

test('an address that comes twice counts once', () => {
  const worker = clusters();
  worker.apply([1, 1, 2]);
  assert.deepEqual(addresses(worker), ['127.0.0.1:1', '127.0.0.1:2']);
});

test("S90 metadata keys named like an object's own parts are only keys", () => {
  const worker = clusters();
  const text = '{"__proto__": {"workload": "x"}, "constructor": {"workload": "x"}}';
  const filterMetadata = JSON.parse(text) as Record<string, Record<string, unknown>>;
  worker.apply([loopback(1, { metadata: { filterMetadata } })]);
  assert.equal(worker.pick().workload, undefined);
  assert.equal(worker.pick().facts.transportMatch, undefined);
});

test('limits hold over the workers that share a slot, and not without one', () => {
  const counts = new SharedCounts(new SharedArrayBuffer(SharedCounts.bytesFor(4, 2)), 2);
  const worker = (thread: number): TestClusters => new TestClusters(undefined, { counts, thread });
  const config = staticCluster([1], { circuitBreakers: { thresholds: [{ maxRetries: 1 }] } });
  const [a, b] = [worker(0), worker(1)];
  for (const each of [a, b]) each.set.apply({ config, breakerSlot: 3 });
  assert.deepEqual([a.cluster.breaker.tryRetry(), b.cluster.breaker.tryRetry()], [true, false]);
  for (const each of [a, b]) each.set.apply({ config: { ...config, name: 'alone' } });
  for (const each of [a, b]) assert.equal(each.set.get('alone')!.breaker.tryRetry(), true);
});

test('stats go by alt_stat_name, and count responses and retries', () => {
  const worker = clusters();
  worker.apply([1], { altStatName: 'reviews' });
  worker.cluster.countResponse(503, 12);
  worker.cluster.countRetry('retry');
  worker.cluster.countRetry('overflow');
  const value = (name: string): number => (
    worker.stats.counter({ flat: `cluster.reviews.${name}`, family: '', labels: [] }).value
  );
  for (const name of ['upstream_rq_503', 'upstream_rq_5xx', 'upstream_rq_completed', 'upstream_rq_retry',
    'upstream_rq_retry_overflow']) assert.equal(value(name), 1, name);
});
