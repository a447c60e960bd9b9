// How rules combine: random trees of and, or, not against a plain evaluation, and the two readings against each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import { SeededRandom } from '../base/random.ts';
import type { Permission } from '../config/rbac.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import { compilePermission } from './rbac-permission.ts';

const RUNS = 2000;
const SEED = 20_261_124;
const NAMES = ['x-a', 'x-b', 'x-c'];
const VALUES = ['1', '2', '1,2', '12', ''];
const PATHS = ['/a', '/b', '/a;x', '/b/..;/a', '/a/b?q=;'];

function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[random.below(from.length)]!;
}

/** Up to four levels of and, or, not over leaves. */
function treeOf(random: SeededRandom, leaf: () => Permission, depth = 4): Permission {
  const kind = depth === 0 ? 0 : random.below(4);
  const rules = (): Permission[] => Array.from({ length: 1 + random.below(3) }, () => treeOf(random, leaf, depth - 1));
  if (kind === 1) return { andRules: { rules: rules() } };
  if (kind === 2) return { orRules: { rules: rules() } };
  if (kind === 3) return { notRule: treeOf(random, leaf, depth - 1) };
  return leaf();
}

/** The meaning of a tree whose leaves are headers that are present or not. */
function plainly(rule: Permission, present: ReadonlySet<string>): boolean {
  if (rule.andRules !== undefined) return rule.andRules.rules.every((inner) => plainly(inner, present));
  if (rule.orRules !== undefined) return rule.orRules.rules.some((inner) => plainly(inner, present));
  if (rule.notRule !== undefined) return !plainly(rule.notRule, present);
  return rule.any === true || present.has(rule.header!.name);
}

test('and, or, not mean what they say, whatever stands in them', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = new SeededRandom(SEED);
  const leaf = (): Permission => (random.below(5) === 0 ? { any: true }
    : { header: { name: pick(random, NAMES), presentMatch: true } });
  for (let run = 0; run < RUNS; run++) {
    const tree = treeOf(random, leaf);
    const present = new Set(NAMES.filter(() => random.below(2) === 0));
    const head = new RequestHead('GET', 'a', '/', new Headers([...present].flatMap((name) => [name, '1'])));
    for (const reading of ['any', 'every'] as const) {
      const holds = compilePermission(tree, reading, '').holds(head, sampleStream());
      const what = `run ${run}, ${reading}: ${JSON.stringify(tree)}, ${[...present].join(', ')}`;
      assert.equal(holds, plainly(tree, present), what);
    }
  }
});

test('S44 S41 what a permission grants, a denial of the same words would have seen', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = new SeededRandom(SEED);
  const matcher = () => ({ [pick(random, ['exact', 'prefix', 'suffix', 'contains'])]: pick(random, ['1', '2', '12']) });
  const leaf = (): Permission => (random.below(4) === 0 ? { urlPath: { path: { exact: pick(random, ['/a', '/b']) } } }
    : { header: { name: pick(random, NAMES), stringMatch: matcher(), invertMatch: random.below(3) === 0 } });
  for (let run = 0; run < RUNS; run++) {
    const tree = treeOf(random, leaf);
    const fields = Array.from({ length: random.below(5) }, () => [pick(random, NAMES), pick(random, VALUES)]).flat();
    const head = new RequestHead('GET', 'a', pick(random, PATHS), new Headers(fields));
    const granted = compilePermission(tree, 'every', '').holds(head, sampleStream());
    const seen = compilePermission(tree, 'any', '').holds(head, sampleStream());
    assert.ok(!granted || seen, `run ${run}: ${JSON.stringify(tree)} on ${head.path} ${fields.join(', ')}`);
  }
});
