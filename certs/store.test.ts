// The authority's folder: who may read it, what survives a restart, and what is said when it is not right.
import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { chmodSync, copyFileSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { inspect } from 'node:util';
import { ManualClock } from '../proxy/base/clock.ts';
import { ecKey, rsaKey, testIntermediate, testLeaf, testRoot } from '../test/harness/certificates.ts';
import { openssl, temporaryFolder, withoutOpenssl } from '../test/harness/openssl.ts';
import { createPrivateFile, readText, replacePrivateFile } from '../proxy/base/private-file.ts';
import { StoreFile } from './issuer.ts';
import { openStore } from './store.ts';

function newDir(t: TestContext): string {
  return join(temporaryFolder(t), 'ca');
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

function put(dir: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, { mode: 0o600 });
}

function putKey(dir: string, key: KeyObject): void {
  put(dir, { [StoreFile.key]: key.export({ type: 'pkcs8', format: 'pem' }).toString() });
}

/** A folder with a plug-in CA under a root of its own. */
function pluginDir(t: TestContext, chainHasIssuer = true): string {
  const root = testRoot('plug.example');
  const [upper, dir] = [testIntermediate(root), newDir(t)];
  const issuer = testIntermediate(upper);
  openStore({ dir });
  for (const name of readdirSync(dir)) rmSync(join(dir, name));
  const chain = chainHasIssuer ? issuer.cert + upper.cert : upper.cert;
  put(dir, { 'ca-key.pem': issuer.key, 'ca-cert.pem': issuer.cert });
  put(dir, { 'cert-chain.pem': chain, 'root-cert.pem': root.cert });
  return dir;
}

test('S60 a new folder and its keys are for this user alone, whatever the umask', (t) => {
  const dir = newDir(t);
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  openStore({ dir });
  assert.equal(modeOf(dir), '700');
  assert.equal(modeOf(join(dir, StoreFile.key)), '600');
  assert.equal(modeOf(join(dir, StoreFile.tokenKey)), '600');
  const names = ['ca-cert.pem', 'ca-key.pem', 'root-cert.pem', 'token-key.pem'];
  assert.deepEqual(readdirSync(dir).toSorted(), names); // no draft is left
});

test('S60 keys are shown by no inspection of the store', (t) => {
  const store = openStore({ dir: newDir(t) });
  const shown = inspect(store, { depth: 9, showHidden: true }) + JSON.stringify(store);
  const [line] = readFileSync(join(store.dir, StoreFile.key), 'utf8').split('\n').slice(1);
  assert.ok(!shown.includes('PRIVATE KEY-----') && !shown.includes(line!));
});

test('S60 a key or folder that others can reach is refused with the remedy', (t) => {
  const dir = newDir(t);
  openStore({ dir });
  for (const name of [StoreFile.key, StoreFile.tokenKey]) {
    const path = join(dir, name);
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(path, mode);
      const message = new RegExp(`${name}.*mode 0${mode.toString(8)}.*chmod 600 `);
      assert.throws(() => openStore({ dir }), { name: 'ConfigError', message });
    }
    chmodSync(path, 0o600);
  }
  chmodSync(dir, 0o750);
  assert.throws(() => openStore({ dir }), { message: /open to other users \(mode 0750\); run: chmod 700 / });
});

test('keys, root and trust domain survive a restart', (t) => {
  const dir = newDir(t);
  const first = openStore({ dir, trustDomain: 'prod.example' });
  const second = openStore({ dir });
  assert.equal(second.trustDomain, 'prod.example');
  assert.equal(second.certificate.fingerprint256, first.certificate.fingerprint256);
  assert.ok(second.key.equals(first.key));
  assert.ok(second.tokenKey.equals(first.tokenKey));
  assert.deepEqual(second.intermediates, []);
  const message = /made for trust domain prod.example, not other/;
  assert.throws(() => openStore({ dir, trustDomain: 'other.example' }), { message });
  assert.throws(() => openStore({ dir, trustDomain: 'Prod' }), { message: /"Prod" is no trust domain/ });
});

test('a crash between key and certificate is mended with the same key', (t) => {
  const dir = newDir(t);
  const first = openStore({ dir });
  rmSync(join(dir, StoreFile.certificate));
  rmSync(join(dir, StoreFile.roots));
  assert.ok(openStore({ dir }).key.equals(first.key));
});

test('a lost key is not replaced silently', (t) => {
  const dir = newDir(t);
  openStore({ dir });
  rmSync(join(dir, StoreFile.key));
  assert.throws(() => openStore({ dir }), { message: /ca-key\.pem: is missing beside its certificate: bring it back/ });
});

test('several roots are one bundle', (t) => {
  const dir = newDir(t);
  openStore({ dir });
  const more = testRoot();
  writeFileSync(join(dir, StoreFile.roots), readFileSync(join(dir, StoreFile.roots), 'utf8') + more.cert);
  assert.deepEqual(openStore({ dir }).roots.map(String).at(1), more.cert);
});

test('a plug-in CA is taken with its intermediates, issuing certificate first', (t) => {
  for (const chainHasIssuer of [true, false]) {
    const store = openStore({ dir: pluginDir(t, chainHasIssuer) });
    assert.equal(store.intermediates.length, 2);
    assert.equal(store.intermediates[0]!.fingerprint256, store.certificate.fingerprint256);
  }
});

test('a plug-in root made by openssl is taken', { skip: withoutOpenssl }, (t) => {
  const dir = newDir(t);
  openStore({ dir });
  for (const name of readdirSync(dir)) rmSync(join(dir, name));
  const args = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/O=us/CN=root'];
  openssl('req', ...args, '-keyout', join(dir, StoreFile.key), '-out', join(dir, StoreFile.certificate));
  assert.equal(openStore({ dir, trustDomain: 'us.example' }).trustDomain, 'us.example');
  assert.equal(modeOf(join(dir, StoreFile.tokenKey)), '600');
});

test('every mistake in a plug-in CA is named with its file', (t) => {
  const refused = (expected: RegExp, change: (dir: string) => void): void => {
    const dir = pluginDir(t);
    change(dir);
    assert.throws(() => openStore({ dir }), { name: 'ConfigError', message: expected });
  };
  const root = testRoot();
  refused(/ca-cert\.pem: does not match the key/, (dir) => putKey(dir, ecKey()));
  refused(/ca-key\.pem: is not a private key/, (dir) => put(dir, { 'ca-key.pem': 'nonsense' }));
  refused(/ca-key\.pem: the RSA key has 1024 bits/, (dir) => putKey(dir, rsaKey(1024)));
  refused(/ca-cert\.pem: holds no certificate/, (dir) => put(dir, { 'ca-cert.pem': 'nonsense' }));
  refused(/root-cert\.pem: is missing; ca-cert\.pem needs its root/, (dir) => rmSync(join(dir, 'root-cert.pem')));
  refused(/ca-cert\.pem: the chain does not lead to a trusted root/, (dir) => put(dir, { 'root-cert.pem': root.cert }));
  refused(/ca-cert\.pem: the chain does not lead/, (dir) => rmSync(join(dir, 'cert-chain.pem')));
  refused(/root-cert\.pem: has a certificate that cannot be read/, (dir) => {
    put(dir, { 'root-cert.pem': '-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n' });
  });
  refused(/ca-cert\.pem: is not a CA certificate/, (dir) => {
    const leaf = testLeaf(root);
    put(dir, { 'ca-cert.pem': leaf.cert, 'ca-key.pem': leaf.key, 'root-cert.pem': root.cert });
  });
  refused(/is not a folder/, (dir) => {
    rmSync(dir, { recursive: true });
    writeFileSync(dir, '');
  });
});

test('a folder that cannot be made is named', () => {
  for (const dir of ['/proc/none/ca', '/dev/null/ca']) {
    assert.throws(() => openStore({ dir }), { name: 'ConfigError', message: new RegExp(`^${dir}: cannot be made: `) });
  }
});

test('an expired root is refused with its date', (t) => {
  const dir = newDir(t);
  openStore({ dir, clock: new ManualClock(Date.UTC(2001, 0, 1)) });
  assert.throws(() => openStore({ dir }), { message: /ca-cert\.pem: certificate 1 of the chain expired at 20/ });
});

test('a file is created once and replaced whole', (t) => {
  const dir = temporaryFolder(t);
  const path = join(dir, 'file');
  assert.equal(createPrivateFile(path, 'one'), true);
  assert.equal(createPrivateFile(path, 'two'), false);
  assert.equal(readText(path, true), 'one');
  chmodSync(path, 0o644);
  replacePrivateFile(path, 'three');
  assert.equal(readText(path, true), 'three');
  assert.equal(modeOf(path), '600');
  assert.equal(readText(join(dir, 'none'), true), undefined);
  copyFileSync(path, join(dir, 'copy'));
  assert.deepEqual(readdirSync(dir).toSorted(), ['copy', 'file']);
  assert.throws(() => replacePrivateFile(join(dir, 'no', 'file'), ''), { code: 'ENOENT' });
});
