// `weft audit` as a shell sees it: what it prints of good and bad logs, and its exit status.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AUDIT_FILE, AuditLog } from '../proxy/base/audit-log.ts';
import { systemClock } from '../proxy/base/clock.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

function audit(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, 'audit', ...args], { encoding: 'utf8' });
}

async function written(t: TestContext): Promise<string> {
  const folder = join(temporaryFolder(t), 'log');
  const log = AuditLog.open({ folder, clock: systemClock, onFault: () => undefined });
  log.append({ type: 'decision', outcome: 'denied', who: 'spiffe://td/ns/a/sa/b', path: '/a b' });
  log.append({ type: 'config', object: 'VirtualService default/v' });
  await log.close();
  return folder;
}

test('weft audit verify ends with 0 for what was written, by its key too', async (t) => {
  const folder = await written(t);
  const { status, stdout } = audit('verify', folder);
  assert.match(stdout, /^4 lines, 1 to 4, from \S+Z to \S+Z, signed by key [0-9a-f]{32} \(its own word/);
  assert.equal(status, 0);
  const key = join(folder, 'public.pem');
  const pem = createPublicKey(readFileSync(join(folder, 'audit-key.pem'))).export({ type: 'spki', format: 'pem' });
  writeFileSync(key, pem);
  const pinned = audit('verify', join(folder, AUDIT_FILE), '--key', key);
  assert.match(pinned.stdout, /signed by key [0-9a-f]{32}: as they were/);
});

test('weft audit verify ends with 1 and names the line that was altered', async (t) => {
  const folder = await written(t);
  const file = join(folder, AUDIT_FILE);
  writeFileSync(file, readFileSync(file, 'utf8').replace('"denied"', '"audited"'));
  const { status, stdout } = audit('verify', file);
  assert.equal(status, 1);
  assert.match(stdout, /^error: \S+audit\.jsonl:3: does not follow from the line before it: one of the two/);
  const { problems } = JSON.parse(audit('verify', folder, '--json').stdout) as { problems: { line: number }[] };
  assert.deepEqual(problems.map(({ line }) => line), [3]);
});

test('weft audit verify ends with 1 for another key than the one that must have signed', async (t) => {
  const folder = await written(t);
  const key = join(folder, 'other.pem');
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }));
  assert.equal(audit('verify', folder, '--key', key).status, 1);
});

test('weft audit ends with 2 without a log that it can read', () => {
  for (const args of [[], ['verify'], ['look', '/'], ['verify', '/nowhere/at/all'], ['verify', '/', '--key', '/no']]) {
    const { status, stderr } = audit(...args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /usage: weft audit verify/);
  }
});

test('weft audit show prints records, those asked for', async (t) => {
  const folder = await written(t);
  const { stdout } = audit('show', folder, '--type', 'decision');
  assert.match(stdout, /^2 \S+Z decision outcome=denied path="\/a b" who=spiffe:\/\/td\/ns\/a\/sa\/b\n$/);
  const [record] = audit('show', folder, '--match', 'VirtualService', '--json').stdout.split('\n');
  assert.equal((JSON.parse(record!) as { object: string }).object, 'VirtualService default/v');
});
