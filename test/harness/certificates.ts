// Certificates for tests, good and bad, in PEM: roots, workload leaves, and every way in which a leaf can be wrong.
import { X509Certificate, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { keyIdOf, signCertificate } from '../../certs/certificate.ts';
import type { CertificateTemplate, SubjectName } from '../../certs/certificate.ts';
import { toPem } from '../../certs/pem.ts';
import { leafTemplate, rootTemplate } from '../../certs/profile.ts';
import { parseSpiffeId } from '../../certs/spiffe.ts';
import { readCertificate } from '../../certs/x509.ts';

/** A certificate with its key; `chain` is itself and the intermediates after it, without the root. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  readonly chain: string;
  readonly der: Buffer;
  readonly x509: X509Certificate;
  readonly privateKey: KeyObject;
}

/** What may differ from a good leaf. Times are in milliseconds from now. */
export interface LeafOptions {
  readonly identity?: string;
  /** All names, in place of the identity's one URI. */
  readonly names?: readonly SubjectName[];
  /** DNS names and addresses beside the identity. */
  readonly more?: readonly SubjectName[];
  readonly privateKey?: KeyObject;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly template?: Partial<CertificateTemplate>;
}

export const TRUST_DOMAIN = 'cluster.local';
export const REVIEWS = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews';

export function ecKey(namedCurve = 'prime256v1'): KeyObject {
  return generateKeyPairSync('ec', { namedCurve }).privateKey;
}

export function rsaKey(modulusLength = 2048): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength }).privateKey;
}

/** What signs: its certificate's DER and its key. */
export type TestIssuer = Pick<TestCertificate, 'der' | 'privateKey' | 'x509' | 'chain'>;

/** A self-signed root; each call makes another key, and so another root. */
export function testRoot(trustDomain: string = TRUST_DOMAIN, privateKey: KeyObject = ecKey()): TestCertificate {
  const template = rootTemplate(createPublicKey(privateKey), trustDomain, Date.now());
  return finish(signCertificate(template, { key: privateKey }), privateKey, undefined);
}

/** An intermediate CA under `issuer`. */
export function testIntermediate(issuer: TestIssuer): TestCertificate {
  const privateKey = ecKey();
  const template = rootTemplate(createPublicKey(privateKey), TRUST_DOMAIN, Date.now());
  return finish(signCertificate(template, signerOf(issuer)), privateKey, issuer);
}

/** A leaf that the mesh accepts, but for what `options` change. */
export function testLeaf(issuer: TestIssuer, options: LeafOptions = {}): TestCertificate {
  const privateKey = options.privateKey ?? ecKey();
  const identity = parseSpiffeId(options.identity ?? REVIEWS);
  if (identity === undefined) throw new Error('for a name that is no SPIFFE id use names: [{ uri }]');
  const now = Date.now();
  const good = leafTemplate(createPublicKey(privateKey), identity, now, 3_600_000, options.more);
  const template = {
    ...good,
    names: options.names ?? good.names,
    notBeforeMs: now + (options.notBeforeMs ?? -60_000),
    notAfterMs: now + (options.notAfterMs ?? 3_600_000),
    ...options.template,
  };
  return finish(signCertificate(template, signerOf(issuer)), privateKey, issuer);
}

/** A leaf that ended a minute ago. */
export function expiredLeaf(issuer: TestIssuer, options: LeafOptions = {}): TestCertificate {
  return testLeaf(issuer, { ...options, notBeforeMs: -120_000, notAfterMs: -60_000 });
}

/** A leaf that begins in an hour. */
export function futureLeaf(issuer: TestIssuer, options: LeafOptions = {}): TestCertificate {
  return testLeaf(issuer, { ...options, notBeforeMs: 3_600_000, notAfterMs: 7_200_000 });
}

/** A leaf with the CA flag. */
export function caLeaf(issuer: TestIssuer, options: LeafOptions = {}): TestCertificate {
  return testLeaf(issuer, { ...options, template: { ...options.template, ca: true } });
}

/** A leaf with two SPIFFE ids. */
export function twoUriLeaf(issuer: TestIssuer, options: LeafOptions = {}): TestCertificate {
  const names = [{ uri: options.identity ?? REVIEWS }, { uri: 'spiffe://cluster.local/ns/default/sa/other' }];
  return testLeaf(issuer, { ...options, names });
}

/** A server's leaf for DNS names or addresses, without SPIFFE id: what a service outside of the mesh has. */
export function serverLeaf(issuer: TestIssuer, names: readonly SubjectName[]): TestCertificate {
  return testLeaf(issuer, { names });
}

function signerOf(issuer: TestIssuer): { key: KeyObject; name: Buffer; keyId: Buffer } {
  const fields = readCertificate(issuer.der);
  if (fields === undefined) throw new Error('the issuer cannot be read');
  return { key: issuer.privateKey, name: fields.subject, keyId: keyIdOf(issuer.privateKey) };
}

function finish(der: Buffer, privateKey: KeyObject, issuer: TestIssuer | undefined): TestCertificate {
  const cert = toPem('CERTIFICATE', der);
  const x509 = new X509Certificate(der);
  const selfSigned = issuer === undefined || issuer.x509.checkIssued(issuer.x509);
  const chain = selfSigned ? cert : cert + issuer.chain;
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), chain, der, x509, privateKey };
}
