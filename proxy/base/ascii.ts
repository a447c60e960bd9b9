// Case and encoding of texts that are bytes on the wire: only A-Z have case there, whatever Unicode says (S96).

/** A-Z lowered, every other character as it is; the same string when nothing changes. */
export function asciiLower(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) return lowerFrom(text, i);
  }
  return text;
}

function lowerFrom(text: string, start: number): string {
  let out = text.slice(0, start);
  for (let i = start; i < text.length; i++) out += String.fromCharCode(lowerCode(text.charCodeAt(i)));
  return out;
}

function lowerCode(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code + 32 : code;
}

/** Whether `text` has `lower` (already lower-case) at `at`, without regard to ASCII case; copies nothing. */
export function hasAtIgnoringCase(text: string, lower: string, at: number): boolean {
  if (at < 0 || at + lower.length > text.length) return false;
  for (let i = 0; i < lower.length; i++) if (lowerCode(text.charCodeAt(at + i)) !== lower.charCodeAt(i)) return false;
  return true;
}

/** Configuration text as it stands on the wire: one latin1 character for each byte of its UTF-8. */
export function wireText(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}

/** Every character is visible ASCII: what else a path may hold is escaped in it. */
export function isVisible(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f) return false;
  }
  return true;
}
