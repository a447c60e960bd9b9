// Log lines as bytes: what a format prints is written where it stays, with no string in between.
import { TAB, lineText } from './line-text.ts';
import type { TextOrigin } from './line-text.ts';

const START_BYTES = 4096;
/** What a burst has needed above this is given back. */
const KEPT_BYTES = 128 * 1024;
const ZERO = 0x30;

/** Bytes that grow by doubling; its user bounds them. */
export class LineBuffer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(START_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Takes away what was written after `length`. */
  cutTo(length: number): void {
    this.#length = length;
  }

  /** All bytes; the buffer begins anew, and never touches these again. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    // About as much comes again.
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(this.#bytes.length, KEPT_BYTES));
    this.#length = 0;
    return taken;
  }

  /** Latin1 text that is safe already. */
  raw(text: string): void {
    this.#reserve(text.length);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.#length = at;
  }

  /** Made safe as its origin needs (`lineText`). */
  text(text: string, origin: TextOrigin): void {
    if (origin === 'own') {
      this.raw(text);
      return;
    }
    this.#reserve(text.length);
    const bytes = this.#bytes;
    const limit = origin === 'config' ? 0x80 : 0x100;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= limit || (code < 0x20 && code !== TAB) || code === 0x7f) {
        this.raw(lineText(text, origin));
        return;
      }
      bytes[at++] = code;
    }
    this.#length = at;
  }

  number(value: number): void {
    if (value < 0 || value > 999 || !Number.isInteger(value)) {
      this.raw(String(value));
      return;
    }
    this.#reserve(3);
    const bytes = this.#bytes;
    if (value > 99) bytes[this.#length++] = ZERO + Math.floor(value / 100);
    if (value > 9) bytes[this.#length++] = ZERO + (Math.floor(value / 10) % 10);
    bytes[this.#length++] = ZERO + (value % 10);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
