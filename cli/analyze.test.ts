// The command as a shell sees it: what it prints and its exit status.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../test/harness/openssl.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const BOOKINFO = fileURLToPath(new URL('../examples/bookinfo/mesh', import.meta.url));

function analyze(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, 'analyze', ...args], { encoding: 'utf8' });
}

test('weft analyze says nothing but a count of a good folder, and ends with 0', () => {
  const { status, stdout } = analyze(BOOKINFO);
  assert.deepEqual([status, stdout], [0, '19 objects in 6 files: 0 errors, 0 warnings\n']);
});

test('weft analyze ends with 1 for errors, one line each, or as JSON', (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'a.yaml'), `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: d }
spec: { host: nowhere }
`);
  const text = analyze(folder);
  assert.equal(text.status, 1);
  assert.match(text.stdout, /^error: a\.yaml:4: DestinationRule default\/d spec\.host: no service 'nowhere\.default/);
  const { files, objects, findings } = JSON.parse(analyze(folder, '--json').stdout) as Record<string, unknown>;
  assert.deepEqual({ files, objects, findings }, {
    files: 1,
    objects: 1,
    findings: [{
      level: 'error', file: 'a.yaml', line: 4, resource: 'DestinationRule default/d', path: 'spec.host',
      reason: "no service 'nowhere.default.svc.cluster.local'",
    }],
  });
});

test('weft analyze ends with 2 without a folder that it can read', (t) => {
  for (const args of [[], ['/nowhere/at/all'], [BOOKINFO, BOOKINFO], [temporaryFolder(t)]]) {
    const { status, stderr } = analyze(...args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /usage: weft analyze DIR/);
  }
});
