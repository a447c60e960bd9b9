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

/** Of p = 1e-6, for tests that compare many pairs of samples. */
const Z_OF_MANY = 4.753;

/** Whether two samples of the same size, counted by name, may be of one distribution. */
export function areAlike(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  const names = new Set([...one.keys(), ...other.keys()]);
  let statistic = 0;
  for (const name of names) {
    const [a, b] = [one.get(name) ?? 0, other.get(name) ?? 0];
    statistic += (a - b) ** 2 / (a + b);
  }
  return statistic <= limit(names.size - 1, Z_OF_MANY);
}

/** Throws unless both could be counts of the same shares, whatever these are, with p > 1e-4. */
export function assertAlike(counts: readonly number[], others: readonly number[], label: string): void {
  const [sum, otherSum] = [counts, others].map((list) => list.reduce((all, count) => all + count, 0));
  const ratio = Math.sqrt(otherSum! / sum!);
  let statistic = 0;
  let freedom = -1;
  counts.forEach((count, i) => {
    const both = count + others[i]!;
    if (both === 0) return;
    statistic += (count * ratio - others[i]! / ratio) ** 2 / both;
    freedom++;
  });
  const text = `${counts.join()} beside ${others.join()}, chi-squared ${statistic}`;
  assert.ok(statistic <= limit(freedom), `${label}: ${text}`);
}

/** Wilson and Hilferty's approximation of the quantile. */
function limit(freedom: number, z = Z): number {
  if (freedom <= 0) return 0;
  const part = 2 / (9 * freedom);
  return freedom * (1 - part + z * Math.sqrt(part)) ** 3;
}
