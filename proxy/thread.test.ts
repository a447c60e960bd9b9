// A thread's start: what it would load for nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

const LOADED = `import { parentPort } from 'node:worker_threads'; parentPort.postMessage(process.moduleLoadList);`;

test('a thread runs the module that it is given, and does not load the type stripper for itself', async () => {
  const argv = [`data:text/javascript,${encodeURIComponent(LOADED)}`];
  const worker = new Worker(new URL('thread.mjs', import.meta.url), { argv });
  const [modules] = await once(worker, 'message') as [string[]];
  assert.deepEqual(modules.filter((name) => /amaro/.test(name)), []);
  await worker.terminate();
});
