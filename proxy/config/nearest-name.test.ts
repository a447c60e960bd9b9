// Who meant what by a mistyped name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findNearest, nearestName } from './nearest-name.ts';

const NAMES = ['connect_timeout', 'lb_policy', 'load_assignment', 'name', 'type'];

test('a letter too many, too few, wrong or swapped is found', () => {
  for (const [written, meant] of [
    ['conect_timeout', 'connect_timeout'],
    ['connect_timeuot', 'connect_timeout'],
    ['lb_polices', 'lb_policy'],
    ['tpye', 'type'],
    ['Name', 'name'],
    ['loadAssignment', 'load_assignment'],
  ] as const) assert.equal(findNearest(written, NAMES), meant);
});

test('what is far from everything is nothing', () => {
  assert.equal(findNearest('zzz', NAMES), undefined);
  assert.equal(findNearest('', NAMES), undefined);
  assert.equal(nearestName('zzz', NAMES), '');
  assert.equal(nearestName('tpye', NAMES), '; did you mean \'type\'?');
});

test('S85 long names are not compared', () => {
  assert.equal(findNearest('x'.repeat(1_000_000), ['x'.repeat(1_000_000 - 1)]), undefined);
});
