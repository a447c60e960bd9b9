// A PlaceSet against a Set, over random histories.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlaceSet } from './place-set.ts';
import { SeededRandom } from './random.ts';

test('it holds what a Set holds, whatever comes and goes', () => {
  const seed = Date.now() % 1_000_000;
  const random = new SeededRandom(seed);
  const places = new PlaceSet<{ place: number }>();
  const set = new Set<{ place: number }>();
  for (let step = 0; step < 20_000; step++) {
    if (random.float() < 0.5 || set.size === 0) {
      const item = { place: -1 };
      places.add(item);
      set.add(item);
    } else {
      const item = [...set][Math.floor(random.float() * set.size)]!;
      assert.equal(places.delete(item), set.delete(item));
      assert.equal(places.delete(item), false);
    }
    assert.equal(places.size, set.size, `seed ${seed}`);
  }
  assert.deepEqual(new Set(places.all()), set, `seed ${seed}`);
});
