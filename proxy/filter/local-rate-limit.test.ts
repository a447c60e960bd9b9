// The local rate limit filter on its own: fills over time, shares of requests, and what configuration is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heldBuckets } from '../../test/harness/buckets.ts';
import { CountedStats } from '../../test/harness/counted.ts';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import { ManualClock } from '../base/clock.ts';
import { SeededRandom } from '../base/random.ts';
import type { LocalRateLimit } from '../config/local-rate-limit.ts';
import { ResponseHead } from '../http/message.ts';
import { LocalRateLimitFilter } from './local-rate-limit.ts';

const ALL = { defaultValue: { numerator: 100 } };
const HALF = { defaultValue: { numerator: 50 } };

function setUp(config: Partial<LocalRateLimit>, owner = 'chain') {
  const clock = new ManualClock();
  const buckets = heldBuckets(clock);
  const counted = new CountedStats();
  const deps = {
    random: new SeededRandom(1), stats: counted.stats, node: { id: '', cluster: '', metadata: {} }, buckets,
  };
  const full = { statPrefix: 'p', filterEnabled: ALL, filterEnforced: ALL, ...config };
  const make = (place: string): LocalRateLimitFilter =>
    new LocalRateLimitFilter('limit', full, deps, place, 'typedConfig');
  return { clock, counted, make, filter: make(owner) };
}

function passes(filter: LocalRateLimitFilter, count: number): number {
  let passed = 0;
  for (let i = 0; i < count; i++) if (filter.onRequestHead(new HeldFilterStream()) === 'continue') passed++;
  return passed;
}

const PER_SECOND = { maxTokens: 3, tokensPerFill: 10, fillInterval: '1s' };

test('tokens come evenly over the interval, up to the size of the bucket', () => {
  const { clock, filter } = setUp({ tokenBucket: PER_SECOND });
  assert.equal(passes(filter, 10), 3);
  clock.advance(100);
  assert.equal(passes(filter, 10), 1);
  clock.advance(5000);
  assert.equal(passes(filter, 10), 3);
});

test('a filter that is compiled again at the same place keeps its bucket, one at another place has its own', () => {
  const { filter, make } = setUp({ tokenBucket: PER_SECOND });
  assert.deepEqual([passes(filter, 5), passes(make('chain'), 5), passes(make('other'), 5)], [3, 0, 3]);
});

test('shares of requests are counted, and refused', () => {
  const { counted, filter } = setUp({
    tokenBucket: { maxTokens: 1, fillInterval: '3600s' }, filterEnabled: HALF, filterEnforced: HALF,
  });
  const refused = 4000 - passes(filter, 4000);
  const { 'p.http_local_rate_limit.enabled': enabled = 0, 'p.http_local_rate_limit.enforced': enforced = 0,
    'p.http_local_rate_limit.rate_limited': limited = 0 } = counted.counts;
  assert.ok(enabled > 1800 && enabled < 2200, `${enabled} of 4000`);
  assert.equal(limited, enabled - 1);
  assert.equal(enforced, refused);
  assert.ok(refused > 850 && refused < 1150, `${refused} of ${limited}`);
});

test('clients are told when to come again', () => {
  const { clock, filter } = setUp({
    tokenBucket: { maxTokens: 1, fillInterval: '10s' }, enableXRatelimitHeaders: 'DRAFT_VERSION_03',
  });
  passes(filter, 1);
  clock.advance(3500);
  const stream = new HeldFilterStream();
  assert.equal(filter.onRequestHead(stream), 'replied');
  const head = new ResponseHead(429);
  filter.onResponseHead(stream, head);
  assert.deepEqual(head.headers.fields, ['x-ratelimit-limit', '1', 'x-ratelimit-remaining', '0',
    'x-ratelimit-reset', '7']);
});

test('an interval below 50 ms is refused by its path, as in Envoy', () => {
  const tokenBucket = { maxTokens: 1, fillInterval: '0.049s' };
  assert.throws(() => setUp({ tokenBucket }), /typedConfig\.tokenBucket\.fillInterval: must be at least/);
  assert.throws(() => setUp({ tokenBucket: { maxTokens: 4e9, fillInterval: '864000s' } }), /for centuries/);
  const descriptors = [{ entries: [{ key: 'a', value: 'b' }], tokenBucket }];
  assert.throws(() => setUp({ descriptors }), /typedConfig\.descriptors\[0\]\.tokenBucket\.fillInterval/);
});
