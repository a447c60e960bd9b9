// The table of well-known names: found by bytes in any case, never by hash alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldRole, findName, HASH_START, hashByte, nameOf, roleOf } from './header-names.ts';

function find(name: string, wire = name): number {
  const bytes = Buffer.from(wire, 'latin1');
  let hash = HASH_START;
  for (const byte of Buffer.from(name.toLowerCase(), 'latin1')) hash = hashByte(hash, byte);
  return findName(bytes, 0, bytes.length, hash);
}

test('well-known names are found in any case and keep their role', () => {
  assert.equal(nameOf(find('X-Request-ID')), 'x-request-id');
  assert.equal(roleOf(find('x-request-id')), FieldRole.END_TO_END);
  assert.equal(roleOf(find('CONTENT-length')), FieldRole.CONTENT_LENGTH);
  assert.equal(roleOf(find('Transfer-Encoding')), FieldRole.TRANSFER_ENCODING);
  assert.equal(roleOf(find('proxy-connection')), FieldRole.DROPPED);
  assert.equal(find('x-custom'), -1);
  assert.equal(find(''), -1);
});

test('S94 a name with the hash and length of another is not taken for it', () => {
  // "Aa" and "BB" collide under a hash of factor 31; here the bytes of one name come with the hash of the other.
  assert.equal(find('content-length', 'content-lengtg'), -1);
  assert.equal(find('host', 'hosu'), -1);
});
