// An endpoint that a request asks for by its address: when it gets it, and what else it gets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClusters, loopback } from '../../test/harness/upstreams.ts';
import type { Cluster as ClusterConfig } from '../config/cluster.ts';
import type { LbEndpoint } from '../config/endpoint.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import { ANY_HOST, RetryHosts } from './retry.ts';
import type { PickResult } from './upstream.ts';

type Status = NonNullable<LbEndpoint['healthStatus']>;

const STATUSES: readonly Status[] = ['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'];

/** Endpoint number i of port i + 1 has status number i. */
function workerOf(config: Partial<ClusterConfig> = {}): TestClusters {
  const worker = new TestClusters();
  worker.apply(STATUSES.map((healthStatus, i) => loopback(i + 1, { healthStatus })), config);
  return worker;
}

function asking(address: string, strict = false): RetryHosts {
  return new RetryHosts(ANY_HOST, { override: { address, strict, missingStatus: 503 } });
}

function textOf(picked: PickResult): string {
  return typeof picked === 'string' ? picked : picked.address;
}

/** The statuses in which an endpoint that is asked for is given. */
function given(worker: TestClusters): Status[] {
  return STATUSES.filter((_, i) => {
    const address = `127.0.0.1:${i + 1}`;
    return textOf(worker.cluster.pick(asking(address, true))) === address;
  });
}

test('an endpoint is given in the health that override_host_status says', () => {
  assert.deepEqual(given(workerOf()), ['UNKNOWN', 'HEALTHY', 'DEGRADED']);
  for (const statuses of [[], ['DRAINING'], ['TIMEOUT', 'UNHEALTHY'], STATUSES] as const) {
    const worker = workerOf({ commonLbConfig: { overrideHostStatus: { statuses: [...statuses] } } });
    assert.deepEqual(given(worker), STATUSES.filter((status) => (statuses as readonly Status[]).includes(status)));
  }
});

test('one that fails its checks or is ejected is unhealthy, whatever configuration says', () => {
  const worker = workerOf({ commonLbConfig: { overrideHostStatus: { statuses: ['UNHEALTHY'] } } });
  const found = worker.cluster.pick(asking('127.0.0.1:3')) as UpstreamEndpoint;
  assert.equal(found.status, 'UNHEALTHY');
  const [first] = worker.cluster.endpoints;
  first!.checked = 'failed';
  assert.deepEqual(given(worker), ['UNKNOWN', 'UNHEALTHY']);
  first!.checked = 'degraded';
  assert.equal(first!.status, 'DEGRADED');
});

test('S47 another address than the cluster has is never given', () => {
  const worker = workerOf();
  for (const address of ['127.0.0.1:9', '', 'localhost:1', '127.0.0.1:1 ', '__proto__']) {
    assert.equal(worker.cluster.pick(asking(address, true)), 'unavailable');
    assert.match(textOf(worker.cluster.pick(asking(address))), /^127\.0\.0\.1:[126]$/);
  }
  assert.equal(worker.stat('upstream_cx_none_healthy'), 5);
});

test('a retry goes where the policy says', () => {
  const worker = workerOf();
  const hosts = asking('127.0.0.1:6');
  const first = worker.cluster.pick(hosts) as UpstreamEndpoint;
  assert.equal(first.address, '127.0.0.1:6');
  hosts.add(first);
  const picks = Array.from({ length: 30 }, () => textOf(worker.cluster.pick(hosts)));
  assert.ok(picks.includes('127.0.0.1:1') && picks.includes('127.0.0.1:2'), picks.join());
});
