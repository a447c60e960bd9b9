// Path normalisation: one form for policy, routes and upstream; doing it twice changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathNormalization } from './path-normalization.ts';
import { mayNeedNormalization, normalizePath } from './path-normalization.ts';

const BASE: PathNormalization = { dotSegments: true, mergeSlashes: false, escapedSlashes: 'keep' };
const MERGE: PathNormalization = { dotSegments: true, mergeSlashes: true, escapedSlashes: 'keep' };
const DECODE: PathNormalization = { dotSegments: true, mergeSlashes: true, escapedSlashes: 'unescape-and-forward' };

const CASES: readonly (readonly [PathNormalization, string, string | undefined])[] = [
  [BASE, '/a/b', '/a/b'],
  [BASE, '/a/../b', '/b'],
  [BASE, '/a/./b/.', '/a/b/'],
  [BASE, '/../../b', '/b'],
  [BASE, '/a/%2e%2E/b', '/b'],
  [BASE, '/a\\..\\b', '/b'],
  [BASE, '/%61dmin/%7E%2D%5f%30%5A', '/admin/~-_0Z'],
  [BASE, '/%2561/%20%3b%7f', '/%2561/%20%3b%7f'],
  [BASE, '/a//b', '/a//b'],
  [BASE, '/a/..', '/'],
  [BASE, '/a%2fb', '/a%2fb'],
  [BASE, '/a/../b?q=/../x', '/b?q=/../x'],
  [BASE, '/%61dmin/%7e%5F%2d%30', '/admin/~_-0'],
  [BASE, '/%2561dmin/%21%7c', '/%2561dmin/%21%7c'],
  [BASE, '/a|b^{}"<>`?c|d', '/a%7Cb%5E%7B%7D%22%3C%3E%60?c|d'],
  [BASE, '/a%', undefined],
  [BASE, '/a%zz', undefined],
  [BASE, '/a%00', undefined],
  [BASE, '/...', '/...'],
  [MERGE, '//a///b/', '/a/b/'],
  [MERGE, '/a//../b', '/a/b'],
  [DECODE, '/a%2f..%2Fb', '/b'],
  [DECODE, '/a%5c..%5Cb', '/b'],
  [{ ...BASE, escapedSlashes: 'reject' }, '/a%2Fb', undefined],
  [{ ...BASE, escapedSlashes: 'reject' }, '/a/b', '/a/b'],
  [{ ...BASE, escapedSlashes: 'unescape-and-redirect' }, '/a%2Fb?c%2f', '/a/b?c%2f'],
];

test('S40 paths have one form', () => {
  for (const [rules, path, expected] of CASES) assert.equal(normalizePath(path, rules), expected, path);
});

test('S40 normalising twice changes nothing, and untouched paths are recognised', () => {
  for (const [rules, path] of CASES) {
    const once = normalizePath(path, rules);
    if (once === undefined) continue;
    assert.equal(normalizePath(once, rules), once, path);
    if (!mayNeedNormalization(path)) assert.equal(once, path);
  }
});
