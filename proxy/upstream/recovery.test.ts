// Endpoints that come and go while requests go on, by a clock that the test holds: who notices, and how they return.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClusters } from '../../test/harness/upstreams.ts';
import { ManualClock } from '../base/clock.ts';
import type { Cluster as ClusterConfig } from '../config/cluster.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import { ANY_HOST, RetryHosts } from './retry.ts';

const TICK_MS = 10;

/** A cluster of scripted endpoints under a request every 10 ms, each with two retries elsewhere. */
class Traffic {
  readonly clock = new ManualClock();
  readonly clusters = new TestClusters(this.clock);
  readonly #isUp: (port: number, seconds: number) => boolean;
  readonly tries = new Map<number, number>();
  requests = 0;
  errors = 0;
  ejectedMost = 0;

  constructor(ports: number, isUp: (port: number, seconds: number) => boolean, config: Partial<ClusterConfig>) {
    this.#isUp = isUp;
    this.clusters.apply(Array.from({ length: ports }, (_, i) => i + 1), config);
  }

  run(seconds: number): void {
    for (let ms = 0; ms < seconds * 1000; ms += TICK_MS) {
      this.clock.advance(TICK_MS);
      this.clusters.timers.advance();
      this.requests++;
      if (!this.#succeeds()) this.errors++;
      const ejected = this.clusters.stat('outlier_detection.ejections_active');
      this.ejectedMost = Math.max(this.ejectedMost, ejected);
    }
  }

  /** Tries of one endpoint while `seconds` pass. */
  triesOf(port: number, seconds: number): number {
    const before = this.tries.get(port) ?? 0;
    this.run(seconds);
    return (this.tries.get(port) ?? 0) - before;
  }

  #succeeds(): boolean {
    const hosts = new RetryHosts({ ...ANY_HOST, avoidPreviousHosts: true, hostSelectionMaxAttempts: 5 });
    for (let attempt = 0; attempt < 3; attempt++) {
      const endpoint = this.clusters.cluster.pick(hosts) as UpstreamEndpoint;
      const port = Number(endpoint.address.split(':')[1]);
      this.tries.set(port, (this.tries.get(port) ?? 0) + 1);
      const up = this.#isUp(port, this.clock.nowMs() / 1000);
      endpoint.done(up ? 200 : 503);
      if (up) return true;
      hosts.add(endpoint);
    }
    return false;
  }
}

test('F10 clients see under 0.1 % of the errors of flapping endpoints, and max_ejection_percent holds', () => {
  const flaps = (port: number, seconds: number): boolean => port > 3 || Math.floor(seconds) % 2 === 0;
  const traffic = new Traffic(10, flaps, { outlierDetection: { maxEjectionPercent: 20, interval: '5s' } });
  traffic.run(300);
  assert.ok(traffic.errors < traffic.requests / 1000, `${traffic.errors} of ${traffic.requests}`);
  assert.equal(traffic.ejectedMost, 2);
  assert.ok(traffic.clusters.stat('outlier_detection.ejections_overflow') > 0);
});

test('F11 an endpoint that returns is let in slowly, and never gets more than 1.2 times its share', () => {
  const slowStartConfig = { slowStartWindow: '60s', minWeightPercent: { value: 5 } };
  const down = (port: number, seconds: number): boolean => port > 1 || seconds < 100 || seconds > 110;
  const traffic = new Traffic(4, down, {
    outlierDetection: { maxEjectionPercent: 50, interval: '1s' }, roundRobinLbConfig: { slowStartConfig },
  });
  traffic.run(110);
  assert.equal(traffic.clusters.stat('outlier_detection.ejections_active'), 1);
  while (traffic.clusters.stat('outlier_detection.ejections_active') > 0) traffic.run(1);
  const share = (100 / 4) * 10;
  const tens = Array.from({ length: 8 }, () => traffic.triesOf(1, 10));
  assert.ok(tens[0]! < share / 3, tens.join());
  assert.ok(tens[7]! > share * 0.9, tens.join());
  for (const tries of tens) assert.ok(tries <= share * 1.2, tens.join());
});

test('F11 without slow start it has its share at once, and no more', () => {
  const down = (port: number, seconds: number): boolean => port > 1 || seconds < 100 || seconds > 110;
  const traffic = new Traffic(4, down, { outlierDetection: { maxEjectionPercent: 50, interval: '1s' } });
  traffic.run(110);
  while (traffic.clusters.stat('outlier_detection.ejections_active') > 0) traffic.run(1);
  for (let second = 0; second < 10; second++) assert.ok(traffic.triesOf(1, 1) <= 25 * 1.2);
});
