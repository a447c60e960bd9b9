// A proxy that drains ends at once when it is told a second time (faults.md F17).
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { answers } from '../harness/process.ts';
import { restartScene } from '../harness/restart-scene.ts';
import { until } from '../harness/until.ts';

test('F17 SIGTERM lets a request end, and a second one does not wait for it (node:http)',
  { skip: process.platform === 'win32' && 'signals are POSIX\'s', timeout: 60_000 }, async (t) => {
    const made = await restartScene(t);
    const metadata = { WEFT_LIFECYCLE: { grace_period: '600s' } };
    const proxy = made.start(0, 1, { node: { id: 'one', cluster: 'c', metadata } });
    await proxy.until(() => answers(`http://127.0.0.1:${made.admin}/ready`));
    // Its body never ends: only the drain's deadline of nine minutes could be what ends it, or the second signal.
    const cut = new Promise<string>((resolve) => {
      const headers = { 'content-length': '10' };
      request({ host: '127.0.0.1', port: made.port, method: 'POST', headers, agent: false }, () => resolve('answered'))
        .on('error', () => resolve('cut')).write('1');
    });
    const active = async (): Promise<boolean> => await made.stat('http.http.downstream_rq_active') === 1;
    await until('it is in flight', active);
    proxy.child.kill('SIGTERM');
    await until('it drains', () => proxy.output.includes('a second signal ends at once'));
    assert.ok(await active(), 'the first signal waits for it');
    proxy.child.kill('SIGTERM');
    assert.equal(await cut, 'cut');
    assert.equal(await proxy.ended, 0, proxy.output);
  });
