// Where the messages of a gRPC body begin and end, whatever its chunks are: a flag, four bytes of length, the message.

const HEADER_BYTES = 5;

/** One direction of one stream. Nothing is kept of the bytes; a length of up to 4 GiB is only counted down. */
export class GrpcFrames {
  /** Messages that have begun. */
  count = 0;
  #headerBytes = 0;
  /** Of the message's length while its header is read, then of the message that is still to come. */
  #left = 0;

  /** Nothing of a message has come that has not come whole. */
  get between(): boolean {
    return this.#headerBytes === 0;
  }

  /** Reads on from `at`, to the end of the message there or of the chunk; returns where that is. */
  next(chunk: Buffer, at: number): number {
    let i = at;
    if (this.#headerBytes < HEADER_BYTES) {
      i = this.#header(chunk, i);
      if (this.#headerBytes < HEADER_BYTES) return i;
    }
    const taken = Math.min(this.#left, chunk.length - i);
    this.#left -= taken;
    if (this.#left === 0) this.#headerBytes = 0;
    return i + taken;
  }

  /** Reads the whole chunk; returns how many messages begin in it. */
  read(chunk: Buffer): number {
    const before = this.count;
    for (let at = 0; at < chunk.length; ) at = this.next(chunk, at);
    return this.count - before;
  }

  #header(chunk: Buffer, at: number): number {
    let i = at;
    for (; i < chunk.length && this.#headerBytes < HEADER_BYTES; i++, this.#headerBytes++) {
      if (this.#headerBytes > 0) this.#left = this.#left * 256 + chunk[i]!;
      else this.count++;
    }
    return i;
  }
}
