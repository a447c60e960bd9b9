// Writes one message after another to a connection: head and small body as one string, large bodies without a copy.
import type { Transport } from '../base/transport.ts';
import type { Flushable, WriteBatch } from '../base/write-batch.ts';

/** How the end of an outgoing body is told. */
export const BodyFraming = {
  /** There is no body; bytes of one are dropped (responses to HEAD, 204, 304). */
  NONE: 0,
  LENGTH: 1,
  CHUNKED: 2,
  /** Bytes as they are, until the connection ends: HTTP/1.0 peers, tunnels. */
  RAW: 3,
} as const;

/** Up to this size a copy is cheaper than a second buffer in the write. */
const SMALL_BYTES = 16 * 1024;

const LAST_CHUNK = '0\r\n\r\n';

export class MessageWriter implements Flushable {
  readonly #transport: Transport;
  readonly #batch: WriteBatch;
  /** A head that waits for the first bytes of its body, or for the end of the event. */
  #head = '';
  #framing: number = BodyFraming.NONE;
  #left = 0;
  /** The last write asked to hold back, and nobody has been told of room yet. */
  #blocked = false;
  /** The body was longer or shorter than declared: the message cannot be ended well. */
  failed = false;

  constructor(transport: Transport, batch: WriteBatch) {
    this.#transport = transport;
    this.#batch = batch;
  }

  /** Begins a message. `head` is complete; `length` counts with LENGTH framing. */
  start(head: string, framing: number, length: number, end: boolean): void {
    this.#framing = framing;
    this.#left = length;
    this.failed = false;
    if (end) {
      if (framing === BodyFraming.CHUNKED) this.#writeText(head + LAST_CHUNK);
      else this.#writeText(head);
      return;
    }
    this.#head += head;
    this.#batch.add(this);
  }

  /** The bytes that follow are raw: a tunnel that this side asked for is open. */
  startRaw(): void {
    this.#framing = BodyFraming.RAW;
  }

  /** Text that belongs before the message that comes: an interim response. */
  interim(text: string): void {
    this.#writeText(text);
  }

  /** False: hold back until `drained` says that there is room. */
  data(chunk: Buffer, end: boolean): boolean {
    switch (this.#framing) {
      case BodyFraming.LENGTH:
        this.#left -= chunk.length;
        if (this.#left < 0 || (end && this.#left > 0)) {
          this.failed = true;
          return true;
        }
        return this.#plain(chunk);
      case BodyFraming.CHUNKED:
        return this.#chunk(chunk, end);
      case BodyFraming.RAW:
        return this.#plain(chunk);
      default:
        this.flushWrites();
        return true;
    }
  }

  /** Ends a chunked message by the lines of its trailers. Other framings cannot carry any. */
  trailers(lines: string): void {
    if (this.#framing === BodyFraming.CHUNKED) this.#writeText(`0\r\n${lines}\r\n`);
    else if (this.#framing === BodyFraming.LENGTH && this.#left > 0) this.failed = true;
    else this.flushWrites();
  }

  flushWrites(): void {
    if (this.#head !== '') this.#writeText('');
  }

  /** The transport has room again: whether somebody waits to hear it. */
  drained(): boolean {
    const waited = this.#blocked;
    this.#blocked = false;
    return waited;
  }

  #plain(chunk: Buffer): boolean {
    if (chunk.length === 0) {
      this.flushWrites();
      return !this.#blocked;
    }
    if (this.#head === '') return this.#room(this.#transport.write(chunk));
    if (chunk.length <= SMALL_BYTES) return this.#writeText(chunk.toString('latin1'));
    return this.#around('', chunk, '');
  }

  #chunk(chunk: Buffer, end: boolean): boolean {
    // A chunk of size 0 would be the last one.
    if (chunk.length === 0) return end ? this.#writeText(LAST_CHUNK) : !this.#blocked;
    const size = `${chunk.length.toString(16)}\r\n`;
    const after = end ? '\r\n0\r\n\r\n' : '\r\n';
    if (chunk.length > SMALL_BYTES) return this.#around(size, chunk, after);
    return this.#writeText(size + chunk.toString('latin1') + after);
  }

  /** Head, text, bytes and text leave as one write without copying the bytes. */
  #around(before: string, chunk: Buffer, after: string): boolean {
    const text = this.#head + before;
    this.#head = '';
    return this.#room(this.#transport.writeAround(text, chunk, after));
  }

  #writeText(text: string): boolean {
    const head = this.#head;
    this.#head = '';
    return this.#room(this.#transport.writeLatin1(head === '' ? text : head + text));
  }

  #room(room: boolean): boolean {
    if (!room) this.#blocked = true;
    return room;
  }
}
