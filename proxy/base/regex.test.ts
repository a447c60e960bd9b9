// Patterns: what they match, and what never reaches the engine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RE2JS } from 're2js';
import { ConfigError } from './error.ts';
import { SeededRandom } from './random.ts';
import { REGEX_LENGTH_MAX, SUBSTITUTED_LENGTH_MAX, compileRegex, compileSubstitution } from './regex.ts';
import { literalPrefix } from './regex-literal.ts';
import { regexTokens } from './regex-syntax.ts';

function refused(run: () => unknown, reason: RegExp): void {
  assert.throws(run, (error) => error instanceof ConfigError && error.path.startsWith('match')
    && reason.test(error.message));
}

test('a pattern matches the whole text', () => {
  const regex = compileRegex('/users/[0-9]+', 'match');
  assert.equal(regex.matches('/users/12'), true);
  assert.equal(regex.matches('/users/12/'), false);
  assert.equal(regex.matches('x/users/12'), false);
});

test('S46 a text is bytes: the dot is one byte, of any value but newline', () => {
  assert.equal(compileRegex('/a.[x]', 'match').matches('/a\xffx'), true);
  assert.equal(compileRegex('/a..[x]', 'match').matches('/a\u00c3\u00a9x'), true);
  assert.equal(compileRegex('\\xC3\\xA9[x]', 'match').matches('\u00c3\u00a9x'), true);
  assert.equal(compileRegex('a.[b]', 'match').matches('a\nb'), false);
  refused(() => compileRegex('caf\u00e9', 'match'), /UTF-8 bytes/);
});

test('S46 patterns that make a backtracking engine explode end in linear time', () => {
  const text = `${'a'.repeat(20_000)}!`;
  for (const source of ['(a+)+$', '(a|a)*b', '(.*a){12}', '(a*)*[c]', '([a-z]+)*=']) {
    assert.equal(compileRegex(source, 'match').matches(text), false, source);
  }
});

test('S46 length, program size and syntax are checked before the engine sees a text', () => {
  refused(() => compileRegex('', 'match'), /empty/);
  refused(() => compileRegex('a'.repeat(REGEX_LENGTH_MAX + 1), 'match'), /1025 characters, 1024 is the limit/);
  refused(() => compileRegex('.{1000}'.repeat(40), 'match'), /too large/);
  refused(() => compileRegex('(((a{10}){10}){10})'.repeat(40), 'match'), /too large/);
  refused(() => compileRegex('(\\pL{90}){100}', 'match'), /too large|not valid RE2/);
  for (const bad of ['(', 'a)', '[a', 'a{2,1}', '*a', 'a**', '(?=a)', '(?<=a)b', '\\1', '(a)\\1', '\\']) {
    refused(() => compileRegex(bad, 'match'), /not valid RE2/);
  }
});

const LITERALS = ['/api', 'GET|POST', '(GET|POST)', '^(?:a|b|c)$', '/v1/.*', '.*\\.svc', '.+-x', '/a/.+', '.*mid.*',
  '.+mid.+', '^/a$',
  '(/a)(/b)', '/a/(.*)', '(a)|(b)', '(?P<n>ab)', '\\Qa.b|c\\E', 'a\\.b', 'a\\/b', '.*', '.+', '^a|b$', 'a||b', '.*?x',
    'x{', '{', '\\Aab\\z', '^', '^$'];
const ENGINE = ['[a-z]+', 'a?b', 'ab*', 'a|b*', '(?i)abc', 'a.c', '(a|b)c', '(ab)+', '(ab)?', '\\d+', 'a{2}', '\\bword',
  'a$b', 'a^b', '.*a.*b',
  '(a|b)|c', '\\pL', '[|]', '[]a]x', 'x\\x41'];

test('S45 S46 a pattern that is a literal never runs the engine, and one that is not does', () => {
  for (const source of LITERALS) assert.equal(compileRegex(source, 'match').usesEngine, false, source);
  for (const source of ENGINE) assert.equal(compileRegex(source, 'match').usesEngine, true, source);
});

test('what stands in for the engine agrees with it on random texts', () => {
  const seed = 77;
  const random = new SeededRandom(seed);
  const alphabet = ['a', 'b', 'c', '/', '.', '-', 'x', 'mid', 'svc', 'GET', 'POST', '/api', '/v1/', '\n', '|', '{', 'A',
    '\\', '']; // '' makes short ones
  for (const source of [...LITERALS, ...ENGINE]) {
    const regex = compileRegex(source, 'match');
    const engine = RE2JS.compile(source);
    for (let i = 0; i < 600; i++) {
      const text = Array.from({ length: random.below(6) }, () => alphabet[random.below(alphabet.length)]!).join('');
      assert.equal(regex.matches(text), engine.testExact(text), `seed ${seed}: ${source} on ${JSON.stringify(text)}`);
    }
  }
});

test('random patterns agree with the engine, whatever was told of them by reading', () => {
  const seed = 4711;
  const random = new SeededRandom(seed);
  const parts = ['a', 'b', '.', '.*', '.+', '|', '(', ')', '(?:', '^', '$', '?', '*', '+', '{2}', '{1,}', '[ab]',
    '[|)]', '[^a]', '\\.', '\\w', '(?i)', '[[:alpha:]]'];
  let valid = 0;
  for (let i = 0; i < 8000; i++) {
    const source = Array.from({ length: 1 + random.below(7) }, () => parts[random.below(parts.length)]!).join('');
    let engine: RE2JS;
    try {
      engine = RE2JS.compile(source);
    } catch {
      continue;
    }
    valid++;
    const regex = compileRegex(source, 'match');
    for (let j = 0; j < 20; j++) {
      const text = Array.from({ length: random.below(5) }, () => 'ab.|)\nA'[random.below(7)]!).join('');
      const matches = engine.testExact(text);
      assert.equal(regex.matches(text), matches, `seed ${seed}: ${source} on ${JSON.stringify(text)}`);
      assert.ok(!matches || text.startsWith(regex.prefix), `seed ${seed}: ${source} on ${JSON.stringify(text)}`);
    }
  }
  assert.ok(valid > 1000);
});

test('every match starts with the literal prefix', () => {
  const prefixes: readonly (readonly [string, string])[] =
    [['/api/[0-9]+', '/api/'], ['^/api/(v1|v2)/x', '/api/'], ['/abc?', '/ab'], ['/ab+c', '/ab'],
    ['/a|/b', ''], ['(/a|/b)c', ''], ['(?i)/a[b]', ''], ['/a(b)[c]', '/ab'], ['/a(bc)*', '/a'], ['[a]', ''],
      ['/x{0}[y]', '/'], ['/x{2}', '/x']];
  for (const [source, prefix] of prefixes) assert.equal(literalPrefix(regexTokens(source)), prefix, source);
});

test('substitution replaces every match and knows groups', () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ['^/service/([^/]+)(/.*)$', '\\2/instance/\\1', '/service/foo/v1/api', '/v1/api/instance/foo'],
    ['one', 'two', '/xxx/one/yyy/one/zzz', '/xxx/two/yyy/two/zzz'],
    ['^(.*?)one(.*)$', '\\1two\\2', '/xxx/one/yyy/one/zzz', '/xxx/two/yyy/one/zzz'],
    ['(?i)/xxx/', '/yyy/', '/aaa/XxX/bbb', '/aaa/yyy/bbb'],
    ['x*', '-', 'axb', '-a-b-'],
    ['(a)|(b)', '[\\1\\2]', 'abc', '[a][b]c'],
    ['b', '\\\\\\0$1$&', 'abc', 'a\\b$1$&c'],
    ['z', 'y', 'abc', 'abc'],
    ['a', '', 'banana', 'bnn'],
  ];
  for (const [source, substitution, text, expected] of cases) {
    assert.equal(compileSubstitution(source, substitution, 'match').replaceAll(text), expected, source);
  }
});

test('a substitution is checked at compile and bounded at run', () => {
  refused(() => compileSubstitution('a', '\\1', 'match'), /has 0 groups/);
  refused(() => compileSubstitution('a', '\\x', 'match'), /neither a group/);
  refused(() => compileSubstitution('a', 'x\\', 'match'), /neither a group/);
  const text = 'a'.repeat(8000);
  assert.equal(compileSubstitution('a', 'b'.repeat(1000), 'match').replaceAll(text), text);
  assert.ok(text.length < SUBSTITUTED_LENGTH_MAX);
});
