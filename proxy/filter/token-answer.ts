// An authorization server's answer to the client credentials grant (RFC 6749 section 5.1), taken where it is whole.

/** A token is refused beyond that (threats.md S74). */
const TOKEN_BYTES_MAX = 16 * 1024;
/** None is kept for longer, whatever its server says. */
const LIFE_MS_MAX = 24 * 3_600_000;
/** RFC 6750 section 2.1: what may stand in a header after `Bearer `. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

export interface AccessToken {
  readonly token: string;
  readonly lifeMs: number;
}

/** Undefined: it holds no token that can be used. Of no other fields anything is taken. */
export function readToken(body: Buffer): AccessToken | undefined {
  const answer = parse(body);
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { access_token: token, expires_in: life, token_type: type = 'Bearer' } = answer as Record<string, unknown>;
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') return undefined;
  if (typeof token !== 'string' || token.length > TOKEN_BYTES_MAX || !TOKEN.test(token)) return undefined;
  if (typeof life !== 'number' || !(life > 0)) return undefined;
  return { token, lifeMs: Math.min(life * 1000, LIFE_MS_MAX) };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
