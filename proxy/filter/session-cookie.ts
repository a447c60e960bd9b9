// A session cookie's value, as Envoy's: base64 of a protobuf message { string address = 1; uint64 expires = 2 }.
import { isUtf8 } from 'node:buffer';

const ADDRESS_TAG = 0x0a;
const EXPIRES_TAG = 0x10;
/** A socket's path may be 108 bytes; what is longer is no address. */
const VALUE_BYTES_MAX = 512;
const VARINT_BYTES_MAX = 10;
const TAG_BYTES_MAX = 5;
const END_GROUP = 4n;

/** `expires` is in seconds of the wall clock; 0 is never. */
export function encodeSession(address: string, expires: number): string {
  const text = Buffer.from(address, 'latin1');
  const bytes = [ADDRESS_TAG, ...varint(text.length), ...text];
  if (expires > 0) bytes.push(EXPIRES_TAG, ...varint(expires));
  return Buffer.from(bytes).toString('base64');
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

/** The address, or '' where there is none or it has expired. What is no message is an address by itself. */
export function decodeSession(value: string, nowSeconds: number): string {
  const bytes = decodeBase64(value);
  if (bytes === undefined) return '';
  const read = new MessageReader(bytes).read();
  if (read === undefined) return bytes.toString('latin1');
  return read.expires !== 0n && BigInt(nowSeconds) > read.expires ? '' : read.address;
}

/** Undefined for what is not the one encoding of its bytes. */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length > VALUE_BYTES_MAX || text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

interface Session {
  readonly address: string;
  readonly expires: bigint;
}

/** Reads untrusted bytes: `#at` never passes the end, and every step goes forward. */
class MessageReader {
  readonly #bytes: Buffer;
  #at = 0;
  #failed = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Unknown fields are passed over; undefined for what is no message. */
  read(): Session | undefined {
    let [address, expires] = ['', 0n];
    while (this.#at < this.#bytes.length && !this.#failed) {
      const tag = this.#varint(TAG_BYTES_MAX);
      if (tag === BigInt(ADDRESS_TAG)) address = this.#text();
      else if (tag === BigInt(EXPIRES_TAG)) expires = this.#varint();
      else this.#skip(tag);
    }
    return this.#failed ? undefined : { address, expires };
  }

  #varint(bytesMax = VARINT_BYTES_MAX): bigint {
    let value = 0n;
    for (let i = 0; i < bytesMax; i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    this.#failed = true;
    return 0n;
  }

  #text(): string {
    const start = this.#pass(this.#varint());
    const text = this.#bytes.subarray(start, this.#at);
    if (!isUtf8(text)) this.#failed = true;
    return text.toString('latin1');
  }

  #skip(tag: bigint): void {
    if (tag >> 3n === 0n) this.#failed = true;
    else if ((tag & 7n) === 0n) this.#varint();
    else if ((tag & 7n) === 1n) this.#pass(8n);
    else if ((tag & 7n) === 2n) this.#pass(this.#varint());
    else if ((tag & 7n) === 3n) this.#skipGroup(tag >> 3n);
    else if ((tag & 7n) === 5n) this.#pass(4n);
    else this.#failed = true;
  }

  /** As deep as the bytes are many, which are few. */
  #skipGroup(field: bigint): void {
    while (!this.#failed) {
      const tag = this.#varint(TAG_BYTES_MAX);
      if ((tag & 7n) !== END_GROUP) this.#skip(tag);
      else if (tag >> 3n === field) return;
      else this.#failed = true;
    }
  }

  #pass(length: bigint): number {
    const start = this.#at;
    if (length > BigInt(this.#bytes.length - start)) this.#failed = true;
    else this.#at += Number(length);
    return start;
  }
}
