// The DER reader: strict lengths, nothing outside its parent, and no input that makes it throw.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DerTag, booleanOf, childrenOf, contentsOf, encodingOf, oidOf, readDer, readWhole } from './der.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('an element is read with its contents and its encoding', () => {
  const element = readWhole(hex('30 06 02 01 05 01 01 ff'), DerTag.sequence)!;
  const [integer, boolean] = childrenOf(element)!;
  assert.deepEqual(contentsOf(integer!), hex('05'));
  assert.deepEqual(encodingOf(integer!), hex('02 01 05'));
  assert.equal(booleanOf(boolean!), true);
});

test('lengths must be definite, minimal and inside', () => {
  const refused = [
    '', '30', '30 80 00 00', '30 81 01 00', '30 82 00 80', '30 84 00 00 00 01', '30 02 00', '1f 21 00', '30 81',
    '30 82 01',
  ];
  for (const text of refused) assert.equal(readDer(hex(text)), undefined, text);
  assert.equal(readDer(Buffer.concat([hex('04 81 80'), Buffer.alloc(128)]))?.to, 131);
  assert.equal(readDer(Buffer.concat([hex('04 82 01 00'), Buffer.alloc(256)]))?.to, 260);
});

test('bytes after the element, a child past its parent and too many children are refused', () => {
  assert.equal(readWhole(hex('30 00 00'), DerTag.sequence), undefined);
  assert.equal(childrenOf(readDer(hex('30 03 02 02 05 05'))), undefined);
  assert.equal(childrenOf(readDer(hex('02 01 05'))), undefined);
  const many = Buffer.concat([hex('30 82 04 02'), Buffer.alloc(1026).fill(hex('05 00'))]);
  assert.equal(childrenOf(readDer(many)), undefined);
});

test('object identifiers', () => {
  assert.equal(oidOf(readDer(hex('06 03 55 1d 11'))), '2.5.29.17');
  assert.equal(oidOf(readDer(hex('06 08 2a 86 48 ce 3d 04 03 02'))), '1.2.840.10045.4.3.2');
  assert.equal(oidOf(readDer(hex('06 03 88 37 03'))), '2.999.3');
  for (const bad of ['06 00', '06 02 55 80', '06 03 55 80 01', '06 07 55 ff ff ff ff ff 7f', '02 01 05']) {
    assert.equal(oidOf(readDer(hex(bad))), undefined, bad);
  }
});

test('random bytes never throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    const element = readDer(Buffer.from(bytes));
    for (const child of childrenOf(element) ?? []) oidOf(child);
    oidOf(element);
  }));
});
