// Sealed cookies: what opens, and all that does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../base/error.ts';
import { CookieSeal } from './cookie-seal.ts';

const [ONE, TWO] = ['1'.repeat(32), '2'.repeat(32)];
const seal = new CookieSeal(ONE, 'shop', 'secret');

test('what was sealed opens for the same purpose, key and context, and is another text each time', () => {
  const sealed = seal.seal('caf\u00e9 \u{1f600}', 'session');
  assert.deepEqual(seal.open(sealed, 'session'), { text: 'caf\u00e9 \u{1f600}', current: true, key: 0 });
  assert.notEqual(seal.seal('x', 'session'), seal.seal('x', 'session'));
  assert.equal(seal.open(sealed, 'state'), undefined);
  assert.equal(new CookieSeal(ONE, 'bank', 'secret').open(sealed, 'session'), undefined);
  assert.equal(new CookieSeal(TWO, 'shop', 'secret').open(sealed, 'session'), undefined);
  assert.deepEqual(new CookieSeal(`${TWO}\n${ONE}\n`, 'shop', 'secret').open(sealed, 'session'),
    { text: 'caf\u00e9 \u{1f600}', current: false, key: 1 });
});

test('every change of a bit, every cut and every other spelling is refused', () => {
  const sealed = seal.seal('{"c":{"sub":"alice"}}', 'session');
  const bytes = Buffer.from(sealed, 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(seal.open(changed.toString('base64url'), 'session'), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.equal(seal.open(sealed.slice(0, length), 'session'), undefined, `length ${length}`);
  }
  const others = [`${sealed}=`, ` ${sealed}`, `${sealed}\n`, `${sealed}A`, bytes.toString('base64'), '\0', '\u{1f600}'];
  for (const other of others) {
    if (other !== sealed) assert.equal(seal.open(other, 'session'), undefined);
  }
});

test('what follows from a key is the same for the same, and another for another', () => {
  const all = [seal.derive('nonce', 'a'), seal.derive('nonce', 'b'), seal.derive('verifier', 'a'),
    new CookieSeal(TWO, 'shop', 'secret').derive('nonce', 'a'),
    new CookieSeal(ONE, 'bank', 'secret').derive('nonce', 'a')];
  assert.equal(new Set(all).size, all.length);
  assert.ok(all.every((text) => /^[\w-]{43}$/.test(text)));
  assert.equal(new CookieSeal(`${TWO}\n${ONE}`, 'shop', 'secret').derive('nonce', 'a', 1), all[0]);
});

test('secrets that are none are refused, and not told', () => {
  for (const secret of ['', ' \n ', 'hunter2', `${ONE}\nhunter2`, Array(9).fill(ONE).join('\n')]) {
    assert.throws(() => new CookieSeal(secret, 'shop', 'here'), (error: unknown) => (
      error instanceof ConfigError && error.message.includes('here') && !error.message.includes('hunter2')));
  }
});
