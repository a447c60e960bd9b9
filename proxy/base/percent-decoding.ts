// Percent-encoding of URIs undone (RFC 3986 section 2.1).

/** Bytes as latin1 characters; what is no `%XX` stays as it is. */
export function percentDecoded(text: string): string {
  let at = text.indexOf('%');
  if (at === -1) return text;
  let out = '';
  let start = 0;
  for (; at !== -1; at = text.indexOf('%', Math.max(start, at + 1))) {
    const byte = hexByte(text, at + 1);
    if (byte === -1) continue;
    out += text.slice(start, at) + String.fromCharCode(byte);
    start = at + 3;
  }
  return out + text.slice(start);
}

/** Two hexadecimal digits; -1 where they are not. */
function hexByte(text: string, at: number): number {
  const [high, low] = [hexDigit(text.charCodeAt(at)), hexDigit(text.charCodeAt(at + 1))];
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
