// Tokens in headers and files: node:fs writes the files, and headers are as browsers and curl send them.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../test/harness/openssl.ts';
import { isSameToken, readToken, shownToken } from './shown-token.ts';

test('a token is a bearer\'s or a password, and nothing else is one', () => {
  assert.equal(shownToken('Bearer abc'), 'abc');
  assert.equal(shownToken(`basic ${btoa('anybody:a:b')}`), 'a:b');
  for (const none of [undefined, '', 'Bearer', 'Digest abc', 'Bearer a b', `Basic ${btoa('anybody')}`]) {
    assert.equal(shownToken(none), undefined, String(none));
  }
  assert.ok(isSameToken('abc', 'abc'));
  assert.ok(!isSameToken('abc', 'abd') && !isSameToken('abc', 'abcd'));
});

test('a file without a token of 16 characters is refused by its name', async (t) => {
  const file = join(temporaryFolder(t), 'token');
  await assert.rejects(readToken(file), /token: cannot be read/);
  writeFileSync(file, 'short\n');
  await assert.rejects(readToken(file), /token: a token has at least 16 characters/);
  writeFileSync(file, '0123456789abcdef\n');
  assert.equal(await readToken(file), '0123456789abcdef');
});
