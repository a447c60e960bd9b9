// HPACK's static table (RFC 7541 appendix A), and the form that entries of both tables have for the decoder.
import { fieldKind, nameKind } from './http2-field.ts';

/** What an entry costs beside its bytes (RFC 7541 section 4.1). */
export const ENTRY_OVERHEAD = 32;

/** A field made ready once, so that a reference to it costs nothing. */
export class TableEntry {
  readonly name: string;
  readonly value: string;
  /** What the name alone is: a value that may not be says nothing about the next one. */
  readonly nameKind: number;
  readonly kind: number;
  /** Bytes of name and value. */
  readonly size: number;

  constructor(name: string, value: string, ofName: number, kind: number) {
    this.name = name;
    this.value = value;
    this.nameKind = ofName;
    this.kind = kind;
    this.size = name.length + value.length;
  }
}

/** In the order of their index, from 1. */
const FIELDS: readonly (readonly [string, string])[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
  [':scheme', 'http'], [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'],
  [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'], ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'], ['accept-language', ''], ['accept-ranges', ''], ['accept', ''],
  ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''], ['cache-control', ''],
  ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''],
  ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''],
  ['location', ''], ['max-forwards', ''], ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''],
  ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''], ['set-cookie', ''],
  ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''],
  ['www-authenticate', ''],
];

/** Index 0 is none; it is filled so that the list has no hole, and never looked up. */
export const STATIC_TABLE: readonly TableEntry[] = [['', ''] as const, ...FIELDS].map(
  ([name, value]) => new TableEntry(name, value, nameKind(name), fieldKind(name, value)),
);

/** The last index of the static table; the dynamic table begins after it. */
export const STATIC_LAST: number = FIELDS.length;
