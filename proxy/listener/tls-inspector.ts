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
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const ALPN_EXTENSION = 16;

/** Decides from all bytes received so far. */
export function inspectTls(bytes: Buffer): Inspection {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE_RECORD) return 'not-tls';
  if (bytes.length > 1 && bytes[1] !== 3) return 'not-tls';
  const message = handshakeBytes(bytes);
  if (message === 'malformed' || message === 'more') return message;
  return parseHello(new Cursor(message));
}

/** Joins the handshake bytes of all records; `more` until the whole ClientHello is there. */
function handshakeBytes(bytes: Buffer): Buffer | 'more' | 'malformed' {
  const parts: Buffer[] = [];
  let have = 0;
  let offset = 0;
  while (offset + 5 <= bytes.length) {
    if (bytes[offset] !== HANDSHAKE_RECORD) return 'malformed';
    const length = bytes.readUInt16BE(offset + 3);
    if (length === 0 || length > 16_640) return 'malformed';
    const part = bytes.subarray(offset + 5, Math.min(offset + 5 + length, bytes.length));
    parts.push(part);
    have += part.length;
    offset += 5 + length;
    const need = helloLength(parts, have);
    if (need === 'malformed') return need;
    if (need !== undefined && have >= need) return Buffer.concat(parts, need);
  }
  return bytes.length > HELLO_BYTES_MAX ? 'malformed' : 'more';
}

/** Length of the ClientHello with its 4-byte header, once those 4 bytes are there. */
function helloLength(parts: readonly Buffer[], have: number): number | 'malformed' | undefined {
  const first = parts[0];
  if (first === undefined || have < 1) return undefined;
  if (first[0] !== CLIENT_HELLO) return 'malformed';
  if (have < 4) return undefined;
  const header = first.length >= 4 ? first : Buffer.concat(parts, 4);
  const length = 4 + header.readUIntBE(1, 3);
  return length > HELLO_BYTES_MAX ? 'malformed' : length;
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
