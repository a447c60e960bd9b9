// A user's session, which the browser keeps sealed: who it is, until when, and with which tokens.
import type { LoginTokens } from '../config/login-exchange.ts';
import { COOKIE_LENGTH_MAX } from './login-cookies.ts';
import type { CookieSeal } from './cookie-seal.ts';

/** Times are seconds of the wall clock. */
export interface Session {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly idToken: string | undefined;
  readonly accessToken: string | undefined;
  readonly refreshToken: string | undefined;
  /** Then it is refreshed, or over. */
  readonly expires: number;
  /** Then it is over. */
  readonly ends: number;
  /** Sealed by an older key: it is to be sealed anew. */
  readonly aged: boolean;
}

export interface SessionRules {
  readonly durationSec: number;
  /** Of tokens that do not say how long they last. */
  readonly tokenSec: number;
  readonly keepsAccessToken: boolean;
  readonly keepsRefreshToken: boolean;
  /** Undefined: all claims. */
  readonly claims: ReadonlySet<string> | undefined;
}

const PURPOSE = 'session';
/** What is about the token and not about the user. */
const OF_THE_TOKEN = new Set(['nonce', 'at_hash', 'c_hash', 's_hash', 'jti', 'nbf']);
const ALWAYS = new Set(['iss', 'sub', 'aud', 'exp']);
const CACHED_MAX = 1024;

/** Opens sealed sessions; those that were opened before cost a lookup. */
export class Sessions {
  readonly #seal: CookieSeal;
  readonly #known = new Map<string, Session>();

  constructor(seal: CookieSeal) {
    this.#seal = seal;
  }

  open(sealed: string): Session | undefined {
    if (sealed === '') return undefined;
    const known = this.#known.get(sealed);
    if (known !== undefined) return known;
    const opened = this.#seal.open(sealed, PURPOSE);
    if (opened === undefined) return undefined;
    const session = readSession(opened.text, !opened.current);
    if (session === undefined) return undefined;
    if (this.#known.size >= CACHED_MAX) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(sealed, session);
    return session;
  }

  /** The ID token is left out where it does not fit: it only makes logging out easier. Undefined: nothing fits. */
  seal(session: Session): string | undefined {
    const { claims, idToken: i, accessToken: a, refreshToken: r, expires: e, ends: x } = session;
    const full = this.#seal.seal(JSON.stringify({ c: claims, i, a, r, e, x }), PURPOSE);
    if (full.length <= COOKIE_LENGTH_MAX) return full;
    const less = this.#seal.seal(JSON.stringify({ c: claims, a, r, e, x }), PURPOSE);
    return less.length <= COOKIE_LENGTH_MAX ? less : undefined;
  }
}

/** `before` is the session that was refreshed. Undefined where nobody says who it is. */
export function sessionOf(
  tokens: LoginTokens, rules: SessionRules, nowSec: number, before?: Session,
): Session | undefined {
  const claims = tokens.claims === undefined ? before?.claims : keptClaims(tokens.claims, rules.claims);
  if (claims === undefined) return undefined;
  const ends = before?.ends ?? nowSec + rules.durationSec;
  return {
    claims, ends, aged: false,
    idToken: tokens.idToken ?? before?.idToken,
    accessToken: rules.keepsAccessToken ? tokens.accessToken : undefined,
    refreshToken: rules.keepsRefreshToken ? tokens.refreshToken ?? before?.refreshToken : undefined,
    expires: Math.min(ends, nowSec + (tokens.expiresInSec ?? rules.tokenSec)),
  };
}

function keptClaims(
  claims: Readonly<Record<string, unknown>>, wanted: ReadonlySet<string> | undefined,
): Record<string, unknown> {
  const keeps = (name: string): boolean => ALWAYS.has(name) || (wanted?.has(name) ?? !OF_THE_TOKEN.has(name));
  return Object.fromEntries(Object.entries(claims).filter(([name]) => keeps(name)));
}

/** Ours by its seal, but of a version before, maybe. */
function readSession(text: string, aged: boolean): Session | undefined {
  let value: { c?: unknown; i?: unknown; a?: unknown; r?: unknown; e?: unknown; x?: unknown } | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return undefined;
  }
  const { c, i, a, r, e, x } = value ?? {};
  if (typeof c !== 'object' || c === null || typeof e !== 'number' || typeof x !== 'number') return undefined;
  return {
    claims: c as Record<string, unknown>, expires: e, ends: x, aged,
    idToken: textOf(i), accessToken: textOf(a), refreshToken: textOf(r),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
