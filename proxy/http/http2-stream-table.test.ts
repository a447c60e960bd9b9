// The table of open streams against a Map, over random histories.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../base/random.ts';
import type { Http2Stream } from './http2-stream.ts';
import { StreamTable } from './http2-stream-table.ts';

test('it holds what a Map holds, whatever comes and goes', () => {
  const seed = Date.now() % 1_000_000;
  const random = new SeededRandom(seed);
  const table = new StreamTable();
  const map = new Map<number, Http2Stream>();
  for (let id = 1; id < 20_000; id += 2) {
    const stream = { id } as Http2Stream;
    table.add(stream);
    map.set(id, stream);
    const wanted = Math.floor(random.float() * (id % 2000 < 1000 ? 100 : 3));
    for (const open of [...map.keys()].toSorted(() => random.float() - 0.5)) {
      if (map.size <= wanted) break;
      assert.equal(table.delete(open), map.delete(open));
      assert.equal(table.delete(open), false);
    }
    const probe = 2 * Math.floor(random.float() * id) + 1;
    assert.equal(table.get(probe), map.get(probe), `seed ${seed}`);
    assert.equal(table.size, map.size);
  }
  assert.deepEqual(new Set(table.all()), new Set(map.values()), `seed ${seed}`);
});
