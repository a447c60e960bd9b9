// What a field is to the HTTP/2 codec: control data, framing, forbidden or malformed (RFC 9113 sections 8.2 and 8.3).
import { FIELD_VALUE, TOKEN_LOWER } from './char-class.ts';

export const FieldKind = {
  END_TO_END: 0,
  METHOD: 1,
  SCHEME: 2,
  AUTHORITY: 3,
  PATH: 4,
  STATUS: 5,
  /** RFC 8441. */
  PROTOCOL: 6,
  CONTENT_LENGTH: 7,
  HOST: 8,
  COOKIE: 9,
  TE: 10,
  EXPECT: 11,
  /** Connection-specific fields are malformed in HTTP/2 (RFC 9113 section 8.2.2). */
  FORBIDDEN: 12,
  /** It concerns one hop only, and the codec makes its own decision. */
  DROPPED: 13,
  UNKNOWN_PSEUDO: 14,
  /** The name or the value has bytes that may not be there (RFC 9113 section 8.2.1), whatever else it is. */
  MALFORMED: 15,
} as const;

const COLON = 0x3a;

const KINDS: ReadonlyMap<string, number> = new Map<string, number>([
  [':method', FieldKind.METHOD],
  [':scheme', FieldKind.SCHEME],
  [':authority', FieldKind.AUTHORITY],
  [':path', FieldKind.PATH],
  [':status', FieldKind.STATUS],
  [':protocol', FieldKind.PROTOCOL],
  ['content-length', FieldKind.CONTENT_LENGTH],
  ['host', FieldKind.HOST],
  ['cookie', FieldKind.COOKIE],
  ['te', FieldKind.TE],
  ['expect', FieldKind.EXPECT],
  ['connection', FieldKind.FORBIDDEN],
  ['keep-alive', FieldKind.FORBIDDEN],
  ['proxy-connection', FieldKind.FORBIDDEN],
  ['transfer-encoding', FieldKind.FORBIDDEN],
  ['upgrade', FieldKind.FORBIDDEN],
  ['http2-settings', FieldKind.FORBIDDEN],
  ['trailer', FieldKind.DROPPED],
]);

/** 1 for the bytes of a field name in HTTP/2: those of a token without A-Z. */
export const NAME_BYTE: Uint8Array = TOKEN_LOWER.map((lower, byte) => (lower !== 0 && lower === byte ? 1 : 0));

/** One of `FieldKind`, from the name alone. */
export function nameKind(name: string): number {
  const kind = KINDS.get(name);
  if (kind !== undefined) return kind;
  const pseudo = name.charCodeAt(0) === COLON;
  const start = pseudo ? 1 : 0;
  for (let i = start; i < name.length; i++) if (NAME_BYTE[name.charCodeAt(i)] !== 1) return FieldKind.MALFORMED;
  if (name.length === start) return FieldKind.MALFORMED;
  return pseudo ? FieldKind.UNKNOWN_PSEUDO : FieldKind.END_TO_END;
}

/** One of `FieldKind`. Both are text whose characters are bytes. */
export function fieldKind(name: string, value: string): number {
  for (let i = 0; i < value.length; i++) if (FIELD_VALUE[value.charCodeAt(i)] !== 1) return FieldKind.MALFORMED;
  if (isSpace(value.charCodeAt(0)) || isSpace(value.charCodeAt(value.length - 1))) return FieldKind.MALFORMED;
  return nameKind(name);
}

/** Space or tab, which may stand in a value but neither begin nor end it. */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}
