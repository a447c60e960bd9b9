// Peak EWMA: the mean latency of an endpoint as Envoy reckons it, and which of two it prefers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClusters, loopback } from '../../../test/harness/upstreams.ts';
import { ManualClock } from '../../base/clock.ts';
import { SeededRandom } from '../../base/random.ts';
import { decode } from '../../config/decode.ts';
import { Cluster } from '../../config/cluster.ts';
import type { Endpoint } from '../upstream.ts';
import { Latency } from './latency.ts';
import { peakEwma } from './peak-ewma.ts';

const POLICY = 'type.googleapis.com/envoy.extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma';

function endpoint(address: string, meanMs: number | undefined, activeRequests = 0): Endpoint {
  const latency = meanMs === undefined ? undefined : { meanMs };
  return { address, hostname: undefined, weight: 1, hashKey: undefined, healthySinceMs: -Infinity, workload: undefined,
    activeRequests, latency, priority: 0, lbMetadata: undefined, done: () => {} };
}

/** Which of two is always chosen. */
function preferred(one: Endpoint, other: Endpoint): string {
  const picker = peakEwma({ defaultMs: 10, penalty: 1e6 })([one, other], { random: new SeededRandom(1),
    clock: new ManualClock() });
  return [...new Set(Array.from({ length: 40 }, () => picker.choose(undefined, 0).address))].toSorted().join(' or ');
}

test('the first answer counts whole, later ones by the time since the one before', () => {
  const clock = new ManualClock();
  clock.advance(1000);
  const latency = new Latency(clock, 10_000);
  latency.answered(980);
  assert.equal(latency.meanMs, 20);
  clock.advance(10_000 * Math.LN2);
  latency.answered(clock.nowMs() - 100);
  assert.ok(Math.abs(latency.meanMs - 60) < 0.01, String(latency.meanMs));
  latency.answered(clock.nowMs() - 7);
  assert.equal(latency.meanMs, 7, 'one of the same moment counts whole');
});

test('the cheaper of two is the one whose latency times requests in flight is less', () => {
  assert.equal(preferred(endpoint('slow', 50), endpoint('fast', 5)), 'fast');
  assert.equal(preferred(endpoint('idle', 50), endpoint('busy', 5, 10)), 'idle');
  assert.equal(preferred(endpoint('known', 11), endpoint('new', 0)), 'new');
  assert.equal(preferred(endpoint('known', 9), endpoint('new', 0)), 'known');
  assert.equal(preferred(endpoint('silent', 0, 1), endpoint('slow', 100, 100)), 'slow');
  assert.equal(preferred(endpoint('a', undefined), endpoint('b', undefined)), 'a or b');
});

test('a cluster of it keeps what it measured through changes, as long as it is asked for', () => {
  const config = (decayTime: string): unknown => ({ policies: [{ typed_extension_config: {
    name: 'policy', typed_config: { '@type': POLICY, decay_time: decayTime, aggregation_interval: '1s' } } }] });
  const worker = new TestClusters();
  const apply = (decayTime?: string): void => {
    const balancing = decayTime === undefined ? {} : { load_balancing_policy: config(decayTime) };
    const { value, errors } = decode(Cluster, { name: 'a', ...balancing,
      load_assignment: { cluster_name: 'a', endpoints: [{ lb_endpoints: [1, 2].map((port) => loopback(port)) }] } });
    assert.deepEqual(errors.map(String), []);
    worker.set.apply({ config: value! });
  };
  apply('5s');
  const [one] = worker.cluster.endpoints;
  const { latency } = one!;
  latency!.answered(latency!.nowMs() - 30);
  apply('6s');
  assert.deepEqual([one!.latency === latency, latency!.decayMs], [true, 6000]);
  assert.equal(new Set(Array.from({ length: 30 }, () => worker.pick().address)).size, 1, 'the one without an answer');
  apply();
  assert.equal(one!.latency, undefined);
});
