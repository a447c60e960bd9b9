// Draws and ids.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PooledRandom, SeededRandom } from './random.ts';
import type { Random } from './random.ts';

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const GENERATORS: readonly (readonly [string, () => Random])[] = [
  ['pooled', () => new PooledRandom()],
  ['seeded', () => new SeededRandom(7)],
];

for (const [name, make] of GENERATORS) {
  test(`${name}: floats are in [0, 1) and evenly spread`, () => {
    const random = make();
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const value = random.float();
      assert.ok(value >= 0 && value < 1);
      counts[Math.floor(value * 10)]!++;
    }
    // 10,000 expected, standard deviation 95: six of them is one failure in 10^8 runs.
    for (const count of counts) assert.ok(Math.abs(count - 10_000) < 600, String(counts));
  });

  test(`${name}: ids have the form and do not repeat`, () => {
    const random = make();
    const seen = new Set<string>();
    for (let i = 0; i < 5000; i++) {
      const id = random.uuid();
      assert.match(id, UUID_V4);
      seen.add(id);
    }
    assert.equal(seen.size, 5000);
    for (const bytes of [0, 1, 8, 16, 17, 40]) assert.match(random.hex(bytes), new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
  });
}

test('a seed gives the same draws again, and another seed others', () => {
  const draw = (seed: number): string => {
    const random = new SeededRandom(seed);
    return `${random.float()} ${random.hex(4)} ${random.uuid()} ${random.below(1000)}`;
  };
  assert.equal(draw(42), draw(42));
  assert.notEqual(draw(42), draw(43));
});
