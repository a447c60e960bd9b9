// The bin's own work: which process serves in the end, and with what environment.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../examples/demo/free-ports.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { ServerProcess, answers } from '../test/harness/process.ts';

const WEFT = fileURLToPath(new URL('weft.mjs', import.meta.url));
const skip = process.platform !== 'linux' && 'only Linux has /proc';

/** The environment that the process itself has by the time that it serves. */
async function environmentOf(t: TestContext, env: Record<string, string>): Promise<readonly string[]> {
  const [port = 0] = await freePorts(1);
  const file = join(temporaryFolder(t), 'bootstrap.json');
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  writeFileSync(file, JSON.stringify({ admin: { address } }));
  const args = [WEFT, 'proxy', '-c', file, '--concurrency', '1'];
  await using proxy = new ServerProcess(process.execPath, args, { env });
  await proxy.until(() => answers(`http://127.0.0.1:${port}/ready`));
  const environment = readFileSync(`/proc/${proxy.pid}/environ`, 'utf8').split('\0');
  assert.equal(proxy.output.includes('Warning'), false, proxy.output);
  return environment;
}

test('weft proxy serves in the process that was started, with settings for the allocator', { skip }, async (t) => {
  const environment = await environmentOf(t, {});
  assert.ok(environment.includes('MALLOC_ARENA_MAX=2'));
  assert.ok(environment.some((entry) => entry.startsWith('MALLOC_TRIM_THRESHOLD_=')));
});

test('settings of the user are left alone', { skip }, async (t) => {
  const environment = await environmentOf(t, { MALLOC_ARENA_MAX: '5' });
  assert.deepEqual(environment.filter((entry) => entry.startsWith('MALLOC_')), ['MALLOC_ARENA_MAX=5']);
});

test('weft demo refuses tasks that it does not know, and options that a task does not take', async () => {
  for (const [args, reason] of [
    [['--task', 'nothing'], '--task knows no "nothing"'], [['--task', 'all'], '--task all is for --check'],
    [['--task', 'ingress', '--port', '80'], '--port is not for --task'],
  ] as const) {
    await using demo = new ServerProcess(process.execPath, [WEFT, 'demo', ...args]);
    assert.equal(await demo.ended, 2);
    assert.ok(demo.output.includes(`weft demo: ${reason}\n`), demo.output);
  }
});
