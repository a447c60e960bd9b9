// Scopes share what was made for one of them if it asked for nothing in which they differ.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Scope } from './mesh-view.ts';
import { ScopeMemo } from './scope-memo.ts';

const scopeOf = (labels: Record<string, string>, more: Partial<Scope> = {}): Scope => (
  { namespace: 'shop', isWeft: true, labels: new Map(Object.entries(labels)), ...more });

function countedMemo(read: (scope: Scope) => unknown): (scope: Scope) => number {
  const memo = new ScopeMemo<number>();
  let made = 0;
  return (scope) => memo.get(scope, function* make(noted) {
    yield;
    read(noted);
    return ++made;
  });
}

test('labels that nobody asks for make no difference', () => {
  const get = countedMemo(({ labels }) => labels.get('version') === 'v1' && labels.get('tier'));
  const same = [{ app: 'a', version: 'v2' }, { app: 'b', version: 'v2', tier: 'x' }];
  assert.deepEqual(same.map((labels) => get(scopeOf(labels))), [1, 1]);
  const others = [{ version: 'v1' }, { version: 'v1', tier: 'x' }, {}, { app: 'c', version: 'v1', tier: 'x' }];
  assert.deepEqual(others.map((labels) => get(scopeOf(labels))), [2, 3, 4, 3]);
});

test('who looks at all labels gets its own for each set of them', () => {
  for (const read of [
    ({ labels }: Scope) => [...labels], ({ labels }: Scope) => labels.size, ({ labels }: Scope) => [...labels.keys()],
    ({ labels }: Scope) => new Map(labels), ({ labels }: Scope) => [...labels.values()],
    ({ labels }: Scope) => labels.forEach(() => undefined),
  ]) {
    const get = countedMemo(read);
    const sets = [{ app: 'a' }, { app: 'b' }, { app: 'a', tier: 'x' }, {}, { app: 'a' }];
    assert.deepEqual(sets.map((labels) => get(scopeOf(labels))), [1, 2, 3, 4, 1], String(read));
  }
});

test('namespace, kind and locality always count', () => {
  const get = countedMemo(() => undefined);
  const scopes = [{}, { namespace: 'other' }, { isWeft: false }, { isGateway: true }, { locality: 'a/b/c' }, {}];
  assert.deepEqual(scopes.map((more) => get(scopeOf({}, more))), [1, 2, 3, 4, 5, 1]);
});
