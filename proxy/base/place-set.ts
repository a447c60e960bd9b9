// A set of objects that come and go all the time. A Set would do, but for its garbage: each time it makes its table
// anew, the old table points to the next one, and what once was promoted keeps objects alive that left long ago.

/** What a PlaceSet holds; the place is the set's own. -1 while it is in none. */
export interface Placed {
  place: number;
}

/** Adding and deleting are O(1); the order is none. */
export class PlaceSet<T extends Placed> {
  readonly #items: (T | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(item: T): void {
    item.place = this.#size;
    this.#items[this.#size++] = item;
  }

  /** False when it isn't there. */
  delete(item: T): boolean {
    const { place } = item;
    if (place === -1 || this.#items[place] !== item) return false;
    const last = this.#items[--this.#size]!;
    this.#items[this.#size] = undefined;
    if (last !== item) {
      last.place = place;
      this.#items[place] = last;
    }
    item.place = -1;
    return true;
  }

  /** A list that stays as it is while items come and go. */
  all(): T[] {
    return this.#items.filter((item) => item !== undefined);
  }
}
