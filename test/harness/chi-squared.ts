// Whether counts fit the shares that they should have: Pearson's chi-squared test.
import assert from 'node:assert/strict';

/** The normal quantile of p = 1e-4: a right program fails one run in ten thousand. */
const Z = 3.719;

/** Throws unless the counts fit `shares` (which need not add up to 1) with p > 1e-4; a share of 0 allows none. */
export function assertFits(counts: readonly number[], shares: readonly number[], label: string): void {
  const picks = counts.reduce((sum, count) => sum + count, 0);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  let statistic = 0;
  let freedom = -1;
  counts.forEach((count, i) => {
    const expected = (picks * shares[i]!) / whole;
    if (expected === 0) assert.equal(count, 0, `${label}: [${i}] must get nothing`);
    else {
      statistic += (count - expected) ** 2 / expected;
      freedom++;
    }
  });
  assert.ok(statistic <= limit(freedom), `${label}: ${counts.join()} for ${shares.join()}, chi-squared ${statistic}`);
}

/** Wilson and Hilferty's approximation of the quantile. */
function limit(freedom: number): number {
  if (freedom <= 0) return 0;
  const part = 2 / (9 * freedom);
  return freedom * (1 - part + Z * Math.sqrt(part)) ** 3;
}
