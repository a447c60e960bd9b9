// The writing half of an HTTP/1.1 connection: collects text so that head and small body leave as one write.
import type { Transport } from '../base/transport.ts';
import type { Flushable, WriteBatch } from '../base/write-batch.ts';

/** Bodies up to this size are appended to the text; larger ones are written as they are. */
const APPEND_BYTES_MAX = 16 * 1024;
/** Text that waits beyond this is written at once. */
const HELD_BYTES_MAX = 64 * 1024;

export class Http1Output implements Flushable {
  readonly #transport: Transport;
  readonly #writes: WriteBatch;
  #text = '';
  #waiting = false;
  #room = true;
  /** Finish sending once everything is written. */
  #ending = false;

  constructor(transport: Transport, writes: WriteBatch) {
    this.#transport = transport;
    this.#writes = writes;
  }

  /** False while the peer takes no more; true again after `drained`. */
  get room(): boolean {
    return this.#room;
  }

  text(text: string): void {
    this.#text += text;
    if (this.#text.length > HELD_BYTES_MAX) this.flush();
    else this.#wait();
  }

  bytes(chunk: Buffer): void {
    if (chunk.length <= APPEND_BYTES_MAX) {
      this.text(chunk.toString('latin1'));
      return;
    }
    this.#transport.cork();
    this.flush();
    if (!this.#transport.write(chunk)) this.#room = false;
    this.#transport.uncork();
  }

  /** Sends FIN after all that waits. */
  end(): void {
    this.#ending = true;
    this.#wait();
  }

  drained(): void {
    this.#room = true;
  }

  flush(): void {
    this.#waiting = false;
    if (this.#text !== '') {
      const text = this.#text;
      this.#text = '';
      if (!this.#transport.writeLatin1(text)) this.#room = false;
    }
    if (this.#ending) this.#transport.end();
  }

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#writes.add(this);
  }
}
