// Nobody goes round the egress gateway: in a network namespace (unshare) iptables lets its group out and no other, and
// what goes through it is judged by who asks.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Answers } from '../harness/egress-namespace.ts';
import { ServerProcess } from '../harness/process.ts';

const SCRIPT = fileURLToPath(new URL('../harness/egress-namespace.ts', import.meta.url));
const PROBE = 'ip link set lo up && iptables -A OUTPUT -p tcp -m owner --gid-owner 1337 -j ACCEPT';

function reason(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    execFileSync('unshare', ['-n', 'sh', '-c', PROBE], { stdio: 'pipe' });
    return false;
  } catch {
    return 'needs unshare, ip and iptables with its owner match';
  }
}

test('unshare, iptables: the egress gateway is the only way out, and lets out whom it should', { skip: reason() },
  async () => {
    await using walk = new ServerProcess('unshare', ['-n', '--', process.execPath, SCRIPT], { name: 'namespace' });
    let text = '';
    walk.child.stdout?.on('data', (chunk: Buffer) => { text += String(chunk); });
    assert.equal(await walk.ended, 0, walk.output);
    const { openly, directly, bySidecar, byGateway, byGatewayAsWeb } = JSON.parse(text) as Answers;
    assert.deepEqual([openly, directly], ['200', 'ECONNREFUSED']);
    assert.match(bySidecar, /^503 /);
    assert.equal(byGateway, '200 outside.example.com over plain HTTP, by nobody');
    assert.equal(byGatewayAsWeb, '403 RBAC: access denied');
  });
