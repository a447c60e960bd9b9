// Tokens that nobody may accept, for keys of every type: none is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hostileTokens } from '../../test/harness/hostile-tokens.ts';
import { KEY_ALGORITHMS, makeKey, tokenOf } from '../../test/harness/token-keys.ts';
import type { TokenKey } from '../../test/harness/token-keys.ts';
import { tokenCheck } from '../../test/harness/token-filter.ts';

/** With and without saying what it is for: the type of a key alone must bind its algorithms. */
function variants(key: TokenKey): [string, TokenKey][] {
  const { alg: _alg, ...jwk } = key.jwk;
  return [['', key], [' without alg', { ...key, jwk }]];
}

describe('S70 S74 hostile tokens', () => {
  for (const algorithm of KEY_ALGORITHMS) {
    const key = makeKey(algorithm);
    for (const [name, trusted] of variants(key)) {
      test(`${algorithm}${name}: at least 150, and 0 accepted`, () => {
        const check = tokenCheck({ keys: [trusted] });
        assert.equal(check(tokenOf(key)), 'accepted', 'a good one is');
        const tokens = hostileTokens(key);
        assert.ok(tokens.length >= 150, `only ${tokens.length}`);
        const accepted = tokens.filter(({ token }) => /^(accepted|Jwt verification is overloaded)$/.test(check(token)));
        assert.deepEqual(accepted.map((hostile) => hostile.name), []);
      });
    }
  }
});
