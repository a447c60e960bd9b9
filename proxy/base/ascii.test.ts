// Case and encoding of wire texts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asciiLower, hasAtIgnoringCase, wireText } from './ascii.ts';

test('S96 only A-Z are lowered: no Kelvin sign, long s, dotted I or latin1 letter becomes another', () => {
  assert.equal(asciiLower('ABC-xyz.09'), 'abc-xyz.09');
  for (const text of ['\u212a', '\u017f', '\u0130', '\u00c0\u00dd', '\u00df']) assert.equal(asciiLower(text), text);
  const same = 'already lower';
  assert.equal(asciiLower(same), same);
});

test('a text is found at a place without regard to ASCII case', () => {
  assert.equal(hasAtIgnoringCase('/ApI/x', '/api', 0), true);
  assert.equal(hasAtIgnoringCase('x/ApI', '/api', 1), true);
  assert.equal(hasAtIgnoringCase('/ap', '/api', 0), false);
  assert.equal(hasAtIgnoringCase('/api', '/api', -1), false);
  assert.equal(hasAtIgnoringCase('\u212aelvin', 'kelvin', 0), false);
  assert.equal(hasAtIgnoringCase('@', '`', 0), false, '@ and ` differ by the bit that letters differ by');
});

test('configuration text becomes the bytes of its UTF-8', () => {
  assert.equal(wireText('plain'), 'plain');
  assert.equal(wireText('caf\u00e9'), 'caf\u00c3\u00a9');
});
