// Endpoints that requests name: bounded, forgotten when nobody asks, and never made where nobody may name them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClusters } from '../../test/harness/upstreams.ts';
import { ManualClock } from '../base/clock.ts';
import type { Cluster as ClusterConfig } from '../config/cluster.ts';
import { LIMITS } from '../config/limits.ts';
import { Stats } from '../telemetry/stats.ts';
import { OriginalDestinations } from './original-destinations.ts';
import { ANY_HOST, RetryHosts } from './retry.ts';
import type { Endpoint } from './upstream.ts';

const CONFIG: ClusterConfig = {
  name: 'a', type: 'ORIGINAL_DST', lbPolicy: 'CLUSTER_PROVIDED', originalDstLbConfig: { useHttpHeader: true },
};

class Fixture {
  readonly clock = new ManualClock();
  readonly worker = new TestClusters(this.clock);

  constructor(config = CONFIG) {
    this.worker.set.apply({ config });
  }

  pick(namedAddress: string): Endpoint {
    const picked = this.worker.cluster.pick(new RetryHosts(ANY_HOST, { namedAddress }));
    if (typeof picked === 'string') throw new Error(`picked ${picked}`);
    return picked;
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.advance(Math.min(left, 100));
      this.worker.timers.advance();
    }
  }
}

test('an address is one endpoint as long as somebody asks for it', () => {
  const fixture = new Fixture();
  const first = fixture.pick('10.0.0.1:80');
  assert.equal(first.address, '10.0.0.1:80');
  for (let i = 0; i < 5; i++) {
    fixture.pass(3000);
    assert.equal(fixture.pick('10.0.0.1:80'), first);
  }
  fixture.pass(11_000);
  assert.notEqual(fixture.pick('10.0.0.1:80'), first);
});

test('S88 a client that names many hosts takes bounded memory and no series of its own', () => {
  const fixture = new Fixture();
  const first = fixture.pick('10.0.0.1:80');
  const kept = fixture.pick('10.0.0.2:80');
  const series: string[] = [];
  const stats = new Stats({ chunk: () => {}, register: ({ name }) => series.push(name.flat) });
  const destinations = new OriginalDestinations(fixture.worker.cluster, { stats, timers: fixture.worker.timers }, 'a');
  destinations.set({ header: undefined, port: undefined, cleanupMs: 1000 }, undefined);
  const before = series.length;
  for (let i = 0; i < 3 * LIMITS.originalDstHostsMax; i++) {
    const namedAddress = `10.1.${i >> 8}.${i & 255}:80`;
    destinations.pick(new RetryHosts(ANY_HOST, { namedAddress }));
    fixture.pick(namedAddress);
    fixture.pick('10.0.0.2:80');
  }
  assert.equal(series.length, before);
  assert.equal(fixture.worker.stat('original_dst_host_overflow'), 2 * LIMITS.originalDstHostsMax + 2);
  assert.equal(fixture.pick('10.0.0.2:80'), kept);
  assert.notEqual(fixture.pick('10.0.0.1:80'), first);
  destinations.close();
});

test('IPv6 in brackets, whatever its case; no zone, no name, no port 0', () => {
  const fixture = new Fixture();
  assert.equal(fixture.pick('[FE80::1]:80'), fixture.pick('[fe80::1]:80'));
  const wrong = ['[fe80::1%eth0]:80', 'fe80::1:80', 'localhost:80', '127.0.0.1:0', '127.0.0.01:80', '[::1]80'];
  for (const namedAddress of wrong) {
    assert.equal(fixture.worker.cluster.pick(new RetryHosts(ANY_HOST, { namedAddress })), 'unavailable', namedAddress);
  }
  assert.equal(fixture.worker.stat('original_dst_host_invalid'), wrong.length);
});

test('S86 a request that names where it came in goes nowhere, however it writes that', () => {
  const { worker } = new Fixture();
  const pick = (namedAddress: string, localIp: string) => worker.cluster.pick(
    new RetryHosts(ANY_HOST, { namedAddress, arrivedAt: { localIp, localPort: 80 } }));
  const back = [
    ['127.0.0.1:80', '127.0.0.1'], ['[::ffff:127.0.0.1]:80', '127.0.0.1'], ['127.0.0.1:80', '::ffff:127.0.0.1'],
    ['[::ffff:7f00:1]:80', '127.0.0.1'], ['[0:0::1]:80', '::1'], ['0.0.0.0:80', '127.0.0.1'], ['[::]:81', '::1'],
  ] as const;
  for (const [named, localIp] of back) assert.equal(pick(named, localIp), 'unavailable', named);
  assert.equal(worker.stat('original_dst_host_invalid'), back.length);
  for (const named of ['127.0.0.1:81', '127.0.0.2:80', '[::1]:80']) {
    assert.notEqual(pick(named, '127.0.0.1'), 'unavailable', named);
  }
});

test('a changed cluster connects anew, an unchanged one keeps its endpoints', () => {
  const fixture = new Fixture();
  const first = fixture.pick('10.0.0.1:80');
  fixture.worker.set.apply({ config: { ...CONFIG, cleanupInterval: '60s' } });
  assert.equal(fixture.pick('10.0.0.1:80'), first);
  fixture.worker.set.apply({ config: { ...CONFIG, connectTimeout: '1s' } });
  assert.notEqual(fixture.pick('10.0.0.1:80'), first);
  assert.equal(fixture.worker.cluster.originalDst?.header, 'x-envoy-original-dst-host');
  fixture.worker.set.apply({ config: { ...CONFIG, originalDstLbConfig: {} } });
  assert.equal(fixture.worker.cluster.originalDst?.header, undefined);
});
