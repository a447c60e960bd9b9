// How long a proxy drains, by what its bootstrap, its environment and Istio's ProxyConfig say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lifecycleOf } from './lifecycle-config.ts';

test('F17 without a word a proxy drains until nobody is connected, for half a minute at most', () => {
  assert.deepEqual(lifecycleOf({}, {}), {
    drain: { deadlineMs: 30_000, minimumMs: 0, endsWhenEmpty: true }, socketMode: 0o600,
  });
  assert.equal(lifecycleOf({}, {}, 7000).drain.deadlineMs, 7000);
});

test('F17 the deadline is the grace period less what the end takes, whatever else is said', () => {
  const of = (grace: string, env: Record<string, string> = {}): unknown =>
    lifecycleOf({ WEFT_LIFECYCLE: { grace_period: grace } }, env).drain;
  assert.deepEqual(of('1m40s'), { deadlineMs: 90_000, minimumMs: 0, endsWhenEmpty: true });
  assert.deepEqual(of('5s'), { deadlineMs: 4000, minimumMs: 0, endsWhenEmpty: true });
  const ten = { deadlineMs: 9000, minimumMs: 9000, endsWhenEmpty: false };
  assert.deepEqual(of('10s', { TERMINATION_DRAIN_DURATION_SECONDS: '60' }), ten);
  assert.throws(() => of('1s'), /WEFT_LIFECYCLE\.grace_period: leaves no time/);
});

test('F17 what Istio says of the end means the same: terminationDrainDuration, EXIT_ON_ZERO_ACTIVE_CONNECTIONS', () => {
  const proxyConfig = (fields: unknown, env: Record<string, string> = {}): unknown =>
    lifecycleOf({ PROXY_CONFIG: fields }, env).drain;
  assert.deepEqual(proxyConfig({ terminationDrainDuration: '5s' }),
    { deadlineMs: 5000, minimumMs: 5000, endsWhenEmpty: false });
  const exits = { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' };
  const onZero = { deadlineMs: 30_000, minimumMs: 5000, endsWhenEmpty: true };
  assert.deepEqual(proxyConfig({ terminationDrainDuration: '5s' }, exits), onZero);
  assert.deepEqual(proxyConfig({ proxyMetadata: exits }), onZero);
  assert.deepEqual(proxyConfig({}, { ...exits, MINIMUM_DRAIN_DURATION: '1m' }),
    { deadlineMs: 30_000, minimumMs: 30_000, endsWhenEmpty: true });
});

test('S103 what cannot be meant is refused by its name', () => {
  const refused = (fields: unknown): (() => unknown) => () => lifecycleOf({ WEFT_LIFECYCLE: fields }, {});
  assert.throws(refused('x'), /WEFT_LIFECYCLE: expected an object/);
  assert.throws(refused({ helth: 'a:1' }), /WEFT_LIFECYCLE\.helth: unknown field.*health/);
  assert.throws(refused({ health: '15021' }), /WEFT_LIFECYCLE\.health: expected HOST:PORT/);
  assert.throws(refused({ grace_period: 30 }), /grace_period: expected a duration/);
  assert.throws(refused({ socket_mode: 'rw' }), /socket_mode: expected a file mode/);
  assert.throws(() => lifecycleOf({}, { MINIMUM_DRAIN_DURATION: 'soon' }), /MINIMUM_DRAIN_DURATION: expected/);
});
