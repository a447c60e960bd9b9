// DNS clusters with a resolver that the test answers for: what is published, kept, cut and refused.
import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import type { Cluster } from '../config/cluster.ts';
import type { ClusterLoadAssignment } from '../config/endpoint.ts';
import { DnsResolver } from './dns.ts';

const CLUSTER: Cluster = {
  name: 'reviews', type: 'STRICT_DNS', dnsRefreshRate: '1s',
  loadAssignment: {
    clusterName: 'reviews',
    endpoints: [
      { lbEndpoints: [{ endpoint: { address: { socketAddress: { address: 'reviews.example', portValue: 9080 } } } }] },
    ],
  },
};

/** Resolves once, with what the resolver publishes or says first. */
function firstAnswer(
  cluster: Cluster, answer: () => Promise<readonly LookupAddress[]>,
): Promise<ClusterLoadAssignment | string> {
  return new Promise((resolve) => {
    let failure = '';
    const resolver = new DnsResolver({
      onEndpoints: (_name, assignment) => {
        resolver.stop();
        resolve(failure === '' ? assignment : failure);
      },
      onFailure: (name, hostname, reason) => {
        failure = `${name} ${hostname} ${reason}`;
      },
    }, answer);
    resolver.watch(cluster);
  });
}

function addressesOf(assignment: ClusterLoadAssignment): (string | undefined)[] {
  const endpoints = (assignment.endpoints ?? []).flatMap((locality) => locality.lbEndpoints ?? []);
  return endpoints.map((endpoint) => endpoint.endpoint?.address?.socketAddress?.address);
}

const v4 = (address: string): LookupAddress => ({ address, family: 4 });

test('every address of a name is an endpoint that remembers the name', async () => {
  const assignment = await firstAnswer(
    CLUSTER, () => Promise.resolve([v4('10.0.0.2'), v4('10.0.0.1'), v4('10.0.0.2')]),
  );
  assert.ok(typeof assignment === 'object');
  assert.deepEqual(addressesOf(assignment), ['10.0.0.1', '10.0.0.2']);
  assert.equal(assignment.endpoints?.[0]?.lbEndpoints?.[0]?.endpoint?.hostname, 'reviews.example');
});

test('AUTO prefers IPv6 and falls back to IPv4, as Envoy', async () => {
  const both = await firstAnswer(CLUSTER, () => Promise.resolve([v4('10.0.0.1'), { address: 'fd00::1', family: 6 }]));
  assert.deepEqual(addressesOf(both as ClusterLoadAssignment), ['fd00::1']);
  const all = await firstAnswer({ ...CLUSTER, dnsLookupFamily: 'ALL' },
    () => Promise.resolve([v4('10.0.0.1'), { address: 'fd00::1', family: 6 }]));
  assert.deepEqual(addressesOf(all as ClusterLoadAssignment), ['10.0.0.1', 'fd00::1']);
});

test('S87 more than 256 addresses are cut', async () => {
  const many = Array.from({ length: 1000 }, (_, i) => v4(`10.0.${i >> 8}.${i & 255}`));
  const assignment = await firstAnswer(CLUSTER, () => Promise.resolve(many));
  assert.equal(addressesOf(assignment as ClusterLoadAssignment).length, 256);
});

test('a name that does not resolve is told, and leaves no endpoint', async () => {
  const failure = await firstAnswer(CLUSTER, () => Promise.reject(new Error('ENOTFOUND')));
  assert.equal(failure, 'reviews reviews.example ENOTFOUND');
});

test('F12 the last good answer is kept while the name fails', async () => {
  let calls = 0;
  const published: ClusterLoadAssignment[] = [];
  const failed = Promise.withResolvers<void>();
  const resolver = new DnsResolver({
    onEndpoints: (_name, assignment) => void published.push(assignment),
    onFailure: () => failed.resolve(),
  }, () => (calls++ === 0 ? Promise.resolve([v4('10.0.0.1')]) : Promise.reject(new Error('SERVFAIL'))));
  resolver.watch(CLUSTER);
  await failed.promise;
  resolver.stop();
  assert.equal(published.length, 1);
  assert.deepEqual(addressesOf(published[0]!), ['10.0.0.1']);
});
