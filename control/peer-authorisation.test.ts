// Who may ask for a node's configuration: by address without a certificate, by SPIFFE id with one.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createIntermediate } from '../certs/intermediate.ts';
import { addRoot, removeRoot, switchRoot } from '../certs/root-rotation.ts';
import { openStore } from '../certs/store.ts';
import { systemClock } from '../proxy/base/clock.ts';
import { expiredLeaf, testLeaf, testRoot, type TestIssuer } from '../test/harness/certificates.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { authorise, isLoopback, type AuthorisationOptions } from './peer-authorisation.ts';

const NODE = {
  id: 'sidecar~10.0.0.9~reviews-v1.default~default.svc.cluster.local',
  metadata: { NAMESPACE: 'default', SERVICE_ACCOUNT: 'bookinfo-reviews' },
};
const REMOTE = '192.0.2.1:40000';

function optionsOf(t: TestContext, anonymousFromAnywhere = false): AuthorisationOptions {
  const store = openStore({ dir: join(temporaryFolder(t), 'ca') });
  return { store, clock: systemClock, anonymousFromAnywhere };
}

/** The store's own authority, as an issuer of leaves of every kind. */
function issuerOf({ store }: AuthorisationOptions): TestIssuer {
  const { key: privateKey, certificate: x509 } = store;
  return { privateKey, x509, der: x509.raw, chain: '' };
}

test('loopback in every spelling', () => {
  const here = ['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', '::1:5', '::ffff:127.0.0.1:5',
    'ipv4:127.0.0.1:5', 'localhost:1'];
  for (const address of here) assert.ok(isLoopback(address), address);
  const afar = [REMOTE, '[2001:db8::1]:1', '2001:db8::1:1', '127.0.0.1.evil.test:1', ''];
  for (const address of afar) assert.ok(!isLoopback(address), address);
});

test('S100 without a certificate only this machine is served, unless the plaintext port was opened to others', (t) => {
  const certificate = undefined;
  assert.equal(authorise(NODE, { address: '127.0.0.1:1', certificate }, optionsOf(t)), undefined);
  assert.match(authorise(NODE, { address: REMOTE, certificate }, optionsOf(t)) ?? '', /only mesh workloads/);
  assert.equal(authorise(NODE, { address: REMOTE, certificate }, optionsOf(t, true)), undefined);
});

test('S100 a certificate must be of this authority, valid now, and name the workload', (t) => {
  const options = optionsOf(t);
  const judge = (der: Buffer) => authorise(NODE, { address: REMOTE, certificate: der }, options);
  const issuer = issuerOf(options);
  assert.equal(judge(testLeaf(issuer).der), undefined);
  assert.match(judge(expiredLeaf(issuer).der) ?? '', /expired/);
  assert.match(judge(testLeaf(testRoot()).der) ?? '', /was not issued by|does not lead/);
  assert.match(judge(Buffer.from('nonsense')) ?? '', /cannot be read/);
  const other = { ...NODE, metadata: { ...NODE.metadata, NAMESPACE: 'prod' } };
  const certificate = testLeaf(issuer).der;
  assert.match(authorise(other, { address: REMOTE, certificate }, options) ?? '', /does not name prod/);
});

test('F05 S100 a certificate of before a switch is taken until its root is removed, intermediates included', (t) => {
  const folder = temporaryFolder(t);
  const [dir, next] = [join(folder, 'ca'), join(folder, 'next')];
  createIntermediate({ rootDir: join(folder, 'root'), dir, clock: systemClock });
  createIntermediate({ rootDir: join(folder, 'next-root'), dir: next, clock: systemClock });
  const steps = { dir, clock: systemClock };
  const optionsNow = () => ({ store: openStore({ dir }), clock: systemClock, anonymousFromAnywhere: false });
  const judge = (der: Buffer) => authorise(NODE, { address: REMOTE, certificate: der }, optionsNow());
  const old = testLeaf(issuerOf(optionsNow())).der;
  addRoot(steps, next);
  assert.equal(judge(old), undefined);
  switchRoot(steps);
  const fresh = testLeaf(issuerOf(optionsNow())).der;
  assert.deepEqual([judge(old), judge(fresh)], [undefined, undefined]);
  removeRoot(steps);
  assert.match(judge(old) ?? '', /does not lead/);
  assert.equal(judge(fresh), undefined);
});
