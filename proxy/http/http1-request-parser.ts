// From the bytes of a request head to a RequestHead: what is ambiguous is refused, never repaired.
import { asciiLower, hasAtIgnoringCase } from '../base/ascii.ts';
import type { ErrorKind } from '../base/error.ts';
import { ProxyError } from '../base/error.ts';
import { canonicalAuthority, hasPort, withoutDefaultPort } from './authority.ts';
import type { UnderscoreAction } from './http1-head-fields.ts';
import { Framing, HeadFields, listHas } from './http1-head-fields.ts';
import { HeadScanner, Scan } from './http1-head-scanner.ts';
import type { HeadLimits } from './http1-limits.ts';
import { RequestLine } from './http1-request-line.ts';
import { LENGTH_UNKNOWN, RequestHead } from './message.ts';

const SLASH = 0x2f;
const QUESTION_MARK = 0x3f;

export interface RequestRules {
  readonly limits: HeadLimits;
  readonly acceptHttp10: boolean;
  /** '' for none. */
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
  readonly preserveCase: boolean;
  readonly underscores: UnderscoreAction;
}

export function malformed(detail: string, kind: ErrorKind = 'bad-request'): ProxyError {
  return new ProxyError(kind, 'downstream', detail);
}

/** One per connection: `scan` until it says DONE, then `build`, then `reset` for the next request. */
export class RequestParser {
  readonly #rules: RequestRules;
  readonly #line = new RequestLine();
  readonly #scanner: HeadScanner;
  readonly #fields: HeadFields;
  /** The last Host and what it became: a connection's requests mostly name the same one. */
  #lastHost = '';
  #lastAuthority: string | undefined = undefined;
  /** Of the request that was built last: whether its sender lets the connection go on. */
  keepAlive = false;

  constructor(rules: RequestRules) {
    this.#rules = rules;
    this.#scanner = new HeadScanner(rules.limits, this.#line);
    this.#fields = new HeadFields(rules.preserveCase, rules.underscores);
  }

  reset(): void {
    this.#scanner.reset();
  }

  /** Bytes of the head that was scanned. */
  get length(): number {
    return this.#scanner.length;
  }

  scan(buffer: Uint8Array, base: number, end: number): number {
    return this.#scanner.scan(buffer, base, end);
  }

  /** What a scan's refusal means to the client. */
  refusal(scan: number): ProxyError {
    switch (scan) {
      case Scan.START_LINE_LONG:
        return malformed('http1.uri_too_long', 'uri-too-long');
      case Scan.TOO_LARGE:
        return malformed('http1.headers_too_large', 'headers-too-large');
      case Scan.LINE_LONG:
        return malformed('http1.header_line_too_long', 'headers-too-large');
      case Scan.TOO_MANY:
        return malformed('http1.too_many_headers', 'headers-too-large');
      case Scan.METHOD_LONG:
        return malformed('http1.method_too_long');
      case Scan.VERSION:
        return malformed('http1.version_not_supported', 'version-not-supported');
      case Scan.TARGET:
        return malformed('http1.invalid_url');
      case Scan.FRAGMENT:
        return malformed('path_with_fragment');
      default:
        return malformed('http1.codec_error');
    }
  }

  build(buffer: Buffer, base: number): RequestHead | ProxyError {
    const text = buffer.toString('latin1', base, base + this.#scanner.length);
    const { start } = this.#scanner;
    const head = new RequestHead(this.#line.methodOf(text, start), '', '');
    const refusal = this.#fields.collect(this.#scanner, text, head.headers);
    if (refusal !== '') return malformed(refusal);
    if (this.#line.http10) {
      if (!this.#rules.acceptHttp10) return malformed('low_version', 'upgrade-required');
      head.protocol = 'HTTP/1.0';
    }
    const target = this.#line.targetOf(text, start);
    return this.#setTarget(head, target) ?? this.#setFraming(head) ?? this.#setOptions(head) ?? head;
  }

  // --- who and what is asked for (S13)

  #setTarget(head: RequestHead, target: string): ProxyError | undefined {
    const host = this.#hostAuthority();
    if (host instanceof ProxyError) return host;
    if (head.method === 'CONNECT') return setConnectTarget(head, target);
    const originForm = target.charCodeAt(0) === SLASH || (target === '*' && head.method === 'OPTIONS');
    if (!originForm) return this.#setAbsolute(head, target, host);
    if (host === '') return malformed('missing_host_header');
    head.authority = host;
    head.path = target;
    return undefined;
  }

  /** '' when there is no Host field and none is needed: HTTP/1.0 with its target in absolute-form. */
  #hostAuthority(): string | ProxyError {
    const fields = this.#fields;
    if (fields.hostCount === 0) {
      if (!this.#line.http10) return malformed('missing_host_header');
      return canonicalAuthority(this.#rules.defaultHostForHttp10) ?? '';
    }
    if (fields.hostCount > 1) return malformed('http1.multiple_host');
    if (fields.host !== this.#lastHost) {
      this.#lastHost = fields.host;
      this.#lastAuthority = canonicalAuthority(fields.host);
    }
    return this.#lastAuthority ?? malformed('http1.invalid_host');
  }

  /** absolute-form, as clients of an explicit proxy send it: the target names the authority, and Host must agree. */
  #setAbsolute(head: RequestHead, target: string, host: string): ProxyError | undefined {
    const scheme = schemeOf(target);
    if (!this.#rules.allowAbsoluteUrl || scheme === '') return malformed('http1.invalid_url');
    const start = scheme.length + 3;
    const end = authorityEnd(target, start);
    const authority = canonicalAuthority(target.substring(start, end));
    if (authority === undefined) return malformed('http1.invalid_url');
    if (this.#fields.hostCount > 0 && withoutDefaultPort(authority, scheme) !== withoutDefaultPort(host, scheme)) {
      return malformed('http1.host_mismatch');
    }
    head.absoluteForm = true;
    head.scheme = scheme;
    head.authority = authority;
    head.path = pathAfter(target, end, head.method);
    return undefined;
  }

  // --- body and connection

  #setFraming(head: RequestHead): ProxyError | undefined {
    const framing = this.#fields.framing(this.#line.http10);
    if (framing >= 0) head.contentLength = framing;
    else if (framing === Framing.CHUNKED) head.contentLength = LENGTH_UNKNOWN;
    else if (framing !== Framing.NONE) return framingRefusal(framing);
    const upgrade = this.#line.http10 ? '' : this.#fields.upgrade;
    if (upgrade !== '') head.upgrade = upgrade;
    // Whose bytes they would be, the body's or the new protocol's, is not clear to everybody (S11).
    const tunnel = upgrade !== '' || head.method === 'CONNECT';
    if (tunnel && framing !== Framing.NONE) return malformed('http1.body_disallowed');
    return undefined;
  }

  #setOptions(head: RequestHead): ProxyError | undefined {
    const fields = this.#fields;
    this.keepAlive = !fields.close && (!this.#line.http10 || fields.keepAlive);
    if (fields.te !== '') head.acceptsTrailers = listHas(fields.te, 'trailers');
    if (fields.expectCount === 0 || this.#line.http10) return undefined;
    // A sender that disguises this expectation wants somebody to wait, and somebody else not to (S10).
    const plain = fields.expectCount === 1 && asciiLower(fields.expect) === '100-continue';
    if (!plain) return malformed('http1.unknown_expectation');
    head.expectContinue = true;
    return undefined;
  }
}

/** authority-form: host and port are both needed (RFC 9112 section 3.2.3). The target counts, whatever Host says. */
function setConnectTarget(head: RequestHead, target: string): ProxyError | undefined {
  const authority = canonicalAuthority(target);
  if (authority === undefined || !hasPort(authority)) return malformed('http1.invalid_url');
  head.authority = authority;
  return undefined;
}

function schemeOf(target: string): string {
  if (hasAtIgnoringCase(target, 'http://', 0)) return 'http';
  return hasAtIgnoringCase(target, 'https://', 0) ? 'https' : '';
}

function authorityEnd(target: string, start: number): number {
  for (let i = start; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code === SLASH || code === QUESTION_MARK) return i;
  }
  return target.length;
}

/** Origin-form of what follows the authority; OPTIONS without a path asks about the whole server. */
function pathAfter(target: string, end: number, method: string): string {
  if (end === target.length) return method === 'OPTIONS' ? '*' : '/';
  return target.charCodeAt(end) === SLASH ? target.substring(end) : `/${target.substring(end)}`;
}

function framingRefusal(framing: number): ProxyError {
  switch (framing) {
    case Framing.BOTH:
      return malformed('http1.content_length_and_chunked_not_allowed');
    case Framing.UNKNOWN_CODING:
      return malformed('http1.invalid_transfer_encoding', 'not-implemented');
    case Framing.BAD_CODING:
      return malformed('http1.malformed_transfer_encoding');
    case Framing.NOT_ALLOWED:
      return malformed('http1.transfer_encoding_not_allowed');
    default:
      return malformed('http1.invalid_content_length');
  }
}
