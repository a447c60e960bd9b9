// Makes texts safe for one log line. A line is a string of bytes (latin1): header values keep the sender's bytes.
import { wireText } from '../base/ascii.ts';

/**
 * Who wrote a text: `own` is ASCII that this code made and goes unchecked; `config` is Unicode from configuration;
 * `traffic` is latin1 as it came over the wire.
 */
export type TextOrigin = 'own' | 'config' | 'traffic';

/** Fields may hold it, and it ends no line. */
export const TAB = 9;

const HEX = '0123456789abcdef';

/** The text with control characters other than tab as `\xNN` and, where it is Unicode, as UTF-8 bytes. */
export function lineText(text: string, origin: TextOrigin): string {
  if (origin === 'own') return text;
  const limit = origin === 'config' ? 0x80 : 0x100;
  let plain = true;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= limit) return escapeControls(wireText(text));
    if ((code < 0x20 && code !== TAB) || code === 0x7f) plain = false;
  }
  return plain ? text : escapeControls(text);
}

function escapeControls(bytes: string): string {
  let out = '';
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i);
    if ((code >= 0x20 && code !== 0x7f) || code === TAB) out += bytes[i]!;
    else out += `\\x${HEX[code >> 4]!}${HEX[code & 15]!}`;
  }
  return out;
}

/** A JSON string literal of latin1 bytes: valid UTF-8 stays as it is, stray bytes become \u00NN. */
export function jsonText(text: string, origin: TextOrigin): string {
  const bytes = origin === 'config' ? wireText(text) : text;
  let plain = true;
  let ascii = true;
  for (let i = 0; i < bytes.length && plain; i++) {
    const code = bytes.charCodeAt(i);
    if (code < 0x20 || code === 0x22 || code === 0x5c || code === 0x7f || code > 0xff) plain = false;
    if (code > 0x7f) ascii = false;
  }
  if (plain && ascii) return `"${bytes}"`;
  return escapeJson(bytes);
}

function escapeJson(text: string): string {
  const decoded = decode(text);
  const literal = JSON.stringify(decoded ?? text).replaceAll('\u007f', '\\u007f');
  if (decoded !== undefined) return wireText(literal);
  let out = '';
  for (let i = 0; i < literal.length; i++) {
    const code = literal.charCodeAt(i);
    out += code < 0x80 ? literal[i]! : `\\u${code.toString(16).padStart(4, '0')}`;
  }
  return out;
}

/** Latin1 bytes read as UTF-8; undefined when they are not, or when the text is wider than bytes. */
function decode(text: string): string | undefined {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return undefined;
  const decoded = Buffer.from(text, 'latin1').toString('utf8');
  return decoded.includes('\ufffd') ? undefined : decoded;
}
