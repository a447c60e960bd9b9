// Shares that are taken for right, against the binomial distribution itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe, fitsShare, tally } from './tally.ts';

/** How likely it is that a right program is told off. */
function refusalRate(total: number, share: number): number {
  let rate = 0;
  let ways = 0;
  for (let count = 0; count <= total; count++) {
    if (count > 0) ways += Math.log(total - count + 1) - Math.log(count);
    const likely = Math.exp(ways + count * Math.log(share) + (total - count) * Math.log(1 - share));
    if (!fitsShare(count, total, share)) rate += likely;
  }
  return rate;
}

test('a right share is refused less than once in a million runs, one that is far off always', () => {
  for (const [total, share] of [[200, 0.5], [250, 0.2], [250, 0.25], [300, 0.1], [300, 0.7]] as const) {
    assert.ok(refusalRate(total, share) < 1e-6, `${total} ${share}: ${refusalRate(total, share)}`);
    assert.ok(fitsShare(Math.round(total * share), total, share));
    for (const wrong of [0, total]) assert.equal(fitsShare(wrong, total, share), false);
  }
  assert.equal(fitsShare(100, 200, 0.75), false);
  assert.equal(fitsShare(150, 250, 0.2), false);
});

test('shares of nothing and of everything allow no exception', () => {
  assert.deepEqual([fitsShare(0, 9, 0), fitsShare(1, 9, 0), fitsShare(9, 9, 1), fitsShare(8, 9, 1)],
    [true, false, true, false]);
});

test('what was seen is told in order', () => {
  assert.equal(describe(tally(['v2', 'v1', 'v2'])), 'v1 1, v2 2');
});
