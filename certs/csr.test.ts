// Certificate signing requests: openssl reads ours and makes others for us, weak and forged ones among them.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { REVIEWS, ecKey, rsaKey } from '../test/harness/certificates.ts';
import { openssl, temporaryFolder, withoutOpenssl } from '../test/harness/openssl.ts';
import { publicKeyDer } from './certificate.ts';
import { createCsr, readCsr } from './csr.ts';
import { pemBlocks, toPem } from './pem.ts';
import { parseSpiffeId } from './spiffe.ts';

const identity = parseSpiffeId(REVIEWS)!;
const peer = { skip: withoutOpenssl };

function fault(pem: string): string {
  const result = readCsr(pem);
  return 'fault' in result ? result.fault : 'accepted';
}

/** A request made by `openssl req`. */
function foreignCsr(t: TestContext, ...args: string[]): string {
  const file = join(temporaryFolder(t), 'csr.pem');
  const output = openssl('req', '-new', '-nodes', '-keyout', '/dev/null', '-subj', '/CN=any', '-out', file, ...args);
  assert.doesNotMatch(output, /^failed/);
  return readFileSync(file, 'utf8');
}

const EC = ['-newkey', 'ec', '-pkeyopt'];

test('a request is read back with its key', () => {
  for (const key of [ecKey(), ecKey('secp384r1'), rsaKey()]) {
    const result = readCsr(createCsr(key, identity));
    assert.ok('publicKey' in result);
    assert.deepEqual(publicKeyDer(result.publicKey), publicKeyDer(key));
  }
});

test('openssl req verifies our request and sees its identity', peer, (t) => {
  const file = join(temporaryFolder(t), 'csr.pem');
  writeFileSync(file, createCsr(ecKey(), identity));
  assert.match(openssl('req', '-in', file, '-verify', '-noout', '-text'), new RegExp(`critical\\s+URI:${REVIEWS}\n`));
});

test('requests made by openssl req with every accepted kind of key are read', peer, (t) => {
  assert.equal(fault(foreignCsr(t, ...EC, 'ec_paramgen_curve:P-256')), 'accepted');
  assert.equal(fault(foreignCsr(t, ...EC, 'ec_paramgen_curve:P-521')), 'accepted');
  assert.equal(fault(foreignCsr(t, '-newkey', 'rsa:2048')), 'accepted');
  assert.equal(fault(foreignCsr(t, '-newkey', 'rsa:2048', '-sha512')), 'accepted');
});

test('S59 weak keys and digests of requests made by openssl req are refused in words', peer, (t) => {
  assert.match(fault(foreignCsr(t, '-newkey', 'rsa:1024')), /RSA key has 1024 bits; use 2048/);
  assert.match(fault(foreignCsr(t, ...EC, 'ec_paramgen_curve:secp224r1')), /secp224r1; use P-256/);
  assert.match(fault(foreignCsr(t, ...EC, 'ec_paramgen_curve:secp256k1')), /secp256k1; use P-256/);
  assert.match(fault(foreignCsr(t, '-newkey', 'ed25519')), /key is ed25519; use ECDSA or RSA/);
  assert.match(fault(foreignCsr(t, '-newkey', 'rsa:2048', '-sha1')), /algorithm is not ECDSA or RSA with SHA-2/);
});

test('S59 a request signed by another key, or changed after signing, is refused', () => {
  const [mine, theirs] = [ecKey(), ecKey()];
  const [der] = pemBlocks(createCsr(mine, identity), 'CERTIFICATE REQUEST')!;
  const stolen = replaceKey(der!, mine, theirs);
  assert.match(fault(toPem('CERTIFICATE REQUEST', stolen)), /signature of the request is not by its key/);
  for (let at = 0; at < der!.length; at++) {
    const changed = Buffer.from(der!);
    changed[at]! ^= 1;
    const result = fault(toPem('CERTIFICATE REQUEST', changed));
    assert.notEqual(result, 'accepted', `byte ${at}`);
  }
});

/** The request with another public key of the same size in place of its own. */
function replaceKey(der: Buffer, mine: KeyObject, theirs: KeyObject): Buffer {
  const at = der.indexOf(publicKeyDer(mine));
  const copy = Buffer.from(der);
  publicKeyDer(theirs).copy(copy, at);
  return copy;
}

test('text that is no request is refused in words', () => {
  const csr = createCsr(ecKey(), identity);
  const one = /one PEM block of type CERTIFICATE REQUEST/;
  assert.match(fault(''), one);
  assert.match(fault(csr + csr), one);
  assert.match(fault(csr.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE')), one);
  assert.match(fault(csr.slice(0, -20)), one);
  assert.match(fault(csr.replace('M', '!')), one);
  assert.match(fault(toPem('CERTIFICATE REQUEST', Buffer.from('3000', 'hex'))), /not a PKCS #10 structure/);
  assert.match(fault('x'.repeat(40_000)), /longer than 32768/);
  const { publicKey } = generateKeyPairSync('x25519');
  const [der] = pemBlocks(csr, 'CERTIFICATE REQUEST')!;
  assert.match(fault(toPem('CERTIFICATE REQUEST', Buffer.concat([der!, publicKeyDer(publicKey)]))), /not a PKCS #10/);
});
