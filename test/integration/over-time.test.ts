// Outlier detection, circuit breakers, health checks, retries and failover over time: weft's workers, by a clock that
// the test moves, do step for step what was recorded of a real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { throughWeft } from '../harness/over-time-proxies.ts';
import { SCENARIOS, comparable, recorded } from '../harness/over-time-recording.ts';

const envoy = recorded();

for (const scenario of SCENARIOS) {
  void test(`${scenario.name}: as a recorded Envoy (node:http)`, async () => {
    const found = comparable(scenario, await throughWeft(scenario));
    assert.deepEqual(found, comparable(scenario, envoy[scenario.name] ?? []));
  });
}
