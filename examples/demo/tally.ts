// How often each thing was seen, and whether that fits a share.

/** By what was seen. */
export type Tally = ReadonlyMap<string, number>;

export function tally(seen: readonly string[]): Tally {
  const counts = new Map<string, number>();
  for (const each of seen) counts.set(each, (counts.get(each) ?? 0) + 1);
  return counts;
}

/** `v1 20, v3 22`. */
export function describe(counts: Tally): string {
  return [...counts].map(([what, count]) => `${what} ${count}`).toSorted((a, b) => a.localeCompare(b)).join(', ');
}

/** Of right programs one run in ten million is told off. */
const UNLIKELY = Math.log(2 * 10_000_000);

/** Whether `count` of `total` fits `share` (between 0 and 1), by Chernoff's bound of the binomial tails. */
export function fitsShare(count: number, total: number, share: number): boolean {
  const part = (seen: number, expected: number): number => (seen === 0 ? 0 : seen * Math.log(seen / expected));
  const divergence = part(count, total * share) + part(total - count, total * (1 - share));
  return divergence <= UNLIKELY;
}
