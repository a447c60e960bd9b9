// Tells HTTP from other plaintext by the first line of a connection (Envoy http_inspector).
import { LIMITS } from '../config/limits.ts';

/** The protocols of a chain's application_protocols that fit; `more`: undecided, wait for bytes. */
export type HttpInspection = readonly string[] | 'more' | 'not-http';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
/** Longest known method (UPDATEREDIRECTREF) with some room: what has no space within is no request. */
const METHOD_BYTES_MAX = 24;
const HTTP10 = ['http/1.0'] as const;
const HTTP11 = ['http/1.1'] as const;
const HTTP2 = ['h2c'] as const;

/** Decides from the bytes of a connection, as they come: each is looked at once. */
export class RequestLineReader {
  readonly #line: number[] = [];
  #hasMethod = false;

  /** None may follow a verdict. */
  push(chunk: Buffer): HttpInspection {
    for (const byte of chunk) {
      if (byte === LF) return protocolsOf(this.#line);
      if (!this.#fits(byte)) return 'not-http';
      if (this.#line.push(byte) > LIMITS.requestLineBytesMax) return 'not-http';
    }
    return 'more';
  }

  #fits(byte: number): boolean {
    if (this.#hasMethod) return byte >= SPACE || byte === CR;
    if (byte === SPACE) this.#hasMethod = this.#line.length > 0;
    return this.#hasMethod || (isTokenByte(byte) && this.#line.length < METHOD_BYTES_MAX);
  }
}

/** RFC 9110 section 5.6.2. */
function isTokenByte(byte: number): boolean {
  const isDigit = byte >= 0x30 && byte <= 0x39;
  const isLetter = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
  return isDigit || isLetter || '!#$%&\'*+-.^_`|~'.includes(String.fromCharCode(byte));
}

function protocolsOf(bytes: readonly number[]): HttpInspection {
  const line = String.fromCharCode(...bytes.slice(0, bytes.at(-1) === CR ? -1 : undefined));
  if (line === 'PRI * HTTP/2.0') return HTTP2;
  const version = line.slice(line.lastIndexOf(' ') + 1);
  // Method, target, version.
  if (line.indexOf(' ') === line.lastIndexOf(' ')) return 'not-http';
  return version === 'HTTP/1.1' ? HTTP11 : version === 'HTTP/1.0' ? HTTP10 : 'not-http';
}
