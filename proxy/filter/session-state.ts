// Where a client keeps the address of its session's endpoint: in a cookie or a header, in Envoy's formats.
import { wireText } from '../base/ascii.ts';
import { msOr } from '../config/duration.ts';
import type { CookieBasedSessionState, HeaderBasedSessionState } from '../config/stateful-session.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { cookieAttributes, cookieValue } from '../route/cookie.ts';
import { decodeBase64, decodeSession, encodeSession } from './session-cookie.ts';

/** Times are wall clock, in milliseconds. */
export interface SessionState {
  /** '' where the request names no endpoint; undefined where it can have no session. */
  addressOf(request: RequestHead, nowMs: number): string | undefined;
  /** Tells the client the endpoint that its session has now. */
  tell(head: ResponseHead, address: string, nowMs: number): void;
}

export class CookieState implements SessionState {
  readonly #name: string;
  readonly #path: string;
  readonly #attributes: string;
  readonly #ttlSeconds: number;

  constructor({ cookie: { name, ttl, path = '', attributes = [] } }: CookieBasedSessionState) {
    this.#name = wireText(name);
    this.#path = wireText(path);
    this.#ttlSeconds = Math.floor(msOr(ttl, 0) / 1000);
    this.#attributes = cookieAttributes(this.#ttlSeconds, path, attributes);
  }

  addressOf(request: RequestHead, nowMs: number): string | undefined {
    if (!this.#covers(request.path)) return undefined;
    const value = cookieValue(request, this.#name);
    return value === '' ? '' : decodeSession(value, Math.floor(nowMs / 1000));
  }

  tell({ headers }: ResponseHead, address: string, nowMs: number): void {
    const expires = this.#ttlSeconds === 0 ? 0 : Math.floor(nowMs / 1000) + this.#ttlSeconds;
    headers.append('set-cookie', `${this.#name}="${encodeSession(address, expires)}"${this.#attributes}`);
  }

  /** As clients match a cookie's path (RFC 6265 section 5.1.4). */
  #covers(path: string): boolean {
    const own = this.#path;
    if (own === '' || own === '/') return true;
    if (!path.startsWith(own)) return false;
    return own.endsWith('/') || path.length === own.length || '/?#'.includes(path[own.length]!);
  }
}

export class HeaderState implements SessionState {
  readonly #name: string;

  constructor({ name }: HeaderBasedSessionState) {
    this.#name = name.toLowerCase();
  }

  addressOf({ headers }: RequestHead): string {
    return decodeBase64(headers.get(this.#name) ?? '')?.toString('latin1') ?? '';
  }

  tell({ headers }: ResponseHead, address: string): void {
    headers.set(this.#name, Buffer.from(address, 'latin1').toString('base64'));
  }
}
