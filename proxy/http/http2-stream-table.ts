// The open streams of a connection by id. A Map would do, but for its garbage: each time it makes its table anew, the
// old table points to the next one, and what once was promoted keeps streams alive that ended long ago.
import type { Http2Stream } from './http2-stream.ts';

const START_SLOTS = 16;

/** Open addressing with linear probing; at most half of the slots are taken. */
export class StreamTable {
  #slots: (Http2Stream | undefined)[] = new Array<Http2Stream | undefined>(START_SLOTS).fill(undefined);
  #mask = START_SLOTS - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Http2Stream | undefined {
    const slots = this.#slots;
    for (let at = (id >> 1) & this.#mask; ; at = (at + 1) & this.#mask) {
      const stream = slots[at];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** The stream's id must not be there yet. */
  add(stream: Http2Stream): void {
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    this.#put(stream);
    this.#size++;
  }

  /** False when it isn't there. */
  delete(id: number): boolean {
    const slots = this.#slots;
    let at = (id >> 1) & this.#mask;
    while (slots[at] !== undefined && slots[at]!.id !== id) at = (at + 1) & this.#mask;
    if (slots[at] === undefined) return false;
    this.#size--;
    this.#close(at);
    return true;
  }

  /** A list that stays as it is while streams come and go. */
  all(): Http2Stream[] {
    return this.#slots.filter((stream) => stream !== undefined);
  }

  #put(stream: Http2Stream): void {
    let at = (stream.id >> 1) & this.#mask;
    while (this.#slots[at] !== undefined) at = (at + 1) & this.#mask;
    this.#slots[at] = stream;
  }

  /** Empties a slot; those behind it that had to make way for its stream move up. */
  #close(slot: number): void {
    const slots = this.#slots;
    let hole = slot;
    for (let at = (hole + 1) & this.#mask; slots[at] !== undefined; at = (at + 1) & this.#mask) {
      const home = (slots[at]!.id >> 1) & this.#mask;
      if (((at - home) & this.#mask) < ((at - hole) & this.#mask)) continue;
      slots[hole] = slots[at];
      hole = at;
    }
    slots[hole] = undefined;
  }

  #grow(): void {
    const streams = this.all();
    const length = 2 * this.#slots.length;
    this.#slots = new Array<Http2Stream | undefined>(length).fill(undefined);
    this.#mask = length - 1;
    for (const stream of streams) this.#put(stream);
  }
}
