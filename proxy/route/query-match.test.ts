// Conditions on query parameters.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueryParameterMatcher } from '../config/header-matcher.ts';
import { QueryMatch, queryValue } from './query-match.ts';

function matches(matcher: QueryParameterMatcher, path: string): boolean {
  return new QueryMatch(matcher, 'q').matches(path);
}

test('the first parameter of a name counts, undecoded', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['/p', undefined], ['/p?', undefined], ['/p?a', ''], ['/p?a=', ''], ['/p?a=1', '1'], ['/p?b=2&a=1&a=3', '1'],
      ['/p?ba=1', undefined],
    ['/p?ab=1', undefined], ['/p?&&a=1', '1'], ['/p?a==1', '=1'], ['/p?%61=1', undefined], ['/p?a=%31', '%31'],
      ['/a=1', undefined], ['/p?x?a=1', undefined],
  ];
  for (const [path, value] of cases) assert.equal(queryValue(path, 'a'), value, path);
});

test('by value, presence and absence', () => {
  assert.equal(matches({ name: 'a', stringMatch: { exact: '1' } }, '/?a=1'), true);
  assert.equal(matches({ name: 'a', stringMatch: { exact: '' } }, '/'), false);
  assert.equal(matches({ name: 'a', stringMatch: { safeRegex: { regex: '[0-9]+' } } }, '/?a=12'), true);
  assert.equal(matches({ name: 'a' }, '/?a'), true);
  assert.equal(matches({ name: 'a', presentMatch: false }, '/?a'), false);
  assert.equal(matches({ name: 'a', presentMatch: false }, '/?b'), true);
});

test('names that no query can have are refused', () => {
  for (const name of ['', 'a=b', 'a&b']) assert.throws(() => new QueryMatch({ name }, 'q'), /^ConfigError: q\.name/);
});
