// Fields of one HTTP/2 message as they are decoded: checked, bounded, and sorted into a head (S23, S27, S28, S29).
import { NOT_A_NUMBER, parseDecimal } from '../base/integer.ts';
import { canonicalAuthority, withoutDefaultPort } from './authority.ts';
import { isTarget, isToken } from './char-class.ts';
import { Headers } from './headers.ts';
import type { FieldSink } from './hpack-decoder.ts';
import type { UnderscoreAction } from './http1-head-fields.ts';
import { FieldKind } from './http2-field.ts';
import { LENGTH_UNKNOWN, RequestHead, ResponseHead } from './message.ts';
import { mayTrail } from './trailer-fields.ts';

/** What a field costs beside its bytes, so that many empty ones aren't free (S23). */
const FIELD_OVERHEAD = 64;

/** Why a head cannot be used. `invalid-host` is a request that is well-formed and wrong: it gets an answer. */
export type FieldFault = '' | 'malformed' | 'overflow' | 'invalid-host';

interface FieldLimits {
  readonly headBytesMax: number;
  readonly headerCountMax: number;
  readonly headersWithUnderscores: UnderscoreAction;
}

/** Reusable: `reset` begins the next message. After a fault further fields are counted, and dropped. */
export class MessageFields implements FieldSink {
  readonly #limits: FieldLimits;
  #headers = new Headers();
  #count = 0;
  #bytes = 0;
  #regularSeen = false;
  #method = '';
  #scheme = '';
  #authority: string | undefined = undefined;
  #path = '';
  #protocol = '';
  #status = '';
  #host: string | undefined = undefined;
  #contentLength = '';
  /** Where in `fields` the joined cookie is; -1 without one (RFC 9113 section 8.2.3). */
  #cookieAt = -1;
  #trailersWanted = false;
  #expectContinue = false;
  #lastAuthority = '';
  #lastCanonical: string | undefined = undefined;
  fault: FieldFault = '';

  constructor(limits: FieldLimits) {
    this.#limits = limits;
  }

  reset(): void {
    this.#headers = new Headers();
    this.#count = this.#bytes = 0;
    this.#regularSeen = this.#trailersWanted = this.#expectContinue = false;
    this.#method = this.#scheme = this.#path = this.#protocol = this.#status = this.#contentLength = '';
    this.#authority = this.#host = undefined;
    this.#cookieAt = -1;
    this.fault = '';
  }

  onField(name: string, value: string, kind: number, size: number): void {
    if (this.fault !== '') return;
    if (kind < FieldKind.METHOD || kind > FieldKind.PROTOCOL) this.#count++;
    this.#bytes += size + FIELD_OVERHEAD;
    if (this.#count > this.#limits.headerCountMax || this.#bytes > this.#limits.headBytesMax) {
      this.fault = 'overflow';
      return;
    }
    if (kind === FieldKind.END_TO_END) this.#takeEndToEnd(name, value);
    else if (kind <= FieldKind.PROTOCOL) this.#takePseudo(kind, value);
    else this.#takeSpecial(name, value, kind);
  }

  // --- heads

  /** Undefined when `fault` says why. */
  request(endStream: boolean): RequestHead | undefined {
    if (this.fault !== '') return undefined;
    const connect = this.#method === 'CONNECT';
    if (this.#status !== '' || !isToken(this.#method) || !this.#targetIsValid(connect)) return this.#fail('malformed');
    const authority = this.#canonicalAuthority();
    if (authority === undefined) return this.#fail('invalid-host');
    const head = new RequestHead(this.#method, authority, this.#path, this.#headers, 'HTTP/2');
    head.scheme = this.#scheme === '' ? 'http' : this.#scheme;
    head.acceptsTrailers = this.#trailersWanted;
    head.expectContinue = this.#expectContinue && !endStream;
    this.#headers.verified = true;
    if (this.#protocol !== '') {
      // To everybody else it is the upgrade that it is on HTTP/1.1.
      head.method = 'GET';
      head.upgrade = this.#protocol.toLowerCase();
    }
    return this.#length(endStream, head) ? head : this.#fail('malformed');
  }

  /** Interim responses included. `bodiless`: the request was HEAD. */
  response(endStream: boolean, bodiless: boolean): ResponseHead | undefined {
    if (this.fault !== '') return undefined;
    const status = this.#status.length === 3 ? parseDecimal(this.#status) : NOT_A_NUMBER;
    // 101 has no meaning in HTTP/2.
    if (status === NOT_A_NUMBER || status < 100 || status === 101 || this.#hasRequestFields()) {
      return this.#fail('malformed');
    }
    const head = new ResponseHead(status, this.#headers);
    head.protocol = 'HTTP/2';
    this.#headers.verified = true;
    if (this.#contentLength === '') return head;
    head.contentLength = parseDecimal(this.#contentLength);
    if (head.contentLength === NOT_A_NUMBER) return this.#fail('malformed');
    const mayBeDescribed = bodiless || status === 304;
    return endStream && head.contentLength > 0 && !mayBeDescribed ? this.#fail('malformed') : head;
  }

  /** Fields that may not stand there are dropped (S08). */
  trailers(): Headers | undefined {
    const pseudo = this.#status !== '' || this.#hasRequestFields();
    if (this.fault !== '' || pseudo) return this.#fail('malformed');
    const headers = new Headers();
    for (let i = 0; i < this.#headers.count; i++) {
      const name = this.#headers.nameAt(i);
      if (mayTrail(name)) headers.fields.push(name, this.#headers.valueAt(i));
    }
    headers.verified = true;
    return headers;
  }

  // --- fields

  #takeEndToEnd(name: string, value: string): void {
    this.#regularSeen = true;
    if (this.#limits.headersWithUnderscores !== 'allow' && name.includes('_')) {
      if (this.#limits.headersWithUnderscores === 'reject') this.fault = 'malformed';
      return;
    }
    this.#headers.fields.push(name, value);
  }

  /** Before all others, each once. */
  #takePseudo(kind: number, value: string): void {
    if (this.#regularSeen) {
      this.fault = 'malformed';
      return;
    }
    switch (kind) {
      case FieldKind.METHOD:
        this.#method = this.#once(this.#method, value);
        return;
      case FieldKind.SCHEME:
        this.#scheme = this.#once(this.#scheme, value);
        return;
      case FieldKind.AUTHORITY:
        if (this.#authority !== undefined) this.fault = 'malformed';
        this.#authority = value;
        return;
      case FieldKind.PATH:
        this.#path = this.#once(this.#path, value);
        return;
      case FieldKind.STATUS:
        this.#status = this.#once(this.#status, value);
        return;
      default:
        this.#protocol = this.#once(this.#protocol, value);
    }
  }

  #takeSpecial(name: string, value: string, kind: number): void {
    this.#regularSeen = true;
    switch (kind) {
      case FieldKind.CONTENT_LENGTH:
        this.#contentLength = this.#once(this.#contentLength, value);
        return;
      case FieldKind.HOST:
        if (this.#host !== undefined) this.fault = 'malformed';
        this.#host = value;
        return;
      case FieldKind.COOKIE:
        this.#takeCookie(value);
        return;
      case FieldKind.TE:
        if (value !== 'trailers') this.fault = 'malformed';
        this.#trailersWanted = true;
        return;
      case FieldKind.EXPECT:
        if (value.toLowerCase() !== '100-continue') this.#headers.fields.push(name, value);
        else this.#expectContinue = true;
        return;
      case FieldKind.DROPPED:
        return;
      default:
        this.fault = 'malformed';
    }
  }

  #takeCookie(value: string): void {
    const { fields } = this.#headers;
    if (this.#cookieAt === -1) {
      this.#cookieAt = fields.length + 1;
      fields.push('cookie', value);
    } else {
      fields[this.#cookieAt] = `${fields[this.#cookieAt]!}; ${value}`;
    }
  }

  /** An empty pseudo-header is as wrong as a second one. */
  #once(before: string, value: string): string {
    if (before !== '' || value === '') this.fault = 'malformed';
    return value;
  }

  // --- what a request asks for

  #targetIsValid(connect: boolean): boolean {
    if (connect && this.#protocol === '') {
      return this.#scheme === '' && this.#path === '' && this.#authority !== undefined;
    }
    if (this.#protocol !== '' && !connect) return false;
    if (this.#scheme !== 'http' && this.#scheme !== 'https') return false;
    if (this.#path.charCodeAt(0) !== SLASH) return this.#path === '*' && this.#method === 'OPTIONS';
    return isTarget(this.#path);
  }

  #hasRequestFields(): boolean {
    return this.#method !== '' || this.#scheme !== '' || this.#path !== '' || this.#authority !== undefined
      || this.#protocol !== '';
  }

  /** Host may repeat :authority, or stand in its place, and nothing else (RFC 9113 section 8.3.1). */
  #canonicalAuthority(): string | undefined {
    const text = this.#authority ?? this.#host ?? '';
    if (text !== this.#lastAuthority) {
      this.#lastAuthority = text;
      this.#lastCanonical = canonicalAuthority(text);
    }
    const authority = this.#lastCanonical;
    if (authority === undefined || this.#host === undefined || this.#authority === undefined) return authority;
    if (this.#host === this.#authority) return authority;
    const host = canonicalAuthority(this.#host);
    if (host === undefined) return undefined;
    const same = withoutDefaultPort(host, this.#scheme) === withoutDefaultPort(authority, this.#scheme);
    return same ? authority : undefined;
  }

  /** A declared length must be one number, and 0 where the head is all. */
  #length(endStream: boolean, head: RequestHead): boolean {
    head.contentLength = endStream ? 0 : LENGTH_UNKNOWN;
    if (this.#contentLength === '') return true;
    const declared = parseDecimal(this.#contentLength);
    if (declared === NOT_A_NUMBER || (endStream && declared > 0) || this.#method === 'CONNECT') return false;
    head.contentLength = declared;
    return true;
  }

  #fail(fault: FieldFault): undefined {
    if (this.fault === '') this.fault = fault;
    return undefined;
  }
}

const SLASH = 0x2f;
