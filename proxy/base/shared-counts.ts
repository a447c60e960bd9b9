// Counts that several threads keep together: each thread writes a row of its own, everybody reads the sum of the rows.

/** Fields of one row; 16 Int32 fill a cache line, so that threads don't disturb each other. */
export const COUNT_FIELDS = 16;

/**
 * A table of counts `[slot][thread][field]` in shared memory. Because every thread has a row of its own, the counts
 * that a
 * dead thread held are taken back by `clearThread`, and nothing leaks.
 */
export class SharedCounts {
  readonly threads: number;
  readonly #counts: Int32Array;

  /** `memory` holds `bytesFor(slots, threads)`; plain memory will do for one thread. */
  constructor(memory: SharedArrayBuffer | ArrayBuffer, threads: number) {
    this.threads = threads;
    this.#counts = new Int32Array(memory);
  }

  static bytesFor(slots: number, threads: number): number {
    return slots * threads * COUNT_FIELDS * Int32Array.BYTES_PER_ELEMENT;
  }

  /** Number of slots that the memory has room for. */
  get slots(): number {
    return Math.floor(this.#counts.length / (this.threads * COUNT_FIELDS));
  }

  add(slot: number, thread: number, field: number, amount: number): void {
    Atomics.add(this.#counts, this.#at(slot, thread) + field, amount);
  }

  /** What one thread holds. */
  own(slot: number, thread: number, field: number): number {
    return Atomics.load(this.#counts, this.#at(slot, thread) + field);
  }

  /** Over all threads. */
  sum(slot: number, field: number): number {
    let total = 0;
    let at = this.#at(slot, 0) + field;
    for (let thread = 0; thread < this.threads; thread++, at += COUNT_FIELDS) total += Atomics.load(this.#counts, at);
    return total;
  }

  /**
   * Adds one and keeps it only while the sum stays within `limit`: the sum, or 0 when refused. Adding before looking
   * means that threads which race
   * never exceed the limit together; at worst all of them are refused.
   */
  tryAdd(slot: number, thread: number, field: number, limit: number): number {
    this.add(slot, thread, field, 1);
    const sum = this.sum(slot, field);
    if (sum <= limit) return sum;
    this.add(slot, thread, field, -1);
    return 0;
  }

  /** Gives back all that a thread held; for the supervisor, when a worker has ended. */
  clearThread(thread: number): void {
    for (let slot = 0; slot < this.slots; slot++) {
      const at = this.#at(slot, thread);
      for (let field = 0; field < COUNT_FIELDS; field++) Atomics.store(this.#counts, at + field, 0);
    }
  }

  #at(slot: number, thread: number): number {
    return (slot * this.threads + thread) * COUNT_FIELDS;
  }
}
