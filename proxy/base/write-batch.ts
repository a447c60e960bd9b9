// Collects connections that hold output back, and flushes them all when the event that made the output is over.
import type { WorkerClock } from './clock.ts';

/** So many flushes at once: peers on other processors have their work early enough. */
const LATE_MAX = 64;

/** A connection with output that waits for the end of the event. */
export interface Flushable {
  flushWrites(): void;
}

/**
 * One per worker. A codec brackets each event of its socket by `enter` and `leave`, so that a head and the body that
 * follows in the same event leave as one write; output made outside of any event goes out at the next tick. What is
 * added late waits until all sockets that are ready have had their event: for connections that many others write to.
 */
export class WriteBatch {
  /** Its length never shrinks: setting the length of an array is a slow call into the runtime. */
  readonly #waiting: (Flushable | undefined)[] = [];
  readonly #clock: WorkerClock | undefined;
  #count = 0;
  #depth = 0;
  #scheduled = false;
  readonly #late: (Flushable | undefined)[] = [];
  #lateCount = 0;
  #turnScheduled = false;
  readonly #onTurn = (): void => {
    this.#turnScheduled = false;
    this.flushLate();
  };
  readonly #onTick = (): void => {
    this.#scheduled = false;
    this.#flush();
  };

  /** `clock` is held while an event lasts. */
  constructor(clock?: WorkerClock) {
    this.#clock = clock;
  }

  add(item: Flushable): void {
    this.#waiting[this.#count++] = item;
    if (this.#depth > 0 || this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#onTick);
  }

  enter(): void {
    if (this.#depth++ === 0) this.#clock?.hold();
  }

  leave(): void {
    this.#depth--;
    if (this.#depth > 0) return;
    if (this.#count > 0) this.#flush();
    this.#clock?.release();
  }

  addLate(item: Flushable): void {
    this.#late[this.#lateCount++] = item;
    if (this.#lateCount === LATE_MAX) this.flushLate();
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    setImmediate(this.#onTurn);
  }

  /** What is added meanwhile is flushed too. */
  flushLate(): void {
    for (let i = 0; i < this.#lateCount; i++) flushAt(this.#late, i);
    this.#lateCount = 0;
  }

  /** A flush may add more: those are flushed too. */
  #flush(): void {
    for (let i = 0; i < this.#count; i++) flushAt(this.#waiting, i);
    this.#count = 0;
  }
}

function flushAt(waiting: (Flushable | undefined)[], at: number): void {
  const item = waiting[at]!;
  waiting[at] = undefined;
  item.flushWrites();
}
