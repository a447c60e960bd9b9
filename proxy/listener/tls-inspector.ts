// Reads SNI and ALPN from the first bytes of a connection,
// without taking part in the handshake (RFC 8446 section 4.1.2).
import { LIMITS } from '../config/limits.ts';

/** What a ClientHello says; names are lower-case ASCII. */
export interface ClientHello {
  readonly serverName: string | undefined;
  readonly alpn: readonly string[];
}

/** `more`: undecided, wait for bytes. `not-tls`: plaintext. `malformed`: TLS that no server would accept. */
export type Inspection = ClientHello | 'more' | 'not-tls' | 'malformed';

/** A ClientHello may be cut into many records, but not be larger than this in all (S54). */
export const HELLO_BYTES_MAX = LIMITS.clientHelloBytesMax;

const HANDSHAKE_RECORD = 0x16;
const RECORD_BYTES_MAX = 16_640;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const ALPN_EXTENSION = 16;

/** Decides from the bytes of a connection, as they come: each is looked at once, however they are cut (S54). */
export class HelloReader {
  readonly #recordHeader = Buffer.alloc(5);
  #headerBytes = 0;
  /** Of the record that is being read. */
  #recordLeft = 0;
  /** Type and length of the handshake message. */
  readonly #messageHeader = Buffer.alloc(4);
  readonly #parts: Buffer[] = [];
  #messageBytes = 0;
  #total = 0;

  /** The chunks must stay as they are until there is a verdict; none may follow it. */
  push(chunk: Buffer): Inspection {
    for (let at = 0; at < chunk.length;) {
      if (this.#recordLeft === 0) {
        const fault = this.#header(chunk[at++]!);
        if (fault !== undefined) return fault;
        continue;
      }
      const part = chunk.subarray(at, at + this.#recordLeft);
      at += part.length;
      this.#recordLeft -= part.length;
      const verdict = this.#message(part);
      if (verdict !== 'more') return verdict;
    }
    this.#total += chunk.length;
    return this.#total > HELLO_BYTES_MAX ? 'malformed' : 'more';
  }

  /** One byte of a record's header; the first record tells whether this is TLS. */
  #header(byte: number): 'not-tls' | 'malformed' | undefined {
    const isFirst = this.#messageBytes === 0 && this.#parts.length === 0;
    this.#recordHeader[this.#headerBytes++] = byte;
    if (this.#headerBytes === 1 && byte !== HANDSHAKE_RECORD) return isFirst ? 'not-tls' : 'malformed';
    if (this.#headerBytes === 2 && byte !== 3 && isFirst) return 'not-tls';
    if (this.#headerBytes < 5) return undefined;
    this.#headerBytes = 0;
    this.#recordLeft = this.#recordHeader.readUInt16BE(3);
    return this.#recordLeft === 0 || this.#recordLeft > RECORD_BYTES_MAX ? 'malformed' : undefined;
  }

  #message(part: Buffer): Inspection {
    if (this.#messageBytes < 4) part.copy(this.#messageHeader, this.#messageBytes, 0, 4 - this.#messageBytes);
    this.#parts.push(part);
    this.#messageBytes += part.length;
    if (this.#messageHeader[0] !== CLIENT_HELLO) return 'malformed';
    if (this.#messageBytes < 4) return 'more';
    const length = 4 + this.#messageHeader.readUIntBE(1, 3);
    if (length > HELLO_BYTES_MAX) return 'malformed';
    return this.#messageBytes < length ? 'more' : parseHello(new Cursor(Buffer.concat(this.#parts, length)));
  }
}

/** Reads forward; every read past the end sets `bad` and gives nothing. */
class Cursor {
  readonly bytes: Buffer;
  offset = 0;
  bad = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.offset;
  }

  int(size: 1 | 2 | 3): number {
    if (this.left < size) return this.#fail();
    this.offset += size;
    return this.bytes.readUIntBE(this.offset - size, size);
  }

  block(lengthSize: 1 | 2 | 3): Cursor {
    const length = this.int(lengthSize);
    if (this.left < length) this.#fail();
    const block = new Cursor(this.bytes.subarray(this.offset, this.offset + (this.bad ? 0 : length)));
    block.bad = this.bad;
    this.offset += length;
    return block;
  }

  skip(count: number): void {
    if (this.left < count) this.#fail();
    else this.offset += count;
  }

  text(): string {
    return this.bytes.toString('latin1', this.offset);
  }

  #fail(): number {
    this.bad = true;
    this.offset = this.bytes.length;
    return 0;
  }
}

function parseHello(cursor: Cursor): ClientHello | 'malformed' {
  cursor.skip(4 + 2 + 32); // header, version, random
  cursor.block(1); // session id
  cursor.block(2); // cipher suites
  cursor.block(1); // compression methods
  let serverName: string | undefined;
  let alpn: readonly string[] = [];
  if (cursor.left > 0) {
    const extensions = cursor.block(2);
    while (extensions.left > 0 && !extensions.bad) {
      const type = extensions.int(2);
      const body = extensions.block(2);
      if (type === SERVER_NAME_EXTENSION) serverName = parseServerName(body);
      else if (type === ALPN_EXTENSION) alpn = parseAlpn(body);
      cursor.bad ||= body.bad;
    }
    cursor.bad ||= extensions.bad;
  }
  return cursor.bad ? 'malformed' : { serverName, alpn };
}

/** The first host_name entry, if it is ASCII without control characters. */
function parseServerName(body: Cursor): string | undefined {
  const list = body.block(2);
  if (list.int(1) !== 0) return undefined;
  const name = list.block(2);
  body.bad ||= list.bad || name.bad;
  for (const byte of name.bytes) if (byte <= 0x20 || byte >= 0x7f) body.bad = true;
  return body.bad || name.left === 0 ? undefined : name.text().toLowerCase();
}

function parseAlpn(body: Cursor): readonly string[] {
  const list = body.block(2);
  const names: string[] = [];
  while (list.left > 0 && !list.bad) names.push(list.block(1).text());
  body.bad ||= list.bad;
  return names;
}
