// Characters of HTTP/1.1 heads as tables: what may stand in a name, a value, a target (RFC 9110 section 5, RFC 9112).

const TOKEN = table("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

function table(chars: string): Uint8Array {
  const allowed = new Uint8Array(256);
  for (let i = 0; i < chars.length; i++) allowed[chars.charCodeAt(i)] = 1;
  return allowed;
}

/** `1*tchar`: methods, header names, upgrade tokens. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

/** Index of the first character that is no tchar, from `start`. */
export function tokenEnd(text: string, start: number, end: number): number {
  let i = start;
  while (i < end && TOKEN[text.charCodeAt(i)] === 1) i++;
  return i;
}

/** No control character but HTAB: CR, LF and NUL could end a message early (S05). */
export function isFieldValue(text: string, start = 0, end: number = text.length): boolean {
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return false;
  }
  return true;
}

/** Visible ASCII without `#`: a fragment never belongs in a request-target (S42). Bytes over 0x7f pass, as in Envoy. */
export function isTarget(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f || code === 0x23 || code > 0xff) return false;
  }
  return text.length > 0;
}

/** host[:port] of RFC 3986 without userinfo: reg-name, IPv4 or bracketed IPv6, port of digits (S13, S43). */
export function isAuthority(text: string): boolean {
  return /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]{0,5})?$/.test(text);
}

/** `1*DIGIT` up to 2^53-1; -1 for anything else (S02). */
export function parseLength(text: string): number {
  if (text.length === 0 || text.length > 16) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1;
}
