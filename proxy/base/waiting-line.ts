// Objects that wait for their turn, in order. A Set would do, but for its garbage: each time it makes its table anew,
// the old table points to the next one, and what once was promoted keeps objects alive that left long ago.

/** What waits in a line; the links are the line's own. It is in at most one. */
export interface Waiting<T extends Waiting<T>> {
  line: WaitingLine<T> | undefined;
  before: T | undefined;
  behind: T | undefined;
}

export class WaitingLine<T extends Waiting<T>> {
  first: T | undefined = undefined;
  #last: T | undefined = undefined;
  size = 0;

  /** Puts it last, taking it out of the line that it is in. */
  push(item: T): void {
    item.line?.remove(item);
    item.line = this;
    item.before = this.#last;
    if (this.#last === undefined) this.first = item;
    else this.#last.behind = item;
    this.#last = item;
    this.size++;
  }

  /** It must be in this line. */
  remove(item: T): void {
    const { before, behind } = item;
    if (before === undefined) this.first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    item.line = undefined;
    item.before = item.behind = undefined;
    this.size--;
  }
}
