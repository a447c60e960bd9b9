// Kinds of fields by name and value.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldKind, fieldKind, NAME_BYTE, nameKind } from './http2-field.ts';

const ROWS: readonly (readonly [string, number])[] = [
  [':method', FieldKind.METHOD], [':scheme', FieldKind.SCHEME], [':authority', FieldKind.AUTHORITY],
  [':path', FieldKind.PATH], [':status', FieldKind.STATUS], [':protocol', FieldKind.PROTOCOL],
  ['content-length', FieldKind.CONTENT_LENGTH], ['host', FieldKind.HOST], ['cookie', FieldKind.COOKIE],
  ['te', FieldKind.TE], ['expect', FieldKind.EXPECT], ['trailer', FieldKind.DROPPED],
  ['accept', FieldKind.END_TO_END], ["!#$%&'*+-.^_`|~0az", FieldKind.END_TO_END], ['__proto__', FieldKind.END_TO_END],
];

test('S27 pseudo-fields and the fields that frame a message have kinds of their own', () => {
  for (const [name, kind] of ROWS) assert.equal(fieldKind(name, 'v'), kind, name);
  assert.equal(fieldKind(':status-x', '1'), FieldKind.UNKNOWN_PSEUDO);
  assert.equal(fieldKind(':te', 'trailers'), FieldKind.UNKNOWN_PSEUDO);
});

test('S28 connection-specific fields are forbidden', () => {
  const names = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings'];
  for (const name of names) assert.equal(fieldKind(name, ''), FieldKind.FORBIDDEN, name);
});

test('S29 a name is a token without upper case', () => {
  for (const name of ['', ':', 'Accept', 'accepT', 'Connection', ':Method', ':a:b', 'a:', 'a b', ' a', 'a\0', 'caf\xe9',
    'a\u0101', 'transfer-encoding ', 'K']) assert.equal(fieldKind(name, 'v'), FieldKind.MALFORMED, name);
  assert.equal(NAME_BYTE.reduce((sum, each) => sum + each, 0), 26 + 10 + 15);
  assert.equal(nameKind('\0'), FieldKind.MALFORMED);
});

test('S28 a value has no control characters, and no space around it', () => {
  for (let byte = 0; byte < 256; byte++) {
    const bad = byte < 0x20 && byte !== 9 || byte === 0x7f;
    assert.equal(fieldKind('a', `x${String.fromCharCode(byte)}x`), bad ? FieldKind.MALFORMED : FieldKind.END_TO_END);
  }
  for (const value of [' ', '\t', ' a', 'a ', '\ta', 'a\t', 'a\u0100', '\r\n']) {
    for (const name of ['a', ':path', 'te', 'connection', ':x']) {
      assert.equal(fieldKind(name, value), FieldKind.MALFORMED, `${name}: ${value}`);
    }
  }
  assert.equal(fieldKind('a', ''), FieldKind.END_TO_END);
});
