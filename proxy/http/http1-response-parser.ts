// From the bytes of a response head to a ResponseHead; a malformed upstream is refused as strictly as a client (S18).
import { asciiLower } from '../base/ascii.ts';
import { NOT_A_NUMBER, parseDecimal } from '../base/integer.ts';
import { ProxyError } from '../base/error.ts';
import { Framing, HeadFields, trimmed } from './http1-head-fields.ts';
import type { StartLine } from './http1-head-scanner.ts';
import { HeadScanner, Scan } from './http1-head-scanner.ts';
import type { HeadLimits } from './http1-limits.ts';
import { httpVersion } from './http1-request-line.ts';
import { LENGTH_UNKNOWN, ResponseHead } from './message.ts';

const SP = 0x20;
const ZERO = 0x30;
const CODE_AT = 9;
const REASON_AT = 13;

/** `HTTP/1.x SP 3DIGIT [SP reason]` (RFC 9112 section 4); many servers leave the last space away. */
class StatusLine implements StartLine {
  status = 0;
  http10 = false;
  /** Length of the line. */
  length = 0;

  accept(buffer: Uint8Array, from: number, to: number): number {
    const version = httpVersion(buffer, from, to);
    if (version !== 11 && version !== 10) return version === -1 ? Scan.MALFORMED : Scan.VERSION;
    if (to - from < CODE_AT + 3 || buffer[from + 8] !== SP) return Scan.MALFORMED;
    let status = 0;
    for (let i = from + CODE_AT; i < from + CODE_AT + 3; i++) {
      const digit = buffer[i]! - ZERO;
      if (digit < 0 || digit > 9) return Scan.MALFORMED;
      status = status * 10 + digit;
    }
    if (status < 100 || (to - from > CODE_AT + 3 && buffer[from + CODE_AT + 3] !== SP)) return Scan.MALFORMED;
    this.status = status;
    this.http10 = version === 10;
    this.length = to - from;
    return Scan.DONE;
  }
}

export function protocolError(detail: string): ProxyError {
  return new ProxyError('upstream-protocol', 'upstream', detail, 'never', detail);
}

/** How the body of a response ends, beside a length of 0 or more. */
export const ResponseBody = { CHUNKED: -1, UNTIL_CLOSE: -2, NONE: -3, TUNNEL: -4 } as const;

/** One per connection: `scan` until it says DONE, then `build`, then `reset` for the next response. */
export class ResponseParser {
  readonly #line = new StatusLine();
  readonly #scanner: HeadScanner;
  readonly #fields: HeadFields;
  readonly #reasons: boolean;
  /** Of the response that was built last: one of ResponseBody, or the number of bytes. */
  body: number = ResponseBody.NONE;
  keepAlive = false;
  /** `Keep-Alive: timeout=N` in milliseconds. */
  keepAliveMs: number | undefined = undefined;

  /** `reasons` keeps the server's reason phrases. */
  constructor(limits: HeadLimits, preserveCase: boolean, reasons: boolean) {
    this.#scanner = new HeadScanner(limits, this.#line);
    this.#fields = new HeadFields(preserveCase, 'allow');
    this.#reasons = reasons;
  }

  reset(): void {
    this.#scanner.reset();
  }

  get length(): number {
    return this.#scanner.length;
  }

  scan(buffer: Uint8Array, base: number, end: number): number {
    return this.#scanner.scan(buffer, base, end);
  }

  refusal(scan: number): ProxyError {
    switch (scan) {
      case Scan.START_LINE_LONG:
        return protocolError('http1.status_line_too_long');
      case Scan.LINE_LONG:
        return protocolError('http1.header_line_too_long');
      case Scan.TOO_LARGE:
        return protocolError('http1.headers_too_large');
      case Scan.TOO_MANY:
        return protocolError('http1.too_many_headers');
      case Scan.VERSION:
        return protocolError('http1.version_not_supported');
      default:
        return protocolError('http1.codec_error');
    }
  }

  /** `method` is that of the request, which decides on the body (RFC 9112 section 6.3). */
  build(buffer: Buffer, base: number, method: string): ResponseHead | ProxyError {
    const text = buffer.toString('latin1', base, base + this.#scanner.length);
    const { start } = this.#scanner;
    const line = this.#line;
    // A server doesn't get to send an empty line before a response: it would be the rest of another one (S12).
    if (start !== 0) return protocolError('http1.codec_error');
    const head = new ResponseHead(line.status);
    const refusal = this.#fields.collect(this.#scanner, text, head.headers);
    if (refusal !== '') return protocolError(refusal);
    if (line.http10) head.protocol = 'HTTP/1.0';
    if (this.#reasons && line.length > REASON_AT) head.reason = text.substring(REASON_AT, line.length);
    if (head.status === 101 && this.#fields.upgrade !== '') head.upgrade = this.#fields.upgrade;
    this.#setConnection(line.http10);
    return this.#setBody(head, method) ?? head;
  }

  #setConnection(http10: boolean): void {
    const fields = this.#fields;
    this.keepAlive = !fields.close && (!http10 || fields.keepAlive);
    if (fields.keepAliveParameters !== '') this.keepAliveMs = timeoutOf(fields.keepAliveParameters);
  }

  #setBody(head: ResponseHead, method: string): ProxyError | undefined {
    if (method === 'CONNECT' && head.status >= 200 && head.status < 300) {
      // Framing fields mean nothing here (RFC 9110 section 9.3.6): the bytes are the tunnel's.
      this.body = ResponseBody.TUNNEL;
      return undefined;
    }
    const framing = this.#fields.framing(this.#line.http10);
    if (framing < Framing.NONE) return framingRefusal(framing);
    if (head.status < 200 || head.status === 204) return this.#setBodiless(head, framing);
    if (framing >= 0) head.contentLength = framing;
    if (method === 'HEAD' || head.status === 304) this.body = ResponseBody.NONE;
    else if (framing === Framing.CHUNKED) this.body = ResponseBody.CHUNKED;
    else this.body = framing === Framing.NONE ? ResponseBody.UNTIL_CLOSE : framing;
    return undefined;
  }

  /** 1xx and 204 have no body; a server that announces one would be read differently by others (S18). */
  #setBodiless(head: ResponseHead, framing: number): ProxyError | undefined {
    if (framing === Framing.CHUNKED) return protocolError('http1.transfer_encoding_not_allowed');
    if (framing > 0) return protocolError('http1.content_length_not_allowed');
    head.contentLength = LENGTH_UNKNOWN;
    this.body = head.status === 101 ? ResponseBody.TUNNEL : ResponseBody.NONE;
    return undefined;
  }
}

function framingRefusal(framing: number): ProxyError {
  switch (framing) {
    case Framing.BOTH:
      return protocolError('http1.content_length_and_chunked_not_allowed');
    case Framing.UNKNOWN_CODING:
      return protocolError('http1.invalid_transfer_encoding');
    case Framing.BAD_CODING:
      return protocolError('http1.malformed_transfer_encoding');
    case Framing.NOT_ALLOWED:
      return protocolError('http1.transfer_encoding_not_allowed');
    default:
      return protocolError('http1.invalid_content_length');
  }
}

/** `timeout=5, max=100`: seconds, as milliseconds; undefined when there is no such parameter. */
function timeoutOf(parameters: string): number | undefined {
  for (const part of parameters.split(',')) {
    const parameter = asciiLower(trimmed(part, 0, part.length));
    if (!parameter.startsWith('timeout=')) continue;
    const seconds = parseDecimal(parameter.substring('timeout='.length));
    if (seconds !== NOT_A_NUMBER && seconds <= 86_400) return seconds * 1000;
  }
  return undefined;
}
