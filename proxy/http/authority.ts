// Host and port of a request as one canonical text, for routes and policy alike (S13, S43; RFC 9110 section 4.2).
import { asciiLower } from '../base/ascii.ts';
import { NOT_A_NUMBER, parseDecimal } from '../base/integer.ts';

const PORT_MAX = 65_535;
const NAME_MARKS = "-._~!$&'()*+;=%";
const NAME: Uint8Array = nameTable();
/** Characters of an IPv6 address in brackets; a zone has no meaning beyond one machine. */
const ADDRESS = '0123456789abcdefABCDEF:.';

function nameTable(): Uint8Array {
  const table = new Uint8Array(128);
  for (let i = 0; i < NAME_MARKS.length; i++) table[NAME_MARKS.charCodeAt(i)] = 1;
  for (let code = 0x30; code <= 0x39; code++) table[code] = 1;
  for (let code = 0x41; code <= 0x5a; code++) table[code] = table[code + 32] = 1;
  return table;
}

/**
 * host[:port] in lower case, or undefined when it is anything else: empty, with userinfo, a comma, a space, non-ASCII,
 * a port that isn't 1*DIGIT up to 65535 without leading zeros.
 */
export function canonicalAuthority(text: string): string | undefined {
  const hostEnd = text.startsWith('[') ? bracketedEnd(text) : nameEnd(text);
  if (hostEnd <= 0) return undefined;
  if (hostEnd < text.length && !isPort(text, hostEnd)) return undefined;
  return asciiLower(text);
}

/** Index after the last character of a reg-name or IPv4 address. */
function nameEnd(text: string): number {
  let i = 0;
  while (i < text.length && NAME[text.charCodeAt(i)] === 1) i++;
  return i;
}

/** Index after the bracket, -1 when it isn't closed or holds something else. */
function bracketedEnd(text: string): number {
  const close = text.indexOf(']');
  if (close < 3) return -1;
  for (let i = 1; i < close; i++) if (!ADDRESS.includes(text[i]!)) return -1;
  return close + 1;
}

function isPort(text: string, colon: number): boolean {
  if (text[colon] !== ':') return false;
  const port = parseDecimal(text.substring(colon + 1));
  return port !== NOT_A_NUMBER && port <= PORT_MAX;
}

/** Whether a canonical authority ends with a port. */
export function hasPort(authority: string): boolean {
  return authority.lastIndexOf(':') > authority.lastIndexOf(']');
}

/** A canonical authority without the port that its scheme has anyway. */
export function withoutDefaultPort(authority: string, scheme: string): string {
  const suffix = scheme === 'https' ? ':443' : ':80';
  return hasPort(authority) && authority.endsWith(suffix) ? authority.slice(0, -suffix.length) : authority;
}
