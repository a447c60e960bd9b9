// How many bytes a peer may still send, on a stream or a connection (RFC 9113 section 5.2).

export class ReceiveWindow {
  #size: number;
  #left: number;
  /** Taken and used, but not yet given back. */
  #owed = 0;

  constructor(size: number) {
    this.#size = size;
    this.#left = size;
  }

  /** False when the peer has sent more than it may. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Bytes that are used up; the increment to announce now, 0 for none: small ones are saved up. */
  credit(bytes: number): number {
    this.#owed += bytes;
    if (this.#owed * 2 < this.#size) return 0;
    const increment = this.#owed;
    this.#owed = 0;
    this.#left += increment;
    return increment;
  }

  /** The peer has learned of another size; what is left may become negative. */
  resize(size: number): void {
    this.#left += size - this.#size;
    this.#size = size;
  }
}
