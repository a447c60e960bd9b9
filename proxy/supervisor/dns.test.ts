// DNS clusters with a resolver that the test answers for: what is published, kept, cut and refused.
import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { DnsServer } from '../../test/harness/dns-server.ts';
import type { DnsAnswer } from '../../test/harness/dns-server.ts';
import { until } from '../../test/harness/until.ts';
import { SeededRandom } from '../base/random.ts';
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
    }, new SeededRandom(7), answer);
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
  }, new SeededRandom(7), async () => {
    if (calls++ > 0) throw new Error('SERVFAIL');
    return [v4('10.0.0.1')];
  });
  resolver.watch(CLUSTER);
  await failed.promise;
  resolver.stop();
  assert.equal(published.length, 1);
  assert.deepEqual(addressesOf(published[0]!), ['10.0.0.1']);
});

/** A cluster of one name whose servers are the test's. */
function served(server: DnsServer, hostname: string, changes: Partial<Cluster> = {}): Cluster {
  const endpoint = { address: { socketAddress: { address: hostname, portValue: 9080 } } };
  return {
    ...CLUSTER, dnsLookupFamily: 'V4_ONLY',
    loadAssignment: { clusterName: 'reviews', endpoints: [{ lbEndpoints: [{ endpoint }] }] },
    typedDnsResolverConfig: {
      name: 'cares',
      typedConfig: {
        '@type': 'type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
        resolvers: [{ socketAddress: { address: '127.0.0.1', portValue: server.port } }],
        queryTimeoutSeconds: 1, queryTries: 1,
      },
    },
    ...changes,
  };
}

/** What is published and said of one cluster. */
class Watched implements Disposable {
  readonly published: string[][] = [];
  readonly failures: string[] = [];
  readonly resolver = new DnsResolver({
    onEndpoints: (_name, assignment) => void this.published.push(addressesOf(assignment).map(String)),
    onFailure: (_name, _hostname, reason) => void this.failures.push(reason),
  }, new SeededRandom(7));

  constructor(cluster: Cluster) {
    this.resolver.watch(cluster);
  }

  async until(holds: () => boolean): Promise<void> {
    await until('DNS', holds, 15_000);
  }

  [Symbol.dispose](): void {
    this.resolver.stop();
  }
}

const WRONG: readonly DnsAnswer[] = [
  'nxdomain', 'servfail', 'silent', 'garbage', 'other-id', 'other-question', { cname: 'reviews.example' },
  { addresses: [] },
];

test('F12 S87 whatever a server says wrong, the last good answer holds (DNS by UDP)', async () => {
  await using server = await DnsServer.start();
  const names = WRONG.map((_, i) => `w${i}.example`);
  for (const name of names) server.answers.set(name, { addresses: ['10.0.0.1'], ttl: 1 });
  const all = names.map((name) => new Watched(served(server, name)));
  for (const watched of all) await watched.until(() => watched.published.length === 1);
  WRONG.forEach((answer, i) => server.answers.set(names[i]!, answer));
  for (const watched of all) {
    await watched.until(() => watched.failures.length === 1);
    assert.deepEqual(watched.published, [['10.0.0.1']]);
  }
  for (const name of names) server.answers.set(name, { addresses: ['10.0.0.2'] });
  for (const watched of all) {
    await watched.until(() => watched.published.length === 2);
    assert.deepEqual(watched.published[1], ['10.0.0.2']);
    watched[Symbol.dispose]();
  }
});

test('F12 S87 1,000 records are cut to 256, TTL 0 is a second, another order is no change (DNS by TCP)', async () => {
  await using server = await DnsServer.start();
  const many = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  server.answers.set('many.example', { addresses: many, ttl: 0 });
  using watched = new Watched(served(server, 'many.example', { respectDnsTtl: true, dnsRefreshRate: '60s' }));
  await watched.until(() => watched.published.length === 1);
  assert.equal(watched.published[0]!.length, 256);
  const since = performance.now();
  const before = server.count('many.example');
  server.answers.set('many.example', { addresses: many.toReversed(), ttl: 0 });
  await watched.until(() => server.count('many.example') >= before + 2);
  assert.ok(performance.now() - since >= 900);
  assert.equal(watched.published.length, 1);
});

test('F12 respect_dns_ttl asks again when the answer is old, else dns_refresh_rate does (DNS by UDP)', async () => {
  await using server = await DnsServer.start();
  const answer = { addresses: ['10.0.0.1'], ttl: 1 };
  for (const name of ['short.example', 'ignored.example']) server.answers.set(name, answer);
  const slow = { dnsRefreshRate: '60s' } as const;
  using short = new Watched(served(server, 'short.example', { ...slow, respectDnsTtl: true }));
  using ignored = new Watched(served(server, 'ignored.example', slow));
  await short.until(() => server.count('short.example') >= 3);
  await ignored.until(() => ignored.published.length === 1);
  assert.equal(server.count('ignored.example'), 1);
});

test('F12 a name that hangs keeps no other name of its cluster waiting (DNS by UDP)', async () => {
  await using server = await DnsServer.start();
  server.answers.set('good.example', { addresses: ['10.0.0.1'] });
  server.answers.set('hangs.example', 'silent');
  const both = ['hangs.example', 'good.example'].map((address) => (
    { endpoint: { address: { socketAddress: { address, portValue: 9080 } } } }
  ));
  const loadAssignment = { clusterName: 'reviews', endpoints: [{ lbEndpoints: both }] };
  using watched = new Watched(served(server, '', { loadAssignment }));
  await watched.until(() => watched.published.length === 1);
  assert.deepEqual([watched.published, watched.failures], [[['10.0.0.1']], []]);
});

test('F12 a cluster that is changed while its name fails keeps its addresses (DNS by UDP)', async () => {
  await using server = await DnsServer.start();
  server.answers.set('reviews.example', { addresses: ['10.0.0.1'] });
  using watched = new Watched(served(server, 'reviews.example'));
  await watched.until(() => watched.published.length === 1);
  server.answers.set('reviews.example', 'nxdomain');
  watched.resolver.watch(served(server, 'reviews.example', { connectTimeout: '1s' }));
  await watched.until(() => watched.failures.length === 1 && watched.published.length === 2);
  assert.deepEqual(watched.published[1], ['10.0.0.1']);
});

test('LOGICAL_DNS goes by the first address of each answer, STRICT_DNS by all (DNS by UDP)', async () => {
  await using server = await DnsServer.start();
  server.answers.set('reviews.example', { addresses: ['10.0.0.2', '10.0.0.1'] });
  using logical = new Watched(served(server, 'reviews.example', { type: 'LOGICAL_DNS' }));
  using strict = new Watched(served(server, 'reviews.example'));
  await logical.until(() => logical.published.length === 1);
  await strict.until(() => strict.published.length === 1);
  assert.deepEqual([logical.published, strict.published], [[['10.0.0.2']], [['10.0.0.1', '10.0.0.2']]]);
});
