// Writes one message after another to a connection: head and small body as one string, large bodies without a copy.
// Text waits until all sockets that are ready have had their event: a peer that is woken then has much to read.
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

/** Text that leaves without waiting for the end of the turn. */
const HELD_CHARS_MAX = 2 * SMALL_BYTES;

const LAST_CHUNK = '0\r\n\r\n';

export class MessageWriter implements Flushable {
  readonly #transport: Transport;
  readonly #batch: WriteBatch;
  /** Text that waits for more of its message, or for the end of the turn. */
  #text = '';
  #queued = false;
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
    this.#add(end && framing === BodyFraming.CHUNKED ? head + LAST_CHUNK : head);
  }

  /** The bytes that follow are raw: a tunnel that this side asked for is open. */
  startRaw(): void {
    this.#framing = BodyFraming.RAW;
  }

  /** Text that belongs before the message that comes: an interim response. */
  interim(text: string): void {
    this.#add(text);
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
        return true;
    }
  }

  /** Ends a chunked message by the lines of its trailers. Other framings cannot carry any. */
  trailers(lines: string): void {
    if (this.#framing === BodyFraming.CHUNKED) this.#add(`0\r\n${lines}\r\n`);
    else if (this.#framing === BodyFraming.LENGTH && this.#left > 0) this.failed = true;
  }

  flushWrites(): void {
    this.#queued = false;
    const text = this.#text;
    if (text === '') return;
    this.#text = '';
    this.#room(this.#transport.writeLatin1(text));
  }

  get holdsText(): boolean {
    return this.#text !== '';
  }

  /** The transport has room again: whether somebody waits to hear it. */
  drained(): boolean {
    const waited = this.#blocked;
    this.#blocked = false;
    return waited;
  }

  #plain(chunk: Buffer): boolean {
    if (chunk.length === 0) return !this.#blocked;
    if (this.#text === '') return this.#room(this.#transport.write(chunk));
    if (chunk.length <= SMALL_BYTES) return this.#add(chunk.toString('latin1'));
    return this.#around('', chunk, '');
  }

  #chunk(chunk: Buffer, end: boolean): boolean {
    // A chunk of size 0 would be the last one.
    if (chunk.length === 0) return end ? this.#add(LAST_CHUNK) : !this.#blocked;
    const size = `${chunk.length.toString(16)}\r\n`;
    const after = end ? '\r\n0\r\n\r\n' : '\r\n';
    if (chunk.length > SMALL_BYTES) return this.#around(size, chunk, after);
    return this.#add(size + chunk.toString('latin1') + after);
  }

  /** What waits, text, bytes and text leave as one write without copying the bytes. */
  #around(before: string, chunk: Buffer, after: string): boolean {
    const text = this.#text + before;
    this.#text = '';
    return this.#room(this.#transport.writeAround(text, chunk, after));
  }

  #add(text: string): boolean {
    this.#text = this.#text === '' ? text : this.#text + text;
    if (this.#text.length > HELD_CHARS_MAX) this.flushWrites();
    else if (!this.#queued) {
      this.#queued = true;
      // Late over TLS it would look unsent when the response comes, and end the connection's use (S10).
      if (this.#transport.encrypts) this.#batch.add(this);
      else this.#batch.addLate(this);
    }
    return !this.#blocked;
  }

  #room(room: boolean): boolean {
    if (!room) this.#blocked = true;
    return room;
  }
}
