// Randomness, injected so that tests can hold it: floats for draws and jitter, hex and UUIDs for ids.
import { randomFillSync } from 'node:crypto';

/** Draws are independent and uniform. */
export interface Random {
  /** In [0, 1), with 53 bits. */
  float(): number;
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string;
  /** A version 4 UUID (RFC 9562 section 5.4), lower-case. */
  uuid(): string;
}

/** Bytes that are asked of the kernel at once: one system call for some thousand draws. */
const POOL_BYTES = 8192;
const UUID_BYTES = 16;
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Cryptographically strong bytes, taken in bulk; a byte is given out once. */
export class PooledRandom implements Random {
  readonly #pool: Buffer = Buffer.alloc(POOL_BYTES);
  #used: number = POOL_BYTES;

  float(): number {
    const at = this.#take(8);
    return floatOf(this.#pool.readUInt32LE(at), this.#pool.readUInt32LE(at + 4));
  }

  hex(bytes: number): string {
    let text = '';
    for (let left = bytes; left > 0; left -= UUID_BYTES) {
      const some = Math.min(left, UUID_BYTES);
      text += hexOf(this.#pool, this.#take(some), some);
    }
    return text;
  }

  uuid(): string {
    return uuidOf(this.#pool, this.#take(UUID_BYTES));
  }

  #take(bytes: number): number {
    if (this.#used + bytes > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += bytes;
    return at;
  }
}

/** The same draws for the same seed, for tests (Bob Jenkins's small fast generator, 32-bit words). */
export class SeededRandom implements Random {
  #a = 0xf1ea5eed;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    this.#b = this.#c = this.#d = seed >>> 0;
    for (let i = 0; i < 20; i++) this.#word();
  }

  float(): number {
    return floatOf(this.#word(), this.#word());
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.float() * limit);
  }

  hex(bytes: number): string {
    return hexOf(this.#bytes(bytes), 0, bytes);
  }

  uuid(): string {
    return uuidOf(this.#bytes(UUID_BYTES), 0);
  }

  #bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.#word() & 0xff));
  }

  #word(): number {
    const e = (this.#a - rotated(this.#b, 27)) | 0;
    this.#a = this.#b ^ rotated(this.#c, 17);
    this.#b = (this.#c + this.#d) | 0;
    this.#c = (this.#d + e) | 0;
    this.#d = (e + this.#a) | 0;
    return this.#d >>> 0;
  }
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function floatOf(high: number, low: number): number {
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

function hexOf(bytes: Buffer, at: number, count: number): string {
  let text = '';
  for (let i = at; i < at + count; i++) text += HEX[bytes[i]!]!;
  return text;
}

function uuidOf(bytes: Buffer, at: number): string {
  bytes[at + 6] = (bytes[at + 6]! & 0x0f) | 0x40;
  bytes[at + 8] = (bytes[at + 8]! & 0x3f) | 0x80;
  const start = `${hexOf(bytes, at, 4)}-${hexOf(bytes, at + 4, 2)}-${hexOf(bytes, at + 6, 2)}`;
  return `${start}-${hexOf(bytes, at + 8, 2)}-${hexOf(bytes, at + 10, 6)}`;
}
