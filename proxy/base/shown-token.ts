// A token that callers show to HTTP servers of weft's own, and the file that it is in.
import { hash, timingSafeEqual } from 'node:crypto';
import { readShort } from './short-file.ts';

const BYTES_MAX = 4096;
/** Shorter ones can be guessed. */
const CHARACTERS_MIN = 16;

/** Rejects with an Error that names the file when it cannot be read, or holds what can be guessed. */
export async function readToken(file: string): Promise<string> {
  const token = (await readShort(file, BYTES_MAX)).trim();
  if (token.length < CHARACTERS_MIN) throw new Error(`${file}: a token has at least ${CHARACTERS_MIN} characters`);
  return token;
}

/** Of an authorization header: a bearer's (RFC 6750), or the password that a browser asks for (RFC 7617). */
export function shownToken(authorization: string | undefined): string | undefined {
  const [, scheme = '', shown = ''] = /^(bearer|basic) +(\S+) *$/i.exec(authorization ?? '') ?? [];
  if (scheme.toLowerCase() !== 'basic') return shown === '' ? undefined : shown;
  const pair = Buffer.from(shown, 'base64').toString();
  const colon = pair.indexOf(':');
  return colon === -1 ? undefined : pair.slice(colon + 1);
}

/** By digests of equal length, so that the time tells nothing. */
export function isSameToken(shown: string, wanted: string): boolean {
  return timingSafeEqual(hash('sha256', shown, 'buffer'), hash('sha256', wanted, 'buffer'));
}
