// What the control plane's audit log says: each change of an object with its place and its author, and certificates.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkAudit } from '../proxy/base/audit-folder.ts';
import type { AuditRecord } from '../proxy/base/audit-line.ts';
import { serviceYaml } from '../test/harness/mesh-fixture.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { until } from '../test/harness/until.ts';
import { startControl } from './control.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const SECRET = `
apiVersion: v1
kind: Secret
metadata: { name: s, namespace: default }
stringData: { cacert: swordfish }
`;

test('S99 every change is one record with file, line and digests, certificates are others, and no key is among them',
  async (t) => {
  const root = temporaryFolder(t);
  const [folder, auditDir] = [join(root, 'mesh'), join(root, 'audit')];
  mkdirSync(folder);
  writeFileSync(join(folder, 'a.yaml'), serviceYaml('a'));
  const log = { info: () => undefined, warning: () => undefined };
  const control = await startControl({
    configDir: folder, caDir: join(root, 'ca'), auditDir, xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK, log,
  });
  const objects = (): number => control.status().config.objects;
  appendFileSync(join(folder, 'a.yaml'), `---${serviceYaml('b')}---${SECRET}`);
  await until('b', () => objects() === 3);
  writeFileSync(join(folder, 'a.yaml'), serviceYaml('a').replace('9080', '9081'));
  await until('b gone', () => objects() === 1);
  writeFileSync(join(folder, 'c.yaml'), 'kind: Servic\napiVersion: v1\n');
  await until('c refused', () => control.status().refusedFiles.length === 1);
  rmSync(join(folder, 'c.yaml'));
  await control.close();

  const records: AuditRecord[] = [];
  assert.deepEqual(checkAudit([auditDir], { onRecord: (record) => records.push(record) }).problems, []);
  const changes = records.filter(({ type }) => type === 'config');
  assert.deepEqual(changes.map(({ change, object, where }) => [change, object, where]), [
    ['start', undefined, undefined],
    ['added', 'Service default/b', 'a.yaml:11'],
    ['added', 'Secret default/s', 'a.yaml:18'],
    ['changed', 'Service default/a', 'a.yaml:3'],
    ['removed', 'Service default/b', 'a.yaml:11'],
    ['removed', 'Secret default/s', 'a.yaml:18'],
    ['refused', undefined, 'c.yaml'],
  ]);
  const changed = changes[3]!;
  assert.match(JSON.stringify(changed['before']), /^"[0-9a-f]{64}"$/);
  assert.notEqual(changed['before'], changed['after']);
  assert.equal((changed['by'] as { uid: number }).uid, process.getuid?.());
  assert.equal(changes[2]!['after'], 'withheld');
  assert.match(JSON.stringify(changes[6]), /unknown kind 'Servic'/);
  const [issued] = records.filter(({ type }) => type === 'certificate');
  assert.match(JSON.stringify(issued?.['identity']), /^"spiffe:\/\/cluster\.local\//);
  assert.equal(issued?.['caller'], 'own server');
  const text = readFileSync(join(auditDir, 'audit.jsonl'), 'utf8');
  assert.ok(!/swordfish|PRIVATE/.test(text));
});
