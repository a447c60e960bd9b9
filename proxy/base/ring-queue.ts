// A bounded first-in, first-out queue on a ring that grows by doubling up to its limit.

const START_SLOTS = 16;

/** Holds at most `max` items. Adding and taking are O(1); deleting costs the distance from the head. */
export class RingQueue<T> {
  readonly max: number;
  #ring: (T | undefined)[] = new Array<T | undefined>(START_SLOTS).fill(undefined);
  #head = 0;
  #size = 0;

  constructor(max: number) {
    this.max = max;
  }

  get size(): number {
    return this.#size;
  }

  /** False, and nothing changes, when the queue is full. */
  push(item: T): boolean {
    if (this.#size >= this.max) return false;
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#size) & (this.#ring.length - 1)] = item;
    this.#size++;
    return true;
  }

  /** The oldest item, without taking it. */
  peek(): T | undefined {
    return this.#ring[this.#head];
  }

  /** Takes the oldest item. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#dropHead();
    return item;
  }

  /**
   * Takes an item out of turn; false when it isn't here. Those before it move up, as who gives up is mostly the
   * oldest.
   */
  delete(item: T): boolean {
    const mask = this.#ring.length - 1;
    for (let i = 0; i < this.#size; i++) {
      if (this.#ring[(this.#head + i) & mask] !== item) continue;
      for (let j = i; j > 0; j--) this.#ring[(this.#head + j) & mask] = this.#ring[(this.#head + j - 1) & mask];
      this.#dropHead();
      return true;
    }
    return false;
  }

  #dropHead(): void {
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#size--;
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Array<T | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.#size; i++) ring[i] = old[(this.#head + i) & (old.length - 1)];
    this.#ring = ring;
    this.#head = 0;
  }
}
