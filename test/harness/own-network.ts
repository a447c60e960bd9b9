// Tests that need addresses and redirections of their own run in namespaces (network, mounts) that they make and that
// end with them: the file runs itself once more inside.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

export { configure } from '../../examples/demo/pod-network.ts';

const INSIDE = 'WEFT_OWN_NETWORK';
const UNSHARE = ['--net', '--mount', '--'];
/** Where `ip netns` keeps names: none of them is seen outside. */
const PREPARE = 'mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up';

/** `define` defines the tests, and runs inside only; `module` is the test file's import.meta.url. */
export function inOwnNetwork(module: string, define: () => void): void {
  if (process.env[INSIDE] === '1') {
    define();
    return;
  }
  void test('in a network namespace of its own', { skip: reasonToSkip() }, () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const flags = ['--test', '--test-reporter=spec', '--test-timeout=120000'];
    const script = `${PREPARE} && exec "$@"`;
    const command = [...UNSHARE, 'sh', '-c', script, 'sh', process.execPath, ...flags, fileURLToPath(module)];
    const run = spawnSync('unshare', command, { env: { ...env, [INSIDE]: '1' }, encoding: 'utf8' });
    assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
    process.stdout.write(run.stdout);
  });
}

function reasonToSkip(): string | false {
  if (process.platform !== 'linux') return 'network namespaces are Linux\'s';
  const script = `${PREPARE} && iptables -t nat -L -n && ip6tables -t nat -L -n`;
  const { status } = spawnSync('unshare', [...UNSHARE, 'sh', '-c', script], { stdio: 'ignore' });
  return status === 0 ? false : 'needs root, unshare, ip and iptables';
}
