// Durations in protobuf's JSON form and their bounds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DURATION_SECONDS_MAX, durationMs, formatDuration, msOr } from './duration.ts';

test('durations are read in milliseconds', () => {
  assert.equal(durationMs('1.5s'), 1500);
  assert.equal(durationMs('0s'), 0);
  assert.equal(durationMs('0.000001s'), 0.001);
  assert.equal(msOr(undefined, 7), 7);
  assert.equal(msOr('0.250s', 7), 250);
});

test('S97 what is malformed, negative or out of bounds is no duration', () => {
  for (const text of ['', '1', '-1s', '1.s', '.1s', '1e3s', '0x1s', 'NaNs', '1S', ' 1s', '1s ', '1.1234567890s']) {
    assert.equal(durationMs(text), undefined, text);
  }
  assert.equal(durationMs(`${DURATION_SECONDS_MAX}s`), DURATION_SECONDS_MAX * 1000);
  assert.equal(durationMs(`${DURATION_SECONDS_MAX}.1s`), undefined);
  assert.equal(durationMs(`${DURATION_SECONDS_MAX + 1}s`), undefined);
  assert.equal(durationMs('9'.repeat(400) + 's'), undefined);
});

test('what is printed reads back', () => {
  assert.equal(formatDuration(1500), '1.5s');
  assert.equal(formatDuration(0), '0s');
  assert.equal(formatDuration(999.999_999_9), '1s');
  fc.assert(fc.property(fc.integer({ min: 0, max: 1e12 }), (ms) => durationMs(formatDuration(ms)) === ms));
});
