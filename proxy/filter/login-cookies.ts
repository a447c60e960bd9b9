// The cookies of a login: taken out of requests, and written in pieces where one cookie cannot hold it all.
import type { Headers } from '../http/headers.ts';

/**
 * Browsers keep 4096 bytes of a cookie with its name and attributes (RFC 6265 section 6.1), and send all that they have
 * in one field, of which a proxy takes 8 KiB: the application's own cookies must have room in it.
 */
const PIECE_LENGTH_MAX = 3000;
export const PIECES_MAX = 2;
export const COOKIE_LENGTH_MAX: number = PIECE_LENGTH_MAX * PIECES_MAX - 1;

/** What a request brought; '' where it did not. */
export interface LoginCookies {
  readonly session: string;
  /** Binds a login under way to the browser that began it. */
  readonly binding: string;
  /** Names of ours that it brought, to be forgotten. */
  readonly names: readonly string[];
}

const NONE: LoginCookies = { session: '', binding: '', names: [] };

export class LoginCookieJar {
  readonly #plain: string;
  readonly #secure: string;

  constructor(name: string) {
    this.#plain = name;
    this.#secure = `__Host-${name}`;
  }

  /** Upstreams never see them: who has the session's cookie is the user. Cookies of the other scheme go too. */
  take(headers: Headers, secure: boolean): LoginCookies {
    let found: Map<string, string> | undefined;
    for (let i = headers.count - 1; i >= 0; i--) {
      if (headers.nameAt(i) === 'cookie' && headers.valueAt(i).includes(this.#plain)) {
        found = new Map();
        break;
      }
    }
    if (found === undefined) return NONE;
    const kept = this.#sort(headers, found);
    headers.remove('cookie');
    if (kept !== '') headers.append('cookie', kept);
    const name = this.#name(secure);
    return { session: joined(found, name), binding: found.get(`${name}.login`) ?? '', names: [...found.keys()] };
  }

  /** Undefined when it is too long. */
  session(value: string, secure: boolean, maxAgeSec: number): string[] | undefined {
    if (value.length > COOKIE_LENGTH_MAX) return undefined;
    const count = Math.ceil((value.length + 1) / PIECE_LENGTH_MAX);
    const text = `${count}${value}`;
    return Array.from({ length: count }, (_, i) => this.#write(
      pieceName(this.#name(secure), i), text.slice(i * PIECE_LENGTH_MAX, (i + 1) * PIECE_LENGTH_MAX), secure, maxAgeSec,
    ));
  }

  binding(value: string, secure: boolean, maxAgeSec: number): string {
    return this.#write(`${this.#name(secure)}.login`, value, secure, maxAgeSec);
  }

  /** The browser forgets these. */
  forget(names: readonly string[], secure: boolean): string[] {
    return names.map((name) => this.#write(name, '', secure, 0));
  }

  #name(secure: boolean): string {
    return secure ? this.#secure : this.#plain;
  }

  #write(name: string, value: string, secure: boolean, maxAgeSec: number): string {
    return `${name}=${value}; Path=/; Max-Age=${maxAgeSec}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  }

  /** Ours go into `found`, the first of a name; the rest is given back. */
  #sort(headers: Headers, found: Map<string, string>): string {
    const kept: string[] = [];
    for (let i = 0; i < headers.count; i++) {
      if (headers.nameAt(i) !== 'cookie') continue;
      for (const pair of headers.valueAt(i).split(';')) {
        const text = pair.trim();
        const equals = text.indexOf('=');
        const name = equals === -1 ? text : text.slice(0, equals);
        if (!this.#isOurs(name)) kept.push(text);
        else if (!found.has(name)) found.set(name, text.slice(name.length + 1));
      }
    }
    return kept.filter((text) => text !== '').join('; ');
  }

  #isOurs(name: string): boolean {
    const own = name.startsWith('__Host-') ? name.slice('__Host-'.length) : name;
    if (!own.startsWith(this.#plain)) return false;
    const rest = own.slice(this.#plain.length);
    return rest === '' || rest === '.login' || rest === '.1';
  }
}

function pieceName(name: string, index: number): string {
  return index === 0 ? name : `${name}.${index}`;
}

/** The first piece begins with their number: pieces that are left of a longer session don't count. */
function joined(found: ReadonlyMap<string, string>, name: string): string {
  const first = found.get(name) ?? '';
  const count = first.charCodeAt(0) - '0'.charCodeAt(0);
  if (!(count >= 1 && count <= PIECES_MAX)) return '';
  let text = first.slice(1);
  for (let i = 1; i < count; i++) {
    const piece = found.get(pieceName(name, i)) ?? '';
    if (piece === '') return '';
    text += piece;
  }
  return text.length > COOKIE_LENGTH_MAX ? '' : text;
}
