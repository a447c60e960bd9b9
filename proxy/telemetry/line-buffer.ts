// Log lines as bytes: what a format prints is written where it stays, with no string in between.
import { ByteBuffer } from '../base/byte-buffer.ts';
import { TAB, lineText } from './line-text.ts';
import type { TextOrigin } from './line-text.ts';

const ZERO = 0x30;

export class LineBuffer extends ByteBuffer {
  /** Takes away what was written after `length`. */
  cutTo(length: number): void {
    this.length = length;
  }

  /** Made safe as its origin needs (`lineText`). */
  text(text: string, origin: TextOrigin): void {
    if (origin === 'own') {
      this.latin1(text);
      return;
    }
    this.reserve(text.length);
    const { bytes } = this;
    const limit = origin === 'config' ? 0x80 : 0x100;
    let at = this.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= limit || (code < 0x20 && code !== TAB) || code === 0x7f) {
        this.latin1(lineText(text, origin));
        return;
      }
      bytes[at++] = code;
    }
    this.length = at;
  }

  number(value: number): void {
    if (value < 0 || value > 999 || !Number.isInteger(value)) {
      this.latin1(String(value));
      return;
    }
    this.reserve(3);
    const { bytes } = this;
    if (value > 99) bytes[this.length++] = ZERO + Math.floor(value / 100);
    if (value > 9) bytes[this.length++] = ZERO + (Math.floor(value / 10) % 10);
    bytes[this.length++] = ZERO + (value % 10);
  }
}
