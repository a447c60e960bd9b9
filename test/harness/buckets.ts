// Token buckets and counts of one test, in plain memory, by a clock that the test moves.
import { ManualClock } from '../../proxy/base/clock.ts';
import { NamedCounts } from '../../proxy/base/named-counts.ts';
import { SharedBuckets } from '../../proxy/base/shared-buckets.ts';

export function heldBuckets(clock = new ManualClock(), evicted = { inc: (): void => undefined }): SharedBuckets {
  const memory = new ArrayBuffer(SharedBuckets.bytes);
  SharedBuckets.seed(memory, 7, 11);
  return new SharedBuckets(memory, () => clock.nowMs(), evicted);
}

export function heldCounts(): NamedCounts {
  return new NamedCounts(new ArrayBuffer(NamedCounts.bytesFor(1)), 1, 0);
}
