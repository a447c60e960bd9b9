// Which texts are numbers in messages.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOT_A_NUMBER, parseDecimal } from './integer.ts';

test('S97 digits up to 2^53-1 and nothing else', () => {
  assert.equal(parseDecimal('0'), 0);
  assert.equal(parseDecimal('42'), 42);
  assert.equal(parseDecimal('9007199254740991'), Number.MAX_SAFE_INTEGER);
  for (const text of ['', '-0', '+1', ' 1', '1 ', '01', '1.0', '1e3', '0x1', '1_0', '\u0661', '9007199254740992',
    '1'.repeat(17)]) {
    assert.equal(parseDecimal(text), NOT_A_NUMBER, text);
  }
});
