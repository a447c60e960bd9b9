// WebSocket's frames (RFC 6455 section 5) for both sides of a test: written exactly as asked, read one by one.
import { createHash } from 'node:crypto';

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;
export const CONTINUATION = 0;

const NAMES = new Map([[CONTINUATION, 'more'], [TEXT, 'text'], [BINARY, 'binary'], [CLOSE, 'close'], [PING, 'ping'],
  [PONG, 'pong']]);

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Default true: the last of its message. */
  readonly last?: boolean;
}

/** Clients' frames have a masking key, servers' have none (5.3). */
export function encodeFrame({ opcode, payload, last = true }: Frame, key?: Buffer): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended);
  head[0] = opcode | (last ? 0x80 : 0);
  head[1] = (key === undefined ? 0 : 0x80) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return key === undefined ? Buffer.concat([head, payload]) : Buffer.concat([head, key, masked(payload, key)]);
}

/** A close frame's payload (5.5.1); no code, no payload. */
export function closePayload(code?: number, reason = ''): Buffer {
  if (code === undefined) return Buffer.alloc(0);
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(code);
  return Buffer.concat([bytes, Buffer.from(reason)]);
}

/** One line for comparisons: kind, length and content. */
export function describeFrame({ opcode, payload, last = true }: Frame): string {
  const start = `${NAMES.get(opcode) ?? opcode}${last ? '' : '…'} ${payload.length}`;
  if (opcode === CLOSE && payload.length >= 2) {
    return `${start} ${payload.readUInt16BE()} ${payload.toString('utf8', 2)}`;
  }
  if (payload.length <= 64) return `${start} ${payload.toString('utf8')}`;
  return `${start} ${createHash('sha256').update(payload).digest('hex')}`;
}

/** Sec-WebSocket-Accept for a Sec-WebSocket-Key (4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** Finds frames in bytes however they are cut. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  #pieces: Buffer[] = [];
  #length = 0;
  /** Bytes without which there is no point in looking. */
  #wanted = 2;

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  feed(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= this.#wanted) {
      const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
      const rest = this.#take(bytes);
      this.#pieces = rest === undefined ? [bytes] : [rest];
      this.#length = this.#pieces[0]!.length;
      if (rest === undefined && this.#length < this.#wanted) return;
    }
  }

  /** What follows the first frame, which is whole; undefined sets how many bytes it takes. */
  #take(bytes: Buffer): Buffer | undefined {
    const short = bytes[1]! & 0x7f;
    const hasKey = (bytes[1]! & 0x80) !== 0;
    const head = 2 + (short < 126 ? 0 : short === 126 ? 2 : 8);
    if (bytes.length < head) return this.#wait(head);
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    const start = head + (hasKey ? 4 : 0);
    if (bytes.length < start + length) return this.#wait(start + length);
    this.#wanted = 2;
    const payload = bytes.subarray(start, start + length);
    this.#onFrame({
      opcode: bytes[0]! & 0x0f, last: (bytes[0]! & 0x80) !== 0,
      payload: hasKey ? masked(payload, bytes.subarray(head, start)) : payload,
    });
    return bytes.subarray(start + length);
  }

  #wait(bytes: number): undefined {
    this.#wanted = bytes;
  }
}

function masked(payload: Buffer, key: Buffer): Buffer {
  if (key.readUInt32BE() === 0) return payload;
  const out = Buffer.from(payload);
  for (let i = 0; i < out.length; i++) out[i]! ^= key[i & 3]!;
  return out;
}
