// Earliest deadline first: serves items in proportion to weights that may change from one turn to the next.
import type { Random } from '../../base/random.ts';

/**
 * A binary heap of items by deadline. Each turn takes the earliest item and puts it back 1/weight later, so that over
 * time
 * items come up in proportion to their weights, evenly spread. O(log n) a turn, nothing allocated.
 */
export class EdfSchedule<T> {
  readonly #items: T[];
  readonly #deadlines: Float64Array;
  readonly #weigh: (item: T) => number;

  /**
   * `weigh` answers a weight over 0. First deadlines are random, so that proxies that start together don't march in
   * step.
   */
  constructor(items: readonly T[], weigh: (item: T) => number, random: Random) {
    this.#items = items.slice();
    this.#weigh = weigh;
    this.#deadlines = Float64Array.from(items, (item) => random.float() / weigh(item));
    for (let i = (items.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  /** The item whose turn it is. The schedule must not be empty. */
  next(): T {
    const item = this.#items[0]!;
    this.#deadlines[0]! += 1 / this.#weigh(item);
    this.#sink(0);
    return item;
  }

  #sink(start: number): void {
    const items = this.#items;
    const deadlines = this.#deadlines;
    const item = items[start]!;
    const deadline = deadlines[start]!;
    let at = start;
    for (let child = 2 * at + 1; child < items.length; child = 2 * at + 1) {
      if (child + 1 < items.length && deadlines[child + 1]! < deadlines[child]!) child++;
      if (deadlines[child]! >= deadline) break;
      items[at] = items[child]!;
      deadlines[at] = deadlines[child]!;
      at = child;
    }
    items[at] = item;
    deadlines[at] = deadline;
  }
}
