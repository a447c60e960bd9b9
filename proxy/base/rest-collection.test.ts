// What a thread gives back when it rests: when it does so, and when it must not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { RestCollection, collectAll } from './rest-collection.ts';

const QUIET_MS = 50;

test('garbage is collected (WeakRef), and no gc function stays behind', async () => {
  const gone = new WeakRef({});
  await turn();
  assert.equal(collectAll(), true);
  assert.equal(gone.deref(), undefined);
  assert.equal('gc' in globalThis, process.execArgv.includes('--expose-gc'));
});

test('a thread that rests after its last piece of configuration collects once', async () => {
  let times = 0;
  const collect = (): boolean => ++times > 0;
  const rest = new RestCollection(0, { quietMs: QUIET_MS, collect });
  // A busy machine may let it seem busy: then it begins again.
  while (times === 0) {
    for (let i = 0; i < 3; i++) rest.touch();
    await delay(2 * QUIET_MS);
  }
  assert.equal(times, 1);
});

test('neither a busy thread nor one with a large heap is held up', async () => {
  const collect = (): boolean => assert.fail('it collected');
  const busy = new RestCollection(0, { quietMs: QUIET_MS, collect });
  const large = new RestCollection(0, { quietMs: QUIET_MS, heapBytesMax: 1, collect });
  busy.touch();
  large.touch();
  const until = performance.now() + QUIET_MS;
  while (performance.now() < until);
  // Whose timer is later than theirs.
  await delay(QUIET_MS);
});
