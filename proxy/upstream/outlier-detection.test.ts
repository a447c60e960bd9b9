// Outlier detection through a cluster: who goes, how many may go, for how long, and how they return.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClusters } from '../../test/harness/upstreams.ts';
import { ManualClock } from '../base/clock.ts';
import type { OutlierDetection } from '../config/cluster.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import type { Outcome } from './upstream.ts';

class Fixture {
  readonly clock = new ManualClock();
  readonly clusters = new TestClusters(this.clock);

  constructor(ports: number, outlierDetection: OutlierDetection) {
    this.apply(ports, outlierDetection);
  }

  apply(ports: number, outlierDetection: OutlierDetection | undefined): void {
    const numbers = Array.from({ length: ports }, (_, i) => i + 1);
    this.clusters.apply(numbers, { ...(outlierDetection !== undefined && { outlierDetection }) });
  }

  endpoint(port: number): UpstreamEndpoint {
    return [...this.clusters.cluster.endpoints].find(({ address }) => address === `127.0.0.1:${port}`)!;
  }

  fail(port: number, times: number, outcome: Outcome = 500): void {
    for (let i = 0; i < times; i++) this.endpoint(port).done(outcome);
  }

  /** Ports that get requests. */
  used(): number[] {
    const picks = Array.from({ length: 40 }, () => this.clusters.pick().address);
    return [...new Set(picks)].map((address) => Number(address.split(':')[1])).toSorted((a, b) => a - b);
  }

  wait(ms: number): void {
    for (let left = ms; left > 0; left -= 1000) {
      this.clock.advance(Math.min(left, 1000));
      this.clusters.timers.advance();
    }
  }
}

test('five server errors in a row eject, a success in between does not', () => {
  const fixture = new Fixture(3, {});
  fixture.fail(1, 4);
  fixture.endpoint(1).done(200);
  fixture.fail(1, 4);
  assert.deepEqual(fixture.used(), [1, 2, 3]);
  fixture.fail(1, 1);
  assert.deepEqual(fixture.used(), [2, 3]);
  assert.equal(fixture.clusters.stat('outlier_detection.ejections_enforced_consecutive_5xx'), 1);
  assert.equal(fixture.clusters.stat('membership_healthy'), 2);
});

test('F10 the ejected return after the base time, and are out longer each time', () => {
  const fixture = new Fixture(4, { baseEjectionTime: '30s', interval: '10s' });
  fixture.fail(1, 5);
  fixture.wait(29_000);
  assert.deepEqual(fixture.used(), [2, 3, 4]);
  fixture.wait(2000);
  assert.deepEqual(fixture.used(), [1, 2, 3, 4]);
  fixture.fail(1, 5);
  fixture.wait(59_000);
  assert.deepEqual(fixture.used(), [2, 3, 4]);
  fixture.wait(11_000);
  assert.deepEqual(fixture.used(), [1, 2, 3, 4]);
  // A while in peace is forgiven.
  fixture.wait(30_000);
  fixture.fail(1, 5);
  fixture.wait(40_000);
  assert.deepEqual(fixture.used(), [1, 2, 3, 4]);
});

test('no more than max_ejection_percent are out, but one may be', () => {
  const fixture = new Fixture(4, { maxEjectionPercent: 50 });
  for (const port of [1, 2, 3]) fixture.fail(port, 5);
  assert.deepEqual(fixture.used(), [3, 4]);
  assert.equal(fixture.clusters.stat('outlier_detection.ejections_overflow'), 1);
  const few = new Fixture(2, { maxEjectionPercent: 10 });
  few.fail(1, 5);
  few.fail(2, 5);
  assert.deepEqual(few.used(), [2]);
});

test('connection failures and timeouts count as 503 and 504, or apart', () => {
  const together = new Fixture(3, { enforcingConsecutiveGatewayFailure: 100, consecutiveGatewayFailure: 3 });
  together.fail(1, 2, 'connect-failure');
  together.fail(1, 1, 'timeout');
  assert.deepEqual(together.used(), [2, 3]);
  const apart = new Fixture(3, { splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailure: 2 });
  apart.fail(1, 1, 'reset');
  apart.endpoint(1).done(500);
  apart.fail(1, 1, 'reset');
  assert.deepEqual(apart.used(), [1, 2, 3]);
  apart.fail(1, 1, 'reset');
  assert.deepEqual(apart.used(), [2, 3]);
});

test('a 500 is no gateway failure, and cancelled tries say nothing', () => {
  const config = { enforcingConsecutiveGatewayFailure: 100, consecutiveGatewayFailure: 2, enforcingConsecutive5xx: 0 };
  const fixture = new Fixture(3, config);
  fixture.fail(1, 9, 500);
  fixture.fail(1, 1, 502);
  fixture.fail(1, 9, 'cancelled');
  assert.deepEqual(fixture.used(), [1, 2, 3]);
  fixture.fail(1, 1, 503);
  assert.deepEqual(fixture.used(), [2, 3]);
});

test('an ejection outlives an update of the endpoints, and ends when detection is turned off', () => {
  const fixture = new Fixture(3, {});
  fixture.fail(1, 5);
  fixture.apply(5, {});
  assert.deepEqual(fixture.used(), [2, 3, 4, 5]);
  fixture.apply(5, undefined);
  assert.deepEqual(fixture.used(), [1, 2, 3, 4, 5]);
  assert.equal(fixture.clusters.timers.size, 0);
});
