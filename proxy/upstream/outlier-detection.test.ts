// Outlier detection through a cluster: who goes, how many may go, for how long, and how they return.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClusters } from '../../test/harness/upstreams.ts';
import { ManualClock } from '../base/clock.ts';
import type { OutlierDetection } from '../config/outlier-detection.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import type { Outcome } from './upstream.ts';

/** Every endpoint may go. */
const ANY: OutlierDetection = { maxEjectionPercent: 100 };
/** Nothing in a row ejects. */
const SHARES: OutlierDetection = { ...ANY, enforcingConsecutive5xx: 0, enforcingConsecutiveLocalOriginFailure: 0 };

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

  /** An interval's requests of one endpoint. */
  mix(port: number, good: number, bad: number, outcome: Outcome = 500): void {
    for (let i = 0; i < good; i++) {
      this.endpoint(port).connected();
      this.endpoint(port).done(200);
    }
    this.fail(port, bad, outcome);
  }

  ejections(kind: string): number {
    return this.clusters.stat(`outlier_detection.ejections_enforced_${kind}`);
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
  const fixture = new Fixture(3, ANY);
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
  const fixture = new Fixture(4, { ...ANY, baseEjectionTime: '30s', interval: '10s' });
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

test('no more than max_ejection_percent are out, the one that goes included, and one where that is asked for', () => {
  const fixture = new Fixture(4, { maxEjectionPercent: 50 });
  for (const port of [1, 2, 3]) fixture.fail(port, 5);
  assert.deepEqual(fixture.used(), [3, 4]);
  assert.equal(fixture.clusters.stat('outlier_detection.ejections_overflow'), 1);
  const few = new Fixture(3, {});
  few.fail(1, 5);
  assert.deepEqual(few.used(), [1, 2, 3]);
  assert.equal(few.clusters.stat('outlier_detection.ejections_detected_consecutive_5xx'), 1);
  const one = new Fixture(3, { alwaysEjectOneHost: true });
  one.fail(1, 5);
  one.fail(2, 5);
  assert.deepEqual(one.used(), [2, 3]);
});

test('connection failures and timeouts count as 503 and 504, or apart', () => {
  const together = new Fixture(3, { ...ANY, enforcingConsecutiveGatewayFailure: 100, consecutiveGatewayFailure: 3 });
  together.fail(1, 2, 'connect-failure');
  together.fail(1, 1, 'timeout');
  assert.deepEqual(together.used(), [2, 3]);
  const apart = new Fixture(3, { ...ANY, splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailure: 2 });
  apart.fail(1, 1, 'connect-failure');
  apart.endpoint(1).connected();
  apart.fail(1, 1, 'reset');
  apart.endpoint(1).connected();
  apart.fail(1, 1, 'timeout');
  assert.deepEqual(apart.used(), [1, 2, 3]);
  apart.fail(1, 1, 'connect-failure');
  assert.deepEqual(apart.used(), [2, 3]);
});

test('a TCP connection that is made ends a row of failures', () => {
  const fixture = new Fixture(3, { ...ANY, consecutive5xx: 2 });
  for (const outcome of ['connect-failure', 'connected', 'connect-failure'] as const) fixture.fail(1, 1, outcome);
  assert.deepEqual(fixture.used(), [1, 2, 3]);
  fixture.fail(1, 1, 'connect-failure');
  assert.deepEqual(fixture.used(), [2, 3]);
});

test('a 500 is no gateway failure, and cancelled tries say nothing', () => {
  const config = {
    ...ANY, enforcingConsecutiveGatewayFailure: 100, consecutiveGatewayFailure: 2, enforcingConsecutive5xx: 0,
  };
  const fixture = new Fixture(3, config);
  fixture.fail(1, 9, 500);
  fixture.fail(1, 1, 502);
  fixture.fail(1, 9, 'cancelled');
  assert.deepEqual(fixture.used(), [1, 2, 3]);
  fixture.fail(1, 1, 503);
  assert.deepEqual(fixture.used(), [2, 3]);
});

test('an ejection outlives an update of the endpoints, and ends when detection is turned off', () => {
  const fixture = new Fixture(3, ANY);
  fixture.fail(1, 5);
  fixture.apply(5, ANY);
  assert.deepEqual(fixture.used(), [2, 3, 4, 5]);
  fixture.apply(5, undefined);
  assert.deepEqual(fixture.used(), [1, 2, 3, 4, 5]);
  assert.equal(fixture.clusters.timers.size, 0);
});

test('an endpoint whose success rate is far below the others\' goes at the end of the interval', () => {
  const fixture = new Fixture(5, SHARES);
  fixture.mix(1, 50, 50);
  for (const port of [2, 3, 4, 5]) fixture.mix(port, 100, 0);
  assert.deepEqual(fixture.used(), [1, 2, 3, 4, 5]);
  fixture.wait(11_000);
  // Mean 90, standard deviation 20: below 90 - 1.9 * 20.
  assert.deepEqual(fixture.used(), [2, 3, 4, 5]);
  assert.equal(fixture.ejections('success_rate'), 1);
});

test('success rates of too few endpoints or requests, or close to one another, say nothing', () => {
  const few = new Fixture(4, SHARES);
  for (const port of [1, 2, 3, 4]) few.mix(port, 100, port === 1 ? 100 : 0);
  const quiet = new Fixture(5, SHARES);
  for (const port of [1, 2, 3, 4, 5]) quiet.mix(port, 40, port === 1 ? 59 : 0);
  const close = new Fixture(5, { ...SHARES, successRateStdevFactor: 3000 });
  for (const port of [1, 2, 3, 4, 5]) close.mix(port, 100, port === 1 ? 100 : 0);
  for (const fixture of [few, quiet, close]) {
    fixture.wait(11_000);
    assert.equal(fixture.ejections('success_rate'), 0);
  }
});

test('requests of an interval before do not count', () => {
  const fixture = new Fixture(5, SHARES);
  for (const port of [1, 2, 3, 4, 5]) fixture.mix(port, 60, 0);
  fixture.wait(11_000);
  for (const port of [1, 2, 3, 4, 5]) fixture.mix(port, 0, port === 1 ? 60 : 0);
  fixture.wait(11_000);
  assert.equal(fixture.ejections('success_rate'), 0);
});

test('endpoints whose failures reach the threshold go, where that is enforced', () => {
  const config = {
    ...SHARES, enforcingSuccessRate: 0, enforcingFailurePercentage: 100, failurePercentageThreshold: 60,
  };
  const fixture = new Fixture(5, config);
  for (const port of [1, 2]) fixture.mix(port, 20, 30);
  for (const port of [3, 4, 5]) fixture.mix(port, 21, 29);
  fixture.wait(11_000);
  assert.deepEqual(fixture.used(), [3, 4, 5]);
  assert.equal(fixture.ejections('failure_percentage'), 2);
});

test('connecting is judged apart where it is counted apart', () => {
  const config = { ...SHARES, splitExternalLocalOriginErrors: true, enforcingFailurePercentageLocalOrigin: 100,
    enforcingLocalOriginSuccessRate: 0 };
  const fixture = new Fixture(5, config);
  fixture.mix(1, 0, 60, 'connect-failure');
  for (const port of [2, 3, 4, 5]) fixture.mix(port, 60, 0);
  fixture.wait(11_000);
  assert.deepEqual(fixture.used(), [2, 3, 4, 5]);
  assert.equal(fixture.ejections('local_origin_failure_percentage'), 1);
});

test('an ejection lasts its time and up to its jitter, and no longer than max_ejection_time', () => {
  const fixture = new Fixture(3, {
    ...ANY, interval: '1s', baseEjectionTime: '10s', maxEjectionTime: '15s', maxEjectionTimeJitter: '5s',
  });
  for (const least of [10, 15, 15]) {
    fixture.fail(1, 5);
    let seconds = 0;
    for (; !fixture.used().includes(1); seconds++) fixture.wait(1000);
    // The jitter, and the interval at whose end it is looked at.
    assert.ok(seconds >= least && seconds <= least + 5 + 1, `${seconds} s`);
  }
});

test('F10 the panic threshold overrides ejections when too few are left', () => {
  const fixture = new Fixture(4, ANY);
  for (const port of [1, 2]) fixture.fail(port, 5);
  assert.deepEqual(fixture.used(), [3, 4]);
  fixture.fail(3, 5);
  assert.deepEqual(fixture.used(), [1, 2, 3, 4]);
  assert.ok(fixture.clusters.stat('lb_healthy_panic') > 0);
});

test('/clusters is told who is ejected, until it returns or leaves', () => {
  const fixture = new Fixture(4, ANY);
  const shown = (port: number) => fixture.clusters.endpointStat(`127.0.0.1:${port}`, 'ejected');
  fixture.fail(1, 5);
  fixture.fail(4, 5);
  assert.deepEqual([1, 2, 4].map(shown), [1, 0, 1]);
  fixture.apply(3, ANY);
  assert.equal(shown(4), 0);
  assert.equal(fixture.clusters.stat('outlier_detection.ejections_active'), 1);
  fixture.wait(41_000);
  assert.equal(shown(1), 0);
});
