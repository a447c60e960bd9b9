// The recording of scenarios over time is still what a real Envoy does, in real time; WEFT_RECORD=1 makes it anew.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { after, test } from 'node:test';
import { throughEnvoy } from '../harness/over-time-proxies.ts';
import { SCENARIOS, record, recorded } from '../harness/over-time-recording.ts';
import type { Outcome } from '../harness/over-time.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';

const RECORDS = process.env['WEFT_RECORD'] === '1';
const skip = reasonToSkip(findEnvoy(false));
const before = recorded();
const found = new Map<string, readonly Outcome[]>();

for (const scenario of SCENARIOS) {
  void test(`Envoy: ${scenario.name}`, { skip }, async () => {
    let outcomes = await throughEnvoy(scenario);
    // A machine that is busy may be late by more than a step has to spare.
    if (!RECORDS && !isDeepStrictEqual(outcomes, before[scenario.name])) outcomes = await throughEnvoy(scenario);
    found.set(scenario.name, outcomes);
    if (!RECORDS) assert.deepEqual(outcomes, before[scenario.name]);
  });
}

after(() => {
  if (RECORDS) record(found);
});
