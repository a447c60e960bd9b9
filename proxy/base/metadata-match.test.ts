// What a route asks of endpoints: equal where the JSON is, and narrower or wider on demand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetadataMatch, canonicalJson, keysId } from './metadata-match.ts';

test('demands are equal whatever the order of keys, also of objects in them', () => {
  const one = new MetadataMatch({ b: { y: [1, { q: 1, p: 2 }], x: null }, a: 'v' });
  const other = new MetadataMatch({ a: 'v', b: { x: null, y: [1, { p: 2, q: 1 }] } });
  assert.equal(one.id, other.id);
  assert.equal(one.keysId, keysId(['a', 'b']));
  for (const value of ['1', true, [1], { 1: 1 }, null]) {
    assert.notEqual(new MetadataMatch({ a: value }).id, new MetadataMatch({ a: 1 }).id);
  }
  assert.equal(canonicalJson(undefined), 'null');
});

test('values of its own count before those around it, and fewer keys can be asked for', () => {
  const match = new MetadataMatch({ a: 1, b: 2 }).with({ b: 3, c: 4 });
  assert.equal(match.id, new MetadataMatch({ a: 1, b: 3, c: 4 }).id);
  const keys = new Set(['a', 'c', 'other']);
  assert.equal(match.only(keys).id, new MetadataMatch({ a: 1, c: 4 }).id);
  assert.equal(match.only(keys), match.only(keys));
  assert.equal(match.only(new Set(['b'])).id, new MetadataMatch({ b: 3 }).id);
});

test('alternatives are those of fallback_list over the rest, or the rest alone', () => {
  const match = (wanted: Record<string, unknown>): MetadataMatch => new MetadataMatch(wanted);
  const ids = (wanted: Record<string, unknown>): string[] => match(wanted).alternatives().map((one) => one.id);
  const id = (wanted: Record<string, unknown>): string => match(wanted).id;
  assert.deepEqual(ids({ a: 1 }), [id({ a: 1 })]);
  const list = [{ a: 2 }, { b: 1 }, 'x'];
  assert.deepEqual(ids({ a: 1, fallback_list: list }), [id({ a: 2 }), id({ a: 1, b: 1 }), id({ a: 1 })]);
  assert.deepEqual(ids({ a: 1, fallback_list: [] }), [id({ a: 1 })]);
  assert.deepEqual(ids({ a: 1, fallback_list: 'x' }), [id({ a: 1 })]);
});
