// The last streams that were closed: what may still come for them, because its sender couldn't know, is told by how.

const REMEMBERED = 128;

/** A ring of stream ids; the sign says whether this side has reset the stream. */
export class ClosedStreams {
  readonly #ids = new Int32Array(REMEMBERED);
  #next = 0;

  add(id: number, reset: boolean): void {
    this.#ids[this.#next] = reset ? -id : id;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  /** This side has reset it: late frames are no fault. */
  wasReset(id: number): boolean {
    return this.#ids.includes(-id);
  }

  /** It had been open, and both sides know that it ended. */
  wasEnded(id: number): boolean {
    return this.#ids.includes(id);
  }
}
