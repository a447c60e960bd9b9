// String matchers of every kind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from './error.ts';
import { SeededRandom } from './random.ts';
import { compileStringMatch } from './string-match.ts';
import type { StringMatcherFields } from './string-match.ts';

function matches(matcher: StringMatcherFields, text: string): boolean {
  return compileStringMatch(matcher, 'm').matches(text);
}

test('each kind of matcher', () => {
  assert.equal(matches({ exact: 'abc' }, 'abc'), true);
  assert.equal(matches({ exact: 'abc' }, 'abcd'), false);
  assert.equal(matches({ exact: '' }, ''), true);
  assert.equal(matches({ prefix: 'ab' }, 'abc'), true);
  assert.equal(matches({ suffix: 'bc' }, 'abc'), true);
  assert.equal(matches({ contains: 'b' }, 'abc'), true);
  assert.equal(matches({ contains: 'x' }, 'abc'), false);
  assert.equal(matches({ safeRegex: { regex: 'a.c' } }, 'abc'), true);
  assert.equal(matches({ safeRegex: { regex: 'a.c' } }, 'xabc'), false);
});

test('S45 a literal with the characters of a pattern is a literal', () => {
  assert.equal(matches({ exact: 'a.c' }, 'abc'), false);
  assert.equal(matches({ exact: 'a.c' }, 'a.c'), true);
  assert.equal(matches({ prefix: '.*' }, 'abc'), false);
  assert.equal(matches({ suffix: 'sa/admin|sa/dev' }, 'spiffe://td/ns/x/sa/dev'), false);
  assert.equal(matches({ exact: '*' }, 'abc'), false);
});

test('S96 without case means ASCII letters and nothing else', () => {
  assert.equal(matches({ exact: 'KeLvin', ignoreCase: true }, 'kElVIN'), true);
  assert.equal(matches({ exact: 'kelvin', ignoreCase: true }, '\u212aelvin'), false);
  assert.equal(matches({ contains: 'ÀB', ignoreCase: true }, 'x\u00c3\u0080by'), true);
  assert.equal(matches({ safeRegex: { regex: 'A.c' }, ignoreCase: true }, 'abc'), false, 'no effect on safe_regex');
  const seed = 3;
  const random = new SeededRandom(seed);
  const word = (): string => Array.from({ length: random.below(4) }, () => 'aAbB1@`'[random.below(7)]!).join('');
  for (let i = 0; i < 5000; i++) {
    const [pattern, text] = [word() || 'a', word()];
    const [p, t] = [pattern.toLowerCase(), text.toLowerCase()];
    const at = `seed ${seed}: ${pattern} in ${text}`;
    assert.equal(matches({ exact: pattern, ignoreCase: true }, text), t === p, at);
    assert.equal(matches({ prefix: pattern, ignoreCase: true }, text), t.startsWith(p), at);
    assert.equal(matches({ suffix: pattern, ignoreCase: true }, text), t.endsWith(p), at);
    assert.equal(matches({ contains: pattern, ignoreCase: true }, text), t.includes(p), at);
  }
});

test('texts are bytes: configuration is UTF-8, and so is what it is compared with', () => {
  assert.equal(matches({ exact: 'caf\u00e9' }, 'caf\u00c3\u00a9'), true);
  assert.equal(matches({ exact: 'caf\u00e9' }, 'caf\u00e9'), false);
});

test('bad matchers are refused with their place', () => {
  const cases: readonly (readonly [StringMatcherFields, string])[] =
    [[{}, 'm'], [{ prefix: '' }, 'm.prefix'], [{ contains: '' }, 'm.contains'],
    [{ exact: 'a', prefix: 'b' }, 'm'], [{ safeRegex: { regex: '(' } }, 'm.safeRegex.regex']];
  for (const [matcher, path] of cases) {
    assert.throws(() => compileStringMatch(matcher, 'm'), (e) => e instanceof ConfigError && e.path === path);
  }
});

test('a matcher prints itself', () => {
  assert.equal(String(compileStringMatch({ prefix: '/a"b' }, '')), 'prefix "/a\\"b"');
  assert.equal(String(compileStringMatch({ exact: 'AB', ignoreCase: true }, '')), 'exact "ab" (any case)');
  assert.equal(String(compileStringMatch({ safeRegex: { regex: 'a+' } }, '')), 'regex "a+"');
});
