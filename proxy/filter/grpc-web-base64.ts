// The text form of gRPC-Web: bodies in base64 as they stream, with no more kept than the bytes of an unfinished group.
import { GrpcFrames } from './grpc-frames.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = 0x3d;
const INVALID = 0xff;

const VALUES: Uint8Array = new Uint8Array(256).fill(INVALID);
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

const NOTHING = Buffer.alloc(0);

/**
 * Text to bytes. Padding may end any group of four, because a sender may flush in between; nothing else but the
 * standard alphabet is taken, and no bits in a last byte that say nothing (RFC 4648 section 3.5).
 */
export class Base64Reader {
  readonly #group = new Uint8Array(4);
  #count = 0;

  /** The text stands between two groups. */
  get whole(): boolean {
    return this.#count === 0;
  }

  /** The bytes of the groups that the chunk completes; undefined when it is no base64. */
  read(chunk: Buffer): Buffer | undefined {
    const out = Buffer.allocUnsafe(((chunk.length + this.#count) >> 2) * 3);
    let length = 0;
    for (let i = 0; i < chunk.length; i++) {
      this.#group[this.#count++] = chunk[i]!;
      if (this.#count < 4) continue;
      this.#count = 0;
      const bytes = this.#decode(out, length);
      if (bytes === 0) return undefined;
      length += bytes;
    }
    return out.subarray(0, length);
  }

  /** Writes the group's bytes, of which there are one to three; 0 when it is not valid. */
  #decode(out: Buffer, at: number): number {
    const [a, b, c, d] = this.#group as unknown as [number, number, number, number];
    const bytes = d !== PAD ? 3 : c !== PAD ? 2 : 1;
    const third = bytes > 1 ? VALUES[c]! : 0;
    const fourth = bytes > 2 ? VALUES[d]! : 0;
    if ((VALUES[a]! | VALUES[b]! | third | fourth) > 0x3f) return 0;
    const bits = (VALUES[a]! << 18) | (VALUES[b]! << 12) | (third << 6) | fourth;
    if ((bits & (bytes === 1 ? 0xffff : bytes === 2 ? 0xff : 0)) !== 0) return 0;
    out[at] = bits >> 16;
    if (bytes > 1) out[at + 1] = (bits >> 8) & 0xff;
    if (bytes > 2) out[at + 2] = bits & 0xff;
    return bytes;
  }
}

/**
 * gRPC messages to text: each is padded at its own end, so that it can be read when it is there, and is passed on in
 * groups of three bytes before.
 */
export class Base64Writer {
  readonly #frames = new GrpcFrames();
  /** Of an unfinished group. */
  #rest: Buffer = NOTHING;

  write(chunk: Buffer): Buffer {
    let text = '';
    for (let at = 0; at < chunk.length; ) {
      const end = this.#frames.next(chunk, at);
      text += this.#encode(chunk.subarray(at, end), this.#frames.between);
      at = end;
    }
    return Buffer.from(text, 'latin1');
  }

  /** What is left of a message that was cut, then `last`, which is a message of its own. */
  end(last: Buffer): Buffer {
    return Buffer.from(this.#encode(NOTHING, true) + last.toString('base64'), 'latin1');
  }

  #encode(bytes: Buffer, whole: boolean): string {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const length = whole ? all.length : all.length - (all.length % 3);
    // A copy: the chunk is its sender's again after the call.
    this.#rest = length === all.length ? NOTHING : Buffer.from(all.subarray(length));
    return all.toString('base64', 0, length);
  }
}
