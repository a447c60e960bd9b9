// Subsets of a cluster: views of its endpoints, which follow them, and share their pools, health and figures.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFits } from '../../test/harness/chi-squared.ts';
import { TestClusters, loopback } from '../../test/harness/upstreams.ts';
import { MetadataMatch } from '../base/metadata-match.ts';
import type { ClusterLoadAssignment, LbEndpoint } from '../config/endpoint.ts';
import type { LbSubsetConfig } from '../config/subset.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import { ANY_HOST, RetryHosts } from './retry.ts';

type Lb = Record<string, unknown>;

function endpoint(port: number, lb: Lb, changes: Partial<LbEndpoint> = {}): LbEndpoint {
  return loopback(port, { metadata: { filterMetadata: { 'envoy.lb': lb } }, ...changes });
}

const BY_VERSION: LbSubsetConfig = { subsetSelectors: [{ keys: ['version'] }] };

class Fixture {
  readonly worker = new TestClusters();

  apply(endpoints: readonly LbEndpoint[], lbSubsetConfig: LbSubsetConfig = BY_VERSION): this {
    this.worker.apply(endpoints, { lbSubsetConfig });
    return this;
  }

  pick(wanted?: Lb): UpstreamEndpoint | string {
    const match = wanted === undefined ? undefined : new MetadataMatch(wanted);
    const picked = this.worker.cluster.pick(new RetryHosts(ANY_HOST, { metadataMatch: match }));
    return typeof picked === 'string' ? picked : picked as UpstreamEndpoint;
  }

  /** Ports that picks reach, or why none is. */
  ports(wanted?: Lb, picks = 12): string {
    const found = Array.from({ length: picks }, () => this.pick(wanted))
      .map((picked) => (typeof picked === 'string' ? picked : picked.address.slice('127.0.0.1:'.length)));
    return [...new Set(found)].toSorted().join(' ');
  }

  stats(): string {
    const gauge = this.worker.stats.gauge({ flat: 'cluster.a.lb_subsets_active', family: '', labels: [] }).value;
    return [gauge, ...['created', 'removed', 'selected', 'fallback', 'fallback_panic']
      .map((name) => this.worker.stat(`lb_subsets_${name}`))].join(' ');
  }
}

test('subsets hold the very endpoints of the cluster, and its health holds in them', () => {
  const fixture = new Fixture().apply([endpoint(1, { version: 'v1' }), endpoint(2, { version: 'v2' }),
    endpoint(3, { version: 'v2' }, { healthStatus: 'UNHEALTHY' })]);
  const all = [...fixture.worker.cluster.endpoints];
  assert.equal(fixture.pick({ version: 'v1' }), all[0]);
  assert.equal(fixture.ports({ version: 'v2' }), '2');
  assert.equal(fixture.ports({ version: 'v3' }), 'unavailable');
  assert.equal(fixture.ports(), 'unavailable');
  assert.equal(fixture.stats(), '2 2 0 13 0 0');
  assert.equal(fixture.worker.stat('upstream_cx_none_healthy'), 24);
});

test('subsets come, change and go with endpoints and their metadata, and with configuration', () => {
  const fixture = new Fixture().apply([endpoint(1, { version: 'v1' }), endpoint(2, { version: 'v2' })]);
  fixture.apply([endpoint(1, { version: 'v3' }), endpoint(2, { version: 'v2' }), endpoint(3, { version: 'v2' })]);
  assert.deepEqual(['v1', 'v2', 'v3'].map((version) => fixture.ports({ version })), ['unavailable', '2 3', '1']);
  assert.equal(fixture.stats(), '2 3 1 24 0 0');
  fixture.worker.apply([endpoint(1, { version: 'v3' })]);
  assert.equal(fixture.ports({ version: 'v1' }), '1');
  assert.equal(fixture.stats(), '0 3 3 24 0 0');
});

test('an ejected endpoint is left out of its subset as well', () => {
  const fixture = new Fixture();
  fixture.worker.apply([1, 2, 3].map((port) => endpoint(port, { version: 'v1' })),
    { lbSubsetConfig: BY_VERSION, outlierDetection: { consecutive5xx: 1, maxEjectionPercent: 100 } });
  (fixture.pick({ version: 'v1' }) as UpstreamEndpoint).done(500);
  assert.equal(fixture.ports({ version: 'v1' }).split(' ').length, 2);
});

test('a subset of one is its first endpoint of the first priority, whatever its health', () => {
  const sick = endpoint(1, { id: 'a' }, { healthStatus: 'UNHEALTHY' });
  const fixture = new Fixture().apply([sick, endpoint(2, { id: 'a' }), endpoint(3, { id: 'b' })],
    { subsetSelectors: [{ keys: ['id'], singleHostPerSubset: true }] });
  assert.deepEqual([fixture.ports({ id: 'a' }), fixture.ports({ id: 'b' })], ['1', '3']);
  const duplicates = { flat: 'cluster.a.lb_subsets_single_host_per_subset_duplicate', family: '', labels: [] };
  assert.equal(fixture.worker.stats.gauge(duplicates).value, 1);
});

test('lists of any values multiply up to a bound, and what is beyond is counted', () => {
  const list = Array.from({ length: 100 }, (_, i) => i);
  const fixture = new Fixture().apply([endpoint(1, { a: list, b: list, c: list, d: list })],
    { listAsAny: true, subsetSelectors: [{ keys: ['a', 'b', 'c', 'd'] }, { keys: ['a'] }] });
  assert.deepEqual([fixture.ports({ a: 99 }), fixture.ports({ a: 0, b: 0, c: 9, d: 99 })], ['1', '1']);
  assert.equal(fixture.ports({ a: 0, b: 0, c: 10, d: 0 }), 'unavailable');
  assert.match(fixture.stats(), /^1100 1100 /);
  const overflow = { flat: 'cluster.a.lb_subsets_overflow', family: '', labels: [] };
  assert.equal(fixture.worker.stats.gauge(overflow).value, 1);
});

test('the fallback of a selector counts also where a longer one begins with its keys', () => {
  const fixture = new Fixture().apply([endpoint(1, { a: 1, b: 1 }), endpoint(2, {})],
    { subsetSelectors: [{ keys: ['b', 'a'] }, { keys: ['a'], fallbackPolicy: 'ANY_ENDPOINT' }] });
  assert.equal(fixture.ports({ a: 2 }), '1 2');
  assert.equal(fixture.ports({ a: 2, b: 1 }), 'unavailable');
});

for (const { scaleLocalityWeight, localityWeightAware, shares } of [
  { localityWeightAware: false, scaleLocalityWeight: false, shares: [1, 1, 1] },
  { localityWeightAware: true, scaleLocalityWeight: false, shares: [6, 1, 1] },
  { localityWeightAware: true, scaleLocalityWeight: true, shares: [3, 1, 1] },
]) {
  test(`localities in a subset: aware ${localityWeightAware}, scaled ${scaleLocalityWeight}`, () => {
    const fixture = new Fixture();
    const [first, second, third] = [1, 3, 4].map((port) => endpoint(port, { version: 'v1' }));
    // Half of the first locality is in the subset, all of the second.
    const loadAssignment: ClusterLoadAssignment = { clusterName: 'a', endpoints: [
      { locality: { zone: 'x' }, loadBalancingWeight: 6, lbEndpoints: [first!, endpoint(2, {})] },
      { locality: { zone: 'y' }, loadBalancingWeight: 2, lbEndpoints: [second!, third!] },
    ] };
    fixture.worker.set.apply({ config: { name: 'a', loadAssignment, commonLbConfig: { localityWeightedLbConfig: {} },
      lbSubsetConfig: { ...BY_VERSION, localityWeightAware, scaleLocalityWeight } } });
    const ports = Array.from({ length: 2000 }, () => fixture.ports({ version: 'v1' }, 1));
    assertFits(['1', '3', '4'].map((port) => ports.filter((each) => each === port).length), shares, 'ports');
  });
}
