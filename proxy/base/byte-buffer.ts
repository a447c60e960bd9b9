// Bytes in the making: frames, header blocks and log lines are written here, without strings or lists in between.

const START_BYTES = 4096;
/** What a burst has needed above this is given back. */
const KEPT_BYTES = 128 * 1024;

/** Grows by doubling; its user bounds it. Writers `reserve`, then write to `bytes` at `length` and move `length`. */
export class ByteBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(START_BYTES);
  length = 0;

  /** Makes room for `more` bytes; `bytes` may be another buffer afterwards. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  /** Text whose characters are bytes. */
  latin1(text: string): void {
    this.reserve(text.length);
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.length = at;
  }

  /** All bytes; the buffer begins anew, and never touches these again. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.length);
    // About as much comes again.
    this.bytes = Buffer.allocUnsafeSlow(Math.min(this.bytes.length, KEPT_BYTES));
    this.length = 0;
    return taken;
  }
}
