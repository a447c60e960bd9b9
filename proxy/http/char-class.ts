// Which bytes may stand where in a message (RFC 9110 section 5, RFC 9112 section 3), as tables by byte value.

const SIZE = 256;
const TOKEN_MARKS = "!#$%&'*+-.^_`|~";

/** Lower-cased byte of a token character, 0 for every other byte: one look both checks and folds (S96). */
export const TOKEN_LOWER: Uint8Array = tokenTable();

/** 1 for bytes of a field value: HTAB, SP, visible ASCII and obs-text; no other control character (S05). */
export const FIELD_VALUE: Uint8Array = fill(1, (byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f));

/** 1 for bytes of a request-target: visible ASCII; a fragment has no place there (S42). */
export const TARGET: Uint8Array = fill(1, (byte) => byte > 0x20 && byte < 0x7f && byte !== 0x23);

function fill(value: number, has: (byte: number) => boolean): Uint8Array {
  const table = new Uint8Array(SIZE);
  for (let byte = 0; byte < SIZE; byte++) if (has(byte)) table[byte] = value;
  return table;
}

function tokenTable(): Uint8Array {
  const table = fill(1, (byte) => TOKEN_MARKS.includes(String.fromCharCode(byte)));
  for (let byte = 0x30; byte <= 0x39; byte++) table[byte] = 1;
  for (let byte = 0x61; byte <= 0x7a; byte++) table[byte] = 1;
  for (let byte = 0; byte < SIZE; byte++) if (table[byte] === 1) table[byte] = byte;
  for (let byte = 0x41; byte <= 0x5a; byte++) table[byte] = byte + 32;
  return table;
}

/** Whether the text can be sent as a field value: latin1 without control characters. Characters over 255 are none. */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (FIELD_VALUE[text.charCodeAt(i)] !== 1) return false;
  return true;
}

/** Whether the text is a token: 1*tchar, in either case. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!TOKEN_LOWER[text.charCodeAt(i)]) return false;
  return text.length > 0;
}

/** Whether the text can stand in a request line: no space, control character, '#' or non-ASCII. */
export function isTarget(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TARGET[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}
