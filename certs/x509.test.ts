// Certificates written and read: OpenSSL and node:tls judge what is written, hostile ones judge the reading.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  REVIEWS, caLeaf, ecKey, expiredLeaf, rsaKey, testIntermediate, testLeaf, testRoot, twoUriLeaf,
} from '../test/harness/certificates.ts';
import { openssl, temporaryFolder, withoutOpenssl } from '../test/harness/openssl.ts';
import { chainFault } from './chain.ts';
import { Oid } from './oid.ts';
import { formatSpiffeId } from './spiffe.ts';
import { KeyUsage, dnsSans, readCertificate, spiffeIdOf, svidFault, uriSans } from './x509.ts';

const root = testRoot();
const leaf = testLeaf(root);
const peer = { skip: withoutOpenssl };

test('openssl verify accepts root and leaf under strict rules, for server and client', peer, (t) => {
  const dir = temporaryFolder(t);
  writeFileSync(join(dir, 'root.pem'), root.cert);
  for (const key of [ecKey(), ecKey('secp384r1'), ecKey('secp521r1'), rsaKey()]) {
    writeFileSync(join(dir, 'leaf.pem'), testLeaf(root, { privateKey: key }).cert);
    for (const purpose of ['sslserver', 'sslclient']) {
      const args = ['-x509_strict', '-check_ss_sig', '-CAfile', join(dir, 'root.pem'), '-purpose', purpose];
      assert.match(openssl('verify', ...args, join(dir, 'leaf.pem')), /leaf\.pem: OK/);
    }
  }
});

test('openssl verify accepts roots with keys of every accepted kind, and intermediates', peer, (t) => {
  const dir = temporaryFolder(t);
  for (const key of [ecKey('secp384r1'), ecKey('secp521r1'), rsaKey()]) {
    const top = testRoot('cluster.local', key);
    const middle = testIntermediate(top);
    writeFileSync(join(dir, 'root.pem'), top.cert);
    writeFileSync(join(dir, 'middle.pem'), middle.cert);
    writeFileSync(join(dir, 'leaf.pem'), testLeaf(middle).cert);
    const args = ['-x509_strict', '-CAfile', join(dir, 'root.pem'), '-untrusted', join(dir, 'middle.pem')];
    assert.match(openssl('verify', ...args, join(dir, 'leaf.pem')), /leaf\.pem: OK/);
  }
});

test('openssl x509 -text shows a workload certificate as it should be', peer, (t) => {
  const file = join(temporaryFolder(t), 'leaf.pem');
  writeFileSync(file, leaf.cert);
  const text = openssl('x509', '-noout', '-text', '-in', file);
  assert.match(text, /Version: 3 \(0x2\)/);
  assert.match(text, /Serial Number:\s+([0-9a-f]{2}:){15}[0-9a-f]{2}\n/);
  assert.match(text, /Issuer: O ?= ?weft, CN ?= ?weft root CA [0-9a-f]{8}\n/);
  assert.match(text, /Subject: ?\n/);
  assert.match(text, /NIST CURVE: P-256/);
  assert.match(text, /Basic Constraints: critical\s+CA:FALSE/);
  assert.match(text, /Key Usage: critical\s+Digital Signature\n/);
  assert.match(text, /Extended Key Usage: ?\s+TLS Web Server Authentication, TLS Web Client Authentication/);
  assert.match(text, new RegExp(`Subject Alternative Name: critical\\s+URI:${REVIEWS}\n`));
  const [subjectKeyId] = /Authority Key Identifier: ?\s+(?:keyid:)?([0-9A-F:]{59})/.exec(text)!.slice(1);
  writeFileSync(file, root.cert);
  const rootText = openssl('x509', '-noout', '-text', '-in', file);
  assert.match(rootText, new RegExp(`Subject Key Identifier: ?\\s+${subjectKeyId}\n`));
  assert.match(rootText, /CA:TRUE/);
  assert.match(rootText, /Key Usage: critical\s+Certificate Sign, CRL Sign/);
});

test('times after 2049 are written as GeneralizedTime and read by openssl', peer, (t) => {
  const file = join(temporaryFolder(t), 'leaf.pem');
  writeFileSync(file, testLeaf(root, { template: { notAfterMs: Date.UTC(2051, 4, 6, 7, 8, 9) } }).cert);
  assert.match(openssl('x509', '-noout', '-enddate', '-in', file), /May\s+6 07:08:09 2051 GMT/);
});

test('names are read from DER in order, addresses of both families included', () => {
  const more = [
    { dns: 'localhost' }, { dns: 'ca.weft' }, { ip: '127.0.0.1' }, { ip: '::1' }, { ip: 'fd00:0:1::2:10.0.0.1' },
  ];
  const { der, x509 } = testLeaf(root, { more });
  assert.deepEqual(uriSans(der), [REVIEWS]);
  assert.deepEqual(dnsSans(der), ['localhost', 'ca.weft']);
  const addresses = readCertificate(der)!.ipSans.map((ip) => ip.toString('hex'));
  assert.deepEqual(addresses, ['7f000001', `${'0'.repeat(31)}1`, 'fd00000000010000000000020a000001']);
  assert.ok(x509.subjectAltName!.endsWith(
    'IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:FD00:0:1:0:0:2:A00:1',
  ));
});

test('the fields agree with what openssl reads from a certificate of another maker', peer, (t) => {
  const dir = temporaryFolder(t);
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  openssl(
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=other', '-days', '1',
    '-addext', 'subjectAltName=DNS:a.example,otherName:1.2.3.4;UTF8:x,email:a@b.c,URI:spiffe://td/x,IP:10.0.0.1',
    '-addext', 'keyUsage=digitalSignature,keyEncipherment', '-addext', 'extendedKeyUsage=clientAuth',
  );
  const der = execFileSync('openssl', ['x509', '-in', cert, '-outform', 'der']);
  const fields = readCertificate(der)!;
  assert.deepEqual(fields.uriSans, ['spiffe://td/x']);
  assert.deepEqual(fields.dnsSans, ['a.example']);
  assert.equal(fields.ca, true);
  assert.equal(fields.keyUsage, 0xa0);
  assert.deepEqual(fields.extendedKeyUsage, [Oid.clientAuth]);
});

test('S50 an identity is exactly one URI that is a SPIFFE id', () => {
  assert.equal(formatSpiffeId(spiffeIdOf(leaf.der)!), REVIEWS);
  assert.equal(spiffeIdOf(twoUriLeaf(root).der), undefined);
  assert.equal(spiffeIdOf(testLeaf(root, { names: [{ uri: REVIEWS }, { uri: REVIEWS }] }).der), undefined);
  assert.equal(spiffeIdOf(testLeaf(root, { names: [{ dns: REVIEWS }] }).der), undefined);
  assert.equal(spiffeIdOf(testLeaf(root, { names: [] }).der), undefined);
  assert.equal(spiffeIdOf(root.der), undefined);
});

test('S50 names that a display string would disguise stay what they are', () => {
  const nul = 'spiffe://cluster.local/ns/default/sa/a\0.evil';
  const comma = 'x, URI:spiffe://cluster.local/ns/default/sa/admin';
  const { der } = testLeaf(root, { names: [{ dns: comma }, { uri: nul }] });
  assert.deepEqual(uriSans(der), [nul]);
  assert.deepEqual(dnsSans(der), [comma]);
  assert.equal(spiffeIdOf(der), undefined);
});

test('S50 a URI name in pieces, a cut certificate and a second SAN extension are not read', () => {
  const at = leaf.der.indexOf(Buffer.of(0x86, REVIEWS.length));
  assert.notEqual(at, -1);
  const constructed = Buffer.from(leaf.der);
  constructed[at] = 0xa6;
  assert.deepEqual(uriSans(constructed), []);
  for (let end = 0; end < leaf.der.length; end++) assert.deepEqual(uriSans(leaf.der.subarray(0, end)), []);
  assert.deepEqual(uriSans(Buffer.concat([leaf.der, Buffer.of(0)])), []);
  const san = Buffer.from('0603551d11', 'hex');
  const twice = testLeaf(root, { template: { extendedKeyUsage: ['2.5.29.17'] } }).der;
  assert.ok(twice.includes(san));
  // The key usage extension's OID is made into the SAN's, so that there are two.
  const keyUsage = twice.indexOf(Buffer.from('0603551d0f', 'hex'));
  twice[keyUsage + 4] = 0x11;
  assert.deepEqual(uriSans(twice), []);
});

test('no mutation of a certificate makes the reader throw', () => {
  fc.assert(fc.property(fc.nat(leaf.der.length - 1), fc.nat(255), fc.nat(leaf.der.length - 1), (at, value, cut) => {
    const bytes = Buffer.from(leaf.der);
    bytes[at] = value;
    readCertificate(bytes);
    svidFault(bytes.subarray(cut));
  }), { numRuns: 2000 });
});

test('S51 a leaf that is a CA, may sign, or lacks a use is no SVID', () => {
  const withUsage = (keyUsage: number | undefined): Buffer => testLeaf(root, { template: { keyUsage } }).der;
  const withUses = (extendedKeyUsage: string[]): Buffer => testLeaf(root, { template: { extendedKeyUsage } }).der;
  assert.equal(svidFault(leaf.der), undefined);
  assert.equal(svidFault(withUses([])), undefined);
  assert.match(svidFault(caLeaf(root).der)!, /CA certificate/);
  assert.match(svidFault(twoUriLeaf(root).der)!, /2 URI names/);
  assert.match(svidFault(withUsage(undefined))!, /lacks digitalSignature/);
  assert.match(svidFault(withUsage(KeyUsage.keyCertSign))!, /lacks digitalSignature/);
  assert.match(svidFault(withUsage(KeyUsage.digitalSignature | KeyUsage.keyCertSign))!, /keyCertSign/);
  assert.match(svidFault(withUsage(KeyUsage.digitalSignature | KeyUsage.crlSign))!, /cRLSign/);
  assert.match(svidFault(withUses([Oid.clientAuth]))!, /lacks serverAuth/);
  assert.match(svidFault(withUses([Oid.serverAuth]))!, /lacks clientAuth/);
  assert.equal(svidFault(withUses([Oid.serverAuth]), true), undefined);
  assert.match(svidFault(withUses([Oid.clientAuth]), true)!, /lacks serverAuth/);
  assert.match(svidFault(Buffer.from('3000', 'hex'))!, /not readable/);
});

test('S51 a chain must lead to a root, in order and in time', () => {
  const now = Date.now();
  const middle = testIntermediate(root);
  const deep = testLeaf(middle);
  assert.equal(chainFault([leaf.x509], [root.x509], now), undefined);
  assert.equal(chainFault([deep.x509, middle.x509], [testRoot().x509, root.x509], now), undefined);
  assert.match(chainFault([deep.x509], [root.x509], now)!, /does not lead to a trusted root/);
  assert.match(chainFault([leaf.x509], [testRoot().x509], now)!, /does not lead/);
  assert.match(chainFault([deep.x509, leaf.x509], [testRoot().x509], now)!, /not issued by the next/);
  assert.match(chainFault([expiredLeaf(root).x509], [root.x509], now)!, /expired at/);
  assert.match(chainFault([leaf.x509], [root.x509], now - 3_600_000)!, /not valid before/);
  assert.match(chainFault([], [root.x509], now)!, /no certificate/);
  // A leaf without the CA flag cannot vouch for another.
  assert.match(chainFault([testLeaf(leaf).x509, leaf.x509], [root.x509], now)!, /not issued by the next/);
});
