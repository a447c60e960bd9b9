// Conditions on paths.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../base/random.ts';
import type { RouteMatch } from '../config/route-match.ts';
import { compilePathMatch, pathEnd } from './path-match.ts';

function matches(match: RouteMatch, path: string, method = 'GET'): boolean {
  return compilePathMatch(match, 'match').matches(method, path, pathEnd(path));
}

test('prefix, path and separated prefix look at the path without its query', () => {
  const cases: readonly (readonly [RouteMatch, string, boolean])[] = [
    [{ prefix: '/a' }, '/a', true], [{ prefix: '/a' }, '/abc', true], [{ prefix: '/a' }, '/A', false],
      [{ prefix: '/abc' }, '/ab?c', false],
    [{ prefix: '' }, '/x', true], [{ prefix: '/a?b' }, '/a?b=1', false],
    [{ path: '/a' }, '/a', true], [{ path: '/a' }, '/a?q=/a', true], [{ path: '/a' }, '/a/', false],
      [{ path: '/a' }, '/', false], [{ path: '/a?b' }, '/a?b', false],
    [{ pathSeparatedPrefix: '/api/dev' }, '/api/dev', true], [{ pathSeparatedPrefix: '/api/dev' }, '/api/dev/v1', true],
    [{ pathSeparatedPrefix: '/api/dev' }, '/api/dev?x=1', true],
      [{ pathSeparatedPrefix: '/api/dev' }, '/api/developer', false],
    [{ prefix: '/Ab', caseSensitive: false }, '/aBc', true], [{ path: '/Ab', caseSensitive: false }, '/aB?x', true],
    [{ pathSeparatedPrefix: '/Ab', caseSensitive: false }, '/AB/c', true],
      [{ pathSeparatedPrefix: '/Ab', caseSensitive: false }, '/ABc', false],
    [{ safeRegex: { regex: '/a/[0-9]+' } }, '/a/12?x=y', true],
      [{ safeRegex: { regex: '/a/[0-9]+' } }, '/a/12/', false],
    [{ safeRegex: { regex: '/A' }, caseSensitive: false }, '/a', false],
  ];
  for (const [match, path, expected] of cases) assert.equal(matches(match, path), expected,
    `${JSON.stringify(match)} ${path}`);
});

test('CONNECT without a path fits only a CONNECT matcher', () => {
  assert.equal(matches({ connectMatcher: {} }, '', 'CONNECT'), true);
  assert.equal(matches({ connectMatcher: {} }, '/', 'GET'), false);
  for (const match of [{ prefix: '' }, { prefix: '/' }, { path: '' },
    { safeRegex: { regex: '.*' } }]) assert.equal(matches(match, '', 'CONNECT'), false);
});

test('bad path conditions are refused by their place', () => {
  assert.throws(() => compilePathMatch({}, 'match'), /^ConfigError: match: needs one of/);
  assert.throws(() => compilePathMatch({ safeRegex: { regex: '(' } }, 'match'), /match\.safeRegex\.regex/);
  for (const text of ['/', '/a/', '/a?b', '/a#b']) assert.throws(() =>
    compilePathMatch({ pathSeparatedPrefix: text }, 'match'), /pathSeparatedPrefix/);
});

test('random literals match as string comparison says', () => {
  const seed = 5;
  const random = new SeededRandom(seed);
  const word = (): string => `/${Array.from({ length: random.below(4) }, () => 'aAb/'[random.below(4)]!).join('')}`;
  for (let i = 0; i < 5000; i++) {
    const [text, target] = [word(), `${word()}${random.below(3) === 0 ? '?a' : ''}`];
    const path = target.split('?')[0]!;
    const at = `seed ${seed}: ${text} on ${target}`;
    assert.equal(matches({ prefix: text }, target), path.startsWith(text), at);
    assert.equal(matches({ path: text }, target), path === text, at);
    assert.equal(matches({ prefix: text, caseSensitive: false }, target),
      path.toLowerCase().startsWith(text.toLowerCase()), at);
    assert.equal(matches({ path: text, caseSensitive: false }, target), path.toLowerCase() === text.toLowerCase(), at);
  }
});
