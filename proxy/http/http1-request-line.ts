// The request line by byte index: method, request-target, version (RFC 9112 section 3).
import { TARGET, TOKEN_LOWER } from './char-class.ts';
import { Scan } from './http1-head-scanner.ts';
import type { StartLine } from './http1-head-scanner.ts';

const SP = 0x20;
const HASH = 0x23;
const METHOD_BYTES_MAX = 64;
const VERSION_BYTES = 8;
/** `HTTP/`, then digit, dot, digit. */
const PREFIX = [0x48, 0x54, 0x54, 0x50, 0x2f];
const DOT = 0x2e;
const ZERO = 0x30;

const METHODS = ['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE'];

/** Positions are from the start of the line. */
export class RequestLine implements StartLine {
  methodEnd = 0;
  targetEnd = 0;
  http10 = false;

  accept(buffer: Uint8Array, from: number, to: number): number {
    let i = from;
    while (i < to && TOKEN_LOWER[buffer[i]!] !== 0) i++;
    if (i - from > METHOD_BYTES_MAX) return Scan.METHOD_LONG;
    if (i === from || buffer[i] !== SP) return Scan.MALFORMED;
    this.methodEnd = i - from;
    const target = ++i;
    while (i < to && TARGET[buffer[i]!] === 1) i++;
    if (i === to) return Scan.MALFORMED;
    if (buffer[i] !== SP) return buffer[i] === HASH ? Scan.FRAGMENT : Scan.TARGET;
    if (i === target) return Scan.MALFORMED;
    this.targetEnd = i - from;
    return this.#version(buffer, i + 1, to);
  }

  #version(buffer: Uint8Array, from: number, to: number): number {
    const version = httpVersion(buffer, from, to);
    if (version === -1 || to - from !== VERSION_BYTES) return Scan.MALFORMED;
    this.http10 = version === 10;
    return version === 11 || version === 10 ? Scan.DONE : Scan.VERSION;
  }

  methodOf(text: string, start: number): string {
    const end = start + this.methodEnd;
    // The literal is compared by address later on; a cut-out string isn't.
    for (const method of METHODS) if (method.length === this.methodEnd && text.startsWith(method, start)) return method;
    return text.substring(start, end);
  }

  targetOf(text: string, start: number): string {
    return text.substring(start + this.methodEnd + 1, start + this.targetEnd);
  }
}

/** `HTTP/d.d` as major * 10 + minor, or -1. */
export function httpVersion(buffer: Uint8Array, from: number, to: number): number {
  if (to - from < VERSION_BYTES) return -1;
  for (let i = 0; i < PREFIX.length; i++) if (buffer[from + i] !== PREFIX[i]) return -1;
  const major = buffer[from + 5]! - ZERO;
  const minor = buffer[from + 7]! - ZERO;
  if (major < 0 || major > 9 || minor < 0 || minor > 9 || buffer[from + 6] !== DOT) return -1;
  return major * 10 + minor;
}
