// Work that gives way: in small steps, between which others get their turn.
import type { Clock } from '../../proxy/base/clock.ts';

/** Gives way between pieces of work that take some milliseconds together, and returns what they came to. */
export type Steps<T> = Generator<void, T, undefined>;

/** Does all of it. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** So long the event loop may be held (design.md section 6). */
export const SLICE_MS = 5;

/** Does all of it in slices between which the event loop turns. Rejects with what a step throws. */
export async function inSlices<T>(steps: Steps<T>, clock: Clock): Promise<T> {
  for (;;) {
    const untilMs = clock.nowMs() + SLICE_MS;
    do {
      const { done, value } = steps.next();
      if (done === true) return value;
    } while (clock.nowMs() < untilMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
