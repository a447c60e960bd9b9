// Decisions on their way to the audit log: alike ones are counted, kinds are bounded, and queries stay where they are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleConnection, sampleRequest, sampleStream } from '../../test/harness/stream-sample.ts';
import { ManualClock } from '../base/clock.ts';
import { TimerWheel } from '../base/timers.ts';
import type { AccessDecision } from './decision.ts';
import { DECISION_KINDS_MAX, DecisionBuffer, type DecisionRecord } from './decision-record.ts';

class Fixture {
  readonly clock = new ManualClock();
  readonly timers = new TimerWheel(this.clock);
  readonly posted: { readonly records: readonly DecisionRecord[]; readonly dropped: number }[] = [];
  readonly buffer = new DecisionBuffer(this.timers, () => this.clock.nowMs(), (records, dropped) => {
    this.posted.push({ records, dropped });
  });

  decide(policy = 'p', path = '/a?token=secret'): void {
    const decision: AccessDecision = {
      outcome: 'denied', filter: 'rbac', policy, detail: 'd', nearestMiss: () => undefined,
    };
    const info = sampleStream(sampleConnection());
    info.request = sampleRequest({ path });
    this.buffer.onDecision(decision, info);
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 100) {
      this.clock.advance(100);
      this.timers.advance();
    }
  }

  /** Counts of what was posted since. */
  counts(): number[] {
    return this.posted.splice(0).flatMap(({ records }) => records.map(({ count }) => count));
  }
}

test('S89 decisions that are alike are told once at first, and then as a count, every ten seconds', () => {
  const f = new Fixture();
  for (let i = 0; i < 300; i++) f.decide();
  f.pass(600);
  assert.deepEqual(f.counts(), [300]);
  for (let i = 0; i < 90; i++) {
    f.decide();
    f.pass(100);
  }
  assert.deepEqual(f.counts(), []);
  f.pass(2000);
  assert.deepEqual(f.counts(), [90]);
  f.pass(30_000);
  assert.deepEqual(f.counts(), [], 'none is told of what did not happen');
});

test('S88 kinds are bounded, and what is beyond is counted', () => {
  const f = new Fixture();
  for (let i = 0; i < DECISION_KINDS_MAX + 50; i++) f.decide(`p${i}`);
  f.pass(600);
  assert.equal(f.posted[0]?.records.length, DECISION_KINDS_MAX);
  assert.equal(f.posted[0]?.dropped, 50);
  f.pass(12_000);
  f.decide('again');
  f.pass(600);
  assert.deepEqual([f.posted.at(-1)?.records[0]?.policy, f.posted.at(-1)?.dropped], ['again', 0]);
});

test('S99 a record has no query, and no more of a path than says which it was', () => {
  const f = new Fixture();
  f.decide('p', `/${'x'.repeat(10_000)}?token=secret`);
  f.buffer.flush();
  const [record] = f.posted[0]!.records;
  assert.ok(record!.path!.length < 300);
  assert.ok(!JSON.stringify(record).includes('secret'));
});
