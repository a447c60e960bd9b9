// Counts by name over threads: one place a name, whoever asks first, and none when all are taken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamedCounts } from './named-counts.ts';
import type { NamedCount } from './named-counts.ts';

function threads(count: number): NamedCounts[] {
  const memory = new SharedArrayBuffer(NamedCounts.bytesFor(count));
  return Array.from({ length: count }, (_, thread) => new NamedCounts(memory, count, thread));
}

test('threads that ask for one name share its count', () => {
  const [a, b] = threads(2) as [NamedCounts, NamedCounts];
  const [one, same, other] = [a.of('x')!, b.of('x')!, b.of('y')!];
  one.add(2);
  same.add(3);
  other.add(7);
  assert.deepEqual([one.sum, same.sum, other.sum], [5, 5, 7]);
  one.add(-2);
  assert.equal(a.of('x')!.sum, 3);
});

test('one is added while all threads stay within a limit', () => {
  const [one, other] = threads(2).map((counts) => counts.count('x')) as [NamedCount, NamedCount];
  assert.deepEqual([one.tryAdd(2), other.tryAdd(2), one.tryAdd(2), other.tryAdd(2)], [true, true, false, false]);
  other.add(-1);
  assert.equal(one.tryAdd(2), true);
});

test("F19 a dead thread's counts are taken back, the others' stay", () => {
  const [a, b] = threads(2) as [NamedCounts, NamedCounts];
  a.of('x')!.add(1);
  b.of('x')!.add(2);
  b.of('y')!.add(4);
  a.clearThread(1);
  assert.deepEqual([a.of('x')!.sum, a.of('y')!.sum], [1, 0]);
});

test('each of many names has a place of its own until there is none left', () => {
  const [a, b] = threads(2) as [NamedCounts, NamedCounts];
  for (let i = 0; i < 8192; i++) a.of(`10.0.${i >> 8}.${i & 255}:80`)!.add(i);
  for (let i = 0; i < 8192; i++) assert.equal(b.of(`10.0.${i >> 8}.${i & 255}:80`)!.sum, i);
  assert.equal(b.of('one more'), undefined);
  assert.deepEqual([a.count('one more').tryAdd(1), b.count('one more').tryAdd(1)], [true, true], 'each for itself');
});
