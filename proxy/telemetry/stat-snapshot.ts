// Stats of all threads at one moment, summed: what /stats, Prometheus and /clusters are made of.
import { BUCKETS } from './stats.ts';
import type { StatName } from './stats.ts';

export interface NumberSnapshot {
  readonly kind: 'counter' | 'gauge';
  readonly name: StatName;
  readonly value: number;
}

/** `buckets` are counts by upper bound (BUCKETS, then +Inf), not cumulative. */
export interface HistogramSnapshot {
  readonly kind: 'histogram';
  readonly name: StatName;
  readonly buckets: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export type StatSnapshot = NumberSnapshot | HistogramSnapshot;

/** The value below which a share `q` (0 to 1) of all lies, by a straight line within its bucket; NaN for none. */
export function quantile({ buckets, count }: HistogramSnapshot, q: number): number {
  if (count === 0) return Number.NaN;
  const rank = q * count;
  let below = 0;
  for (let i = 0; i < BUCKETS.length; i++) {
    const inside = buckets[i]!;
    if (inside > 0 && below + inside >= rank) {
      const low = i === 0 ? 0 : BUCKETS[i - 1]!;
      return low + (BUCKETS[i]! - low) * Math.max(0, (rank - below) / inside);
    }
    below += inside;
  }
  return BUCKETS.at(-1)!;
}
