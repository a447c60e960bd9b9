// The request's buffer and who watches it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../http/headers.ts';
import { RequestBuffer } from './request-buffer.ts';

test('a watcher hears at once of what came while another filter waited', () => {
  const heard: (readonly [number, boolean])[] = [];
  const watcher = { onHeld: (_held: unknown, bytes: number, complete: boolean) => heard.push([bytes, complete]) };
  const buffer = new RequestBuffer(10);
  buffer.watch(10, watcher);
  assert.deepEqual(heard, []);
  buffer.add(Buffer.from('abc'), false);
  buffer.watch(10, watcher);
  buffer.add(Buffer.from('de'), true);
  buffer.watch(10, watcher);
  assert.deepEqual(heard, [[3, false], [3, false], [5, true], [5, true]]);
  const trailed = new RequestBuffer(10);
  trailed.trailers = new Headers();
  trailed.watch(10, watcher);
  assert.deepEqual(heard.at(-1), [0, true]);
});
