// Certificates of any shape for tests, also such as no authority would write: extensions and names byte by byte.
import { X509Certificate, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { distinguishedName, extension, keyIdOf, publicKeyDer } from '../../certs/certificate.ts';
import {
  bitString, booleanValue, integer, octetString, oid, parsed, sequence, tagged, taggedBytes, time, toDer,
} from '../../certs/der-writer.ts';
import type { DerNode } from '../../certs/der-writer.ts';
import { Oid } from '../../certs/oid.ts';
import { toPem } from '../../certs/pem.ts';
import { readCertificate } from '../../certs/x509.ts';
import { REVIEWS, ecKey } from './certificates.ts';
import type { TestCertificate, TestIssuer } from './certificates.ts';

const ECDSA: Readonly<Record<string, string>> = {
  sha1: '1.2.840.10045.4.1', sha256: '1.2.840.10045.4.3.2', sha512: '1.2.840.10045.4.3.4',
};
const NAME_CONSTRAINTS = '2.5.29.30';

/** What a crafted certificate says; what is left out is as in a good leaf. Times are in milliseconds from now. */
export interface Craft {
  /** GeneralNames, each an encoding of its own; an empty list leaves the extension out. */
  readonly names?: readonly Buffer[];
  /** Contents of the subjectAltName extension, in place of `names`. */
  readonly rawNames?: Buffer;
  readonly subject?: readonly (readonly [oid: string, value: string])[];
  readonly privateKey?: KeyObject;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** BasicConstraints; undefined: not a CA, and the extension is there. `none`: it is not there. */
  readonly ca?: 'none' | { readonly pathLength?: number };
  /** First octet of KeyUsage; `none` leaves the extension out. */
  readonly keyUsage?: number | 'none';
  /** Dotted OIDs; empty leaves the extension out. */
  readonly uses?: readonly string[];
  readonly more?: readonly DerNode[];
  readonly digest?: 'sha1' | 'sha256' | 'sha512';
  /** 1: no extensions at all. */
  readonly version?: 1 | 3;
  /** Named as issuer in place of the true one. */
  readonly issuerName?: Buffer;
  /** The authority's key identifier, in place of the true one. */
  readonly issuerKeyId?: Buffer;
  /** The signature is that of other bytes. */
  readonly forged?: true;
}

/** An encoded element of DER: identifier octet, length, contents. */
export function element(tag: number, contents: Buffer | string): Buffer {
  const bytes = typeof contents === 'string' ? Buffer.from(contents, 'latin1') : contents;
  const { length } = bytes;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...size), bytes]);
}

/** A URI as GeneralName; each character of the text is one byte. */
export function uriName(text: string): Buffer {
  return element(0x86, text);
}

/** NameConstraints: subtrees of URIs by host. */
export function uriConstraints(permitted: readonly string[], excluded: readonly string[]): DerNode {
  const subtrees = (hosts: readonly string[]): DerNode[] => hosts.map((host) => (
    sequence(taggedBytes(6, Buffer.from(host)))
  ));
  return extension(NAME_CONSTRAINTS, true, sequence(
    ...(permitted.length > 0 ? [tagged(0, ...subtrees(permitted))] : []),
    ...(excluded.length > 0 ? [tagged(1, ...subtrees(excluded))] : []),
  ));
}

/** An extension that nobody knows. */
export function unknownExtension(critical: boolean): DerNode {
  return extension('1.3.6.1.4.1.99999.1', critical, booleanValue(true));
}

/** Signed by `issuer`, or by itself where that is undefined; `chain` has the issuer's chain after it. */
export function craft(issuer: TestIssuer | undefined, spec: Craft = {}): TestCertificate {
  const privateKey = spec.privateKey ?? ecKey();
  const issuerKey = issuer?.privateKey ?? privateKey;
  const algorithm = sequence(oid(ECDSA[spec.digest ?? 'sha256']!));
  const subject = distinguishedName(spec.subject ?? []);
  const issuerName = spec.issuerName ?? (issuer === undefined ? undefined : readCertificate(issuer.der)!.subject);
  const now = Date.now();
  const tbs = toDer(sequence(
    ...(spec.version === 1 ? [] : [tagged(0, integer(Buffer.of(2)))]),
    integer(Buffer.from(`42${(serial++).toString(16).padStart(8, '0')}`, 'hex')),
    algorithm,
    issuerName === undefined ? subject : parsed(issuerName),
    sequence(time(new Date(now + (spec.notBeforeMs ?? -60_000))), time(new Date(now + (spec.notAfterMs ?? 3_600_000)))),
    subject,
    parsed(publicKeyDer(createPublicKey(privateKey))),
    ...(spec.version === 1 ? [] : [tagged(3, sequence(...extensionsOf(spec, privateKey, issuerKey)))]),
  ));
  const signed = spec.forged === true ? Buffer.concat([tbs, Buffer.of(0)]) : tbs;
  const signature = sign(spec.digest ?? 'sha256', signed, { key: issuerKey, dsaEncoding: 'der' });
  const der = toDer(sequence(parsed(tbs), algorithm, bitString(signature)));
  const cert = toPem('CERTIFICATE', der);
  const isRoot = issuer === undefined || issuer.x509.checkIssued(issuer.x509);
  return {
    cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), der, privateKey,
    chain: isRoot ? cert : cert + issuer.chain, x509: new X509Certificate(der),
  };
}

let serial = 1;

function extensionsOf(spec: Craft, key: KeyObject, issuerKey: KeyObject): DerNode[] {
  const { ca, names = [uriName(REVIEWS)], rawNames, keyUsage = 0x80, uses = [Oid.serverAuth, Oid.clientAuth] } = spec;
  const list: DerNode[] = [extension(Oid.subjectKeyIdentifier, false, octetString(keyIdOf(createPublicKey(key))))];
  const keyId = spec.issuerKeyId ?? keyIdOf(createPublicKey(issuerKey));
  list.push(extension(Oid.authorityKeyIdentifier, false, sequence(taggedBytes(0, keyId))));
  if (ca !== 'none') list.push(extension(Oid.basicConstraints, true, constraints(ca)));
  if (keyUsage !== 'none') list.push(extension(Oid.keyUsage, true, bitString(Buffer.of(keyUsage), 0)));
  if (uses.length > 0) list.push(extension(Oid.extendedKeyUsage, false, sequence(...uses.map((use) => oid(use)))));
  const sans = rawNames ?? (names.length > 0 ? element(0x30, Buffer.concat(names)) : undefined);
  if (sans !== undefined) list.push(rawExtension(Oid.subjectAltName, sans));
  return [...list, ...(spec.more ?? [])];
}

/** An extension whose contents need not be DER. */
export function rawExtension(id: string, contents: Buffer): DerNode {
  return sequence(oid(id), octetString(contents));
}

function constraints(ca: { readonly pathLength?: number } | undefined): DerNode {
  if (ca === undefined) return sequence();
  return sequence(
    booleanValue(true), ...(ca.pathLength === undefined ? [] : [integer(Buffer.of(ca.pathLength))]),
  );
}
