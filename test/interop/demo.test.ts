// The guided tour as a user runs it: the whole mesh in processes of its own, every step holding, nothing left behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ServerProcess } from '../harness/process.ts';
import { processesOf } from '../harness/processes.ts';
import { until } from '../harness/until.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

test('weft demo --check: all ten steps hold', async () => {
  const tour = new ServerProcess(process.execPath, [WEFT, 'demo', '--check'], { name: 'weft demo --check' });
  const status = await tour.ended;
  assert.equal(status, 0, tour.output);
  assert.match(tour.output, /all 10 steps hold/);
});

test('weft demo ends cleanly on Ctrl-C and leaves no process behind', async () => {
  const demo = new ServerProcess(process.execPath, [WEFT, 'demo', '--port', '0'], { name: 'weft demo' });
  try {
    await demo.until(() => demo.output.includes('everything is up'), 60_000);
    const folder = /mesh YAML\s+(\S+)\/mesh/.exec(demo.output)?.[1];
    assert.ok(folder !== undefined, demo.output);
    demo.child.kill('SIGINT');
    assert.equal(await demo.ended, 0, demo.output);
    await until('every process of it is gone', () => processesOf(folder).length === 0);
  } finally {
    await demo.stop();
  }
});
