// Changing roots in the authority's folder, step by step, and an intermediate whose root is elsewhere.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { systemClock } from '../proxy/base/clock.ts';
import { TimerWheel } from '../proxy/base/timers.ts';
import { REVIEWS, ecKey } from '../test/harness/certificates.ts';
import { openssl, temporaryFolder, withoutOpenssl } from '../test/harness/openssl.ts';
import { until } from '../test/harness/until.ts';
import { CertificateAuthority } from './ca.ts';
import { chainFault } from './chain.ts';
import { createCsr } from './csr.ts';
import { createIntermediate } from './intermediate.ts';
import { LiveStore } from './live-store.ts';
import { addRoot, listRoots, removeRoot, switchRoot } from './root-rotation.ts';
import { parseSpiffeId } from './spiffe.ts';
import { openStore } from './store.ts';

const clock = systemClock;
const identity = parseSpiffeId(REVIEWS)!;

function newDir(t: TestContext, name = 'ca'): string {
  return join(temporaryFolder(t), name);
}

/** A leaf's chain by what the folder signs with now. */
function leafOf(dir: string, passphrase?: string): X509Certificate[] {
  const ca = new CertificateAuthority({ store: openStore({ dir, passphrase }), clock, audit: () => undefined });
  const result = ca.issue({ csr: createCsr(ecKey(), identity), identity, caller: 'test' });
  assert.ok('issued' in result);
  return result.issued.chain.map((pem) => new X509Certificate(pem));
}

function statesOf(dir: string): string[] {
  return listRoots({ dir, clock }).map(({ state }) => state);
}

test('F05 add trusts both, switch signs by the new one, remove leaves it alone with nothing of the old', (t) => {
  const dir = newDir(t);
  const [first] = openStore({ dir }).roots;
  assert.deepEqual(statesOf(dir), ['signs']);
  const before = leafOf(dir);
  const id = addRoot({ dir, clock });
  assert.deepEqual(statesOf(dir), ['signs', 'ready']);
  assert.equal(chainFault(leafOf(dir), [first!], clock.wallMs()), undefined);
  assert.equal(switchRoot({ dir, clock }), id);
  const [second, old] = openStore({ dir }).roots;
  assert.equal(old!.fingerprint256, first!.fingerprint256);
  assert.deepEqual(statesOf(dir), ['signs', 'ready']);
  assert.equal(chainFault(leafOf(dir), [second!], clock.wallMs()), undefined);
  assert.notEqual(chainFault(leafOf(dir), [first!], clock.wallMs()), undefined);
  assert.equal(chainFault(before, openStore({ dir }).roots, clock.wallMs()), undefined);
  removeRoot({ dir, clock });
  assert.deepEqual(openStore({ dir }).roots.map(String), [String(second)]);
  assert.equal(existsSync(join(dir, 'ca-key.pem')), false);
  assert.notEqual(chainFault(before, openStore({ dir }).roots, clock.wallMs()), undefined);
});

test('F05 three rotations after each other, and back to the old root before it is removed', (t) => {
  const dir = newDir(t);
  const tokenKey = openStore({ dir }).tokenKey;
  for (let round = 0; round < 3; round++) {
    const { roots: [old] } = openStore({ dir });
    addRoot({ dir, clock });
    switchRoot({ dir, clock });
    assert.equal(switchRoot({ dir, clock }), listRoots({ dir, clock })[0]!.id);
    assert.equal(openStore({ dir }).roots[0]!.fingerprint256, old!.fingerprint256);
    switchRoot({ dir, clock });
    removeRoot({ dir, clock });
    assert.equal(readdirSync(join(dir, 'issuers')).length, 1);
  }
  assert.ok(openStore({ dir }).tokenKey.equals(tokenKey), 'tokens of before are still good');
  assert.deepEqual(statesOf(dir), ['signs']);
});

test('S60 keys of added roots are for this user alone, and encrypted with a passphrase', (t) => {
  const dir = newDir(t);
  const passphrase = 'correct horse';
  openStore({ dir, passphrase });
  addRoot({ dir, clock, passphrase });
  const [issuer] = readdirSync(join(dir, 'issuers'));
  for (const folder of [dir, join(dir, 'issuers', issuer!)]) {
    const path = join(folder, 'ca-key.pem');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.match(readFileSync(path, 'utf8'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
  }
  switchRoot({ dir, clock, passphrase });
  assert.equal(leafOf(dir, passphrase).length, 1);
  assert.throws(() => openStore({ dir }), { message: /ca-key\.pem: is encrypted: give its passphrase/ });
  assert.throws(() => openStore({ dir, passphrase: 'wrong' }), (cause: Error) => {
    return /ca-key\.pem: does not open with this passphrase/.test(cause.message) && !cause.message.includes('wrong');
  });
});

test('what a step cannot do is said with the remedy', (t) => {
  const dir = newDir(t);
  const own = listRoots({ dir, clock })[0]!.id;
  assert.throws(() => switchRoot({ dir, clock }), { message: /there is no other root that can sign/ });
  assert.throws(() => removeRoot({ dir, clock }), { message: /there is no other root beside the one that signs/ });
  assert.throws(() => removeRoot({ dir, clock }, own), { message: /signs what is issued: switch to another/ });
  const none = join(dir, '..', 'none');
  assert.throws(() => addRoot({ dir, clock }, none), { message: /none: holds no authority: ca-cert\.pem is missing/ });
  assert.equal(existsSync(none), false);
  assert.throws(() => removeRoot({ dir, clock }, 'abc'), { message: /there is no root abc beside the one that signs/ });
  const [a, b] = [addRoot({ dir, clock }), addRoot({ dir, clock })];
  assert.throws(() => switchRoot({ dir, clock }), { message: /there are 2 roots that can sign: name one by its id/ });
  assert.throws(() => removeRoot({ dir, clock }), { message: /there are 2 roots beside the one that signs: name one/ });
  assert.equal(switchRoot({ dir, clock }, b), b);
  removeRoot({ dir, clock }, a);
  removeRoot({ dir, clock }, own);
  assert.deepEqual(listRoots({ dir, clock }).map(({ id }) => id), [b]);
  writeFileSync(join(dir, 'issuer'), '../../etc');
  assert.throws(() => openStore({ dir }), { message: /issuer: names no folder of issuers/ });
});

test('S60 an intermediate signs online while the root is offline, and openssl verifies it', { skip: withoutOpenssl },
  (t) => {
    const [root, dir] = [newDir(t, 'root'), newDir(t)];
    createIntermediate({ rootDir: root, rootPassphrase: 'offline', dir, clock });
    assert.ok(!readdirSync(dir).some((name) => readFileSync(join(dir, name), 'utf8').includes('ENCRYPTED')));
    const [leaf, intermediate, more] = leafOf(dir);
    assert.equal(more, undefined);
    assert.equal(intermediate!.ca, true);
    const files = { leaf, intermediate };
    for (const [name, certificate] of Object.entries(files)) writeFileSync(join(dir, name), String(certificate));
    const args = ['-CAfile', join(dir, 'root-cert.pem'), '-untrusted', join(dir, 'intermediate'), join(dir, 'leaf')];
    assert.match(openssl('verify', '-x509_strict', ...args), /leaf: OK/);
    assert.match(openssl('x509', '-in', join(dir, 'intermediate'), '-noout', '-text'), /CA:TRUE, pathlen:0/);
    assert.throws(() => createIntermediate({ rootDir: root, rootPassphrase: 'offline', dir, clock }), {
      message: /ca-key\.pem: is there already/,
    });
    // The next intermediate comes with another offline root, as a rotation.
    const [nextRoot, next] = [newDir(t, 'root'), newDir(t)];
    createIntermediate({ rootDir: nextRoot, dir: next, clock });
    addRoot({ dir, clock }, next);
    switchRoot({ dir, clock });
    assert.equal(chainFault(leafOf(dir), openStore({ dir: nextRoot }).roots, clock.wallMs()), undefined);
    removeRoot({ dir, clock });
    assert.deepEqual(statesOf(dir), ['signs']);
  });

test('F05 an authority that runs takes each step, and keeps what it had when the folder is wrong', async (t) => {
  const dir = newDir(t);
  const failures: string[] = [];
  const store = new LiveStore({ dir, wheel: new TimerWheel(clock), onFailure: (reason) => failures.push(reason) });
  t.after(() => store.close());
  const ca = new CertificateAuthority({ store: store.current, clock, audit: () => undefined });
  store.subscribe((current) => ca.use(current));
  const bundle = (): string[] => openStore({ dir }).roots.map(String);
  for (const step of [addRoot, switchRoot, removeRoot]) {
    step({ dir, clock });
    await until(`after ${step.name}`, () => ca.roots === bundle().join(''));
  }
  const roots = readFileSync(join(dir, 'root-cert.pem'), 'utf8');
  writeFileSync(join(dir, 'root-cert.pem'), 'nonsense');
  await until('the wrong bundle is told', () => failures.length > 0);
  assert.match(failures[0]!, /root-cert\.pem/);
  assert.equal(ca.roots, roots);
});
