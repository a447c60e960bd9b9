// Paths as servers read them that know path parameters.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../base/random.ts';
import { withoutParameters } from './path-parameters.ts';

test('S41 parameters go before dot segments are resolved', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['/admin;x=1', '/admin'], ['/a;x/b;y', '/a/b'], ['/public/..;/admin', '/admin'],
      ['/public/.;/admin', '/public/admin'],
    ['/;x/admin', '/admin'], ['/..;/..;/a', '/a'], ['/a/b/..;x', '/a/'], ['/a/;x', '/a/'], ['/a//b', '/a/b'],
      ['/', '/'],
    ['/;', '/'], ['/a/', '/a/'], ['', '/'],
  ];
  for (const [path, expected] of cases) assert.equal(withoutParameters(path), expected, path);
});

test('S41 doing it twice changes nothing', () => {
  const seed = 12;
  const random = new SeededRandom(seed);
  for (let i = 0; i < 3000; i++) {
    const piece = (): string => ['a', '/', ';', '.', '..', 'b;c'][random.below(6)]!;
    const path = `/${Array.from({ length: random.below(10) }, piece).join('')}`;
    const once = withoutParameters(path);
    assert.equal(withoutParameters(once), once, `seed ${seed}: ${path}`);
  }
});
