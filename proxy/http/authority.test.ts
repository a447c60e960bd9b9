// Which texts are a host and port, and which form all others see.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalAuthority, hasPort, withoutDefaultPort } from './authority.ts';

test('S13 S43 hosts are folded to lower case, and whatever is not exactly a host and port is refused', () => {
  assert.equal(canonicalAuthority('Reviews.Default:9080'), 'reviews.default:9080');
  assert.equal(canonicalAuthority('[2001:DB8::1]'), '[2001:db8::1]');
  assert.equal(canonicalAuthority('a_b-c.d~e'), 'a_b-c.d~e');
  for (const text of ['', ':80', 'a:', 'a:x', 'a:65536', 'a:01', 'a:+1', 'a:1:2', 'a@b', 'a,b', 'a b', 'a/', 'a?',
    'a#', 'a\\b', '[::1', '[]', '[::1]a', '[::1]:',
    '[fe80::1%eth0]', '::1', 'caf\xe9', 'a\0', '\u212a']) assert.equal(canonicalAuthority(text), undefined,
      JSON.stringify(text));
});

test('a port is told from an address, and the default one is no difference', () => {
  assert.deepEqual(['a', 'a:1', '[::1]', '[::1]:1'].map(hasPort), [false, true, false, true]);
  assert.equal(withoutDefaultPort('a:80', 'http'), 'a');
  assert.equal(withoutDefaultPort('a:80', 'https'), 'a:80');
  assert.equal(withoutDefaultPort('[::80]', 'http'), '[::80]');
});
