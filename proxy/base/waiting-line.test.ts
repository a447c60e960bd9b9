// Lines of what waits against an array, at random.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from './random.ts';
import type { Waiting } from './waiting-line.ts';
import { WaitingLine } from './waiting-line.ts';

const SEED = 20_261_123;

class Item implements Waiting<Item> {
  readonly id: number;
  line: WaitingLine<Item> | undefined = undefined;
  before: Item | undefined = undefined;
  behind: Item | undefined = undefined;

  constructor(id: number) {
    this.id = id;
  }
}

function order(line: WaitingLine<Item>): number[] {
  const ids: number[] = [];
  for (let item = line.first; item !== undefined; item = item.behind) ids.push(item.id);
  return ids;
}

test(`two lines hold what arrays would, whatever comes, goes and moves (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const items = Array.from({ length: 20 }, (_, id) => new Item(id));
  const lines = [new WaitingLine<Item>(), new WaitingLine<Item>()];
  const arrays: number[][] = [[], []];
  for (let i = 0; i < 5000; i++) {
    const item = items[Math.floor(random.float() * items.length)]!;
    const at = lines.findIndex((line) => item.line === line);
    if (at !== -1) arrays[at] = arrays[at]!.filter((id) => id !== item.id);
    if (at !== -1 && random.float() < 0.4) {
      lines[at]!.remove(item);
    } else {
      const to = random.float() < 0.5 ? 0 : 1;
      lines[to]!.push(item);
      arrays[to]!.push(item.id);
    }
    assert.deepEqual(lines.map(order), arrays);
    assert.deepEqual(lines.map((line) => line.size), arrays.map((array) => array.length));
  }
});
