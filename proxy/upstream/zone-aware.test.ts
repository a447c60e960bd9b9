// Zone-aware clusters: they follow the local cluster, and in panic do as they are told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClusters, loopback } from '../../test/harness/upstreams.ts';
import type { Cluster } from '../config/cluster.ts';
import type { ClusterLoadAssignment } from '../config/endpoint.ts';

const EDS = { type: 'EDS', edsClusterConfig: { edsConfig: { ads: {} } } } as const;

function fixture(): TestClusters {
  return new TestClusters(undefined, undefined, { cluster: 'proxies', locality: '/here/' });
}

/** Ports by zone; those below 0 are unhealthy. */
function assignment(clusterName: string, zones: Readonly<Record<string, readonly number[]>>): ClusterLoadAssignment {
  const endpoints = Object.entries(zones).map(([zone, ports]) => ({
    locality: { zone },
    lbEndpoints: ports.map((port) => loopback(Math.abs(port), port < 0 ? { healthStatus: 'UNHEALTHY' } : {})),
  }));
  return { clusterName, endpoints };
}

function apply(worker: TestClusters, zoneAwareLbConfig: NonNullable<Cluster['commonLbConfig']>['zoneAwareLbConfig']):
void {
  worker.set.apply({ config: { name: 'a', loadAssignment: assignment('a', { here: [1, 2], there: [3, 4] }),
    commonLbConfig: { zoneAwareLbConfig: { minClusterSize: 1, ...zoneAwareLbConfig } } } });
}

function ports(worker: TestClusters): string {
  const picked = Array.from({ length: 60 }, () => worker.cluster.pick(undefined));
  return [...new Set(picked.map((one) => (typeof one === 'string' ? one : one.address.slice(-1))))].toSorted().join('');
}

test('requests stay in the zone as the local cluster comes, moves and falls ill', () => {
  const worker = fixture();
  apply(worker, {});
  assert.equal(ports(worker), '1234');
  worker.set.apply({ config: { name: 'proxies', ...EDS } });
  assert.equal(ports(worker), '1234');
  worker.set.applyAssignment(assignment('proxies', { here: [11], there: [12] }));
  assert.equal(ports(worker), '12');
  assert.equal(worker.stat('lb_zone_routing_all_directly'), 60);
  worker.set.applyAssignment(assignment('proxies', { here: [11, 12, 13], there: [14] }));
  assert.equal(ports(worker), '1234');
  assert.ok(worker.stat('lb_zone_routing_sampled') > 0 && worker.stat('lb_zone_routing_cross_zone') > 0);
  worker.set.applyAssignment(assignment('proxies', { here: [-11], there: [-12, -13] }));
  assert.equal(ports(worker), '1234');
  assert.equal(worker.stat('lb_local_cluster_not_ok'), 60);
});

test('fail_traffic_on_panic: no endpoint is used, in the cluster\'s own panic and in the proxies\'', () => {
  const worker = fixture();
  const local = (here: number, there: number): void => {
    const loadAssignment = assignment('proxies', { here: [here], there: [there] });
    worker.set.apply({ config: { name: 'proxies', loadAssignment } });
  };
  local(-11, -12);
  apply(worker, { failTrafficOnPanic: true });
  assert.equal(ports(worker), 'unavailable');
  local(11, 12);
  assert.equal(ports(worker), '12');
  worker.set.apply({ config: { name: 'a', loadAssignment: assignment('a', { here: [-1, -2], there: [-3, 4] }),
    commonLbConfig: { zoneAwareLbConfig: { failTrafficOnPanic: true } } } });
  assert.equal(ports(worker), 'unavailable');
  assert.equal(worker.stat('lb_healthy_panic'), 60);
});
