// Writes X.509 v3 certificates (RFC 5280) and signs them with node:crypto.
import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { DerTag, contentsOf, itemsOf, readWhole } from './der.ts';
import {
  bitString, booleanValue, integer, nullValue, octetString, oid, parsed, sequence, setOf, tagged, taggedBytes, time,
  toDer, utf8String,
} from './der-writer.ts';
import type { DerNode } from './der-writer.ts';
import { Oid } from './oid.ts';
import { signDer, signatureAlgorithm } from './signature-algorithm.ts';

/** One subject alternative name; `ip` is the usual text of an address. */
export type SubjectName = { readonly uri: string } | { readonly dns: string } | { readonly ip: string };

/** What a certificate says. Nothing is defaulted: profile.ts holds the mesh's choices. */
export interface CertificateTemplate {
  /** Attributes of the subject; empty makes the alternative names critical (RFC 5280 4.2.1.6). */
  readonly subject: readonly (readonly [oid: string, value: string])[];
  readonly publicKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly names: readonly SubjectName[];
  readonly ca: boolean;
  /** How many authorities may lie below this one; absent does not limit it. At most 127. */
  readonly pathLength?: number;
  /** First octet of KeyUsage (x509.ts); undefined leaves the extension out. */
  readonly keyUsage: number | undefined;
  /** Dotted OIDs; empty leaves the extension out. */
  readonly extendedKeyUsage: readonly string[];
}

/** Who signs: DER of its subject, and its subject key identifier; both undefined when the certificate signs itself. */
export interface CertificateSigner {
  readonly key: KeyObject;
  readonly name?: Buffer | undefined;
  readonly keyId?: Buffer | undefined;
}

/** 128 random bits: a serial that nobody can guess keeps collisions of the digest useless. */
const SERIAL_BYTES = 16;

/** The DER of a new certificate with a random serial number. */
export function signCertificate(template: CertificateTemplate, signer: CertificateSigner): Buffer {
  const subject = distinguishedName(template.subject);
  const algorithm = algorithmIdentifier(signer.key);
  const tbs = sequence(
    tagged(0, integer(Buffer.of(2))), // version 3
    integer(serialNumber()),
    algorithm,
    signer.name === undefined ? subject : parsed(signer.name),
    sequence(time(new Date(template.notBeforeMs)), time(new Date(template.notAfterMs))),
    subject,
    parsed(publicKeyDer(template.publicKey)),
    tagged(3, sequence(...extensionsOf(template, signer))),
  );
  const signature = signDer(signer.key, toDer(tbs));
  return toDer(sequence(tbs, algorithm, bitString(signature)));
}

/** The DER of a Name of one-valued attributes. */
export function distinguishedName(attributes: CertificateTemplate['subject']): DerNode {
  return sequence(...attributes.map(([type, value]) => setOf(sequence(oid(type), utf8String(value)))));
}

export function algorithmIdentifier(key: KeyObject): DerNode {
  const algorithm = signatureAlgorithm(key);
  return algorithm.rsa ? sequence(oid(algorithm.oid), nullValue()) : sequence(oid(algorithm.oid));
}

/** GeneralNames (RFC 5280 4.2.1.6); a name that cannot be written is the caller's mistake and throws. */
export function generalNames(names: readonly SubjectName[]): DerNode {
  return sequence(...names.map((name) => {
    if ('uri' in name) return taggedBytes(6, Buffer.from(name.uri, 'latin1'));
    if ('dns' in name) return taggedBytes(2, Buffer.from(name.dns, 'latin1'));
    return taggedBytes(7, addressBytes(name.ip));
  }));
}

/** The identifier of a key: the first 160 bits of SHA-256 over its bits (RFC 7093 2, method 1). */
export function keyIdOf(publicKey: KeyObject): Buffer {
  const [, bits] = itemsOf(readWhole(publicKeyDer(publicKey), DerTag.sequence)) ?? [];
  if (bits === undefined) throw new Error('the public key has no DER form');
  return createHash('sha256').update(contentsOf(bits).subarray(1)).digest().subarray(0, 20);
}

/** SubjectPublicKeyInfo of a public or private key. */
export function publicKeyDer(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' });
}

function serialNumber(): Buffer {
  const serial = randomBytes(SERIAL_BYTES);
  serial[0]! |= 0x80; // never zero, and always of one length
  return serial;
}

function extensionsOf(template: CertificateTemplate, signer: CertificateSigner): DerNode[] {
  const keyId = keyIdOf(template.publicKey);
  const extensions = [
    extension(Oid.basicConstraints, true, basicConstraints(template)),
    extension(Oid.subjectKeyIdentifier, false, octetString(keyId)),
    extension(Oid.authorityKeyIdentifier, false, sequence(taggedBytes(0, signer.keyId ?? keyIdOf(signer.key)))),
  ];
  const { keyUsage, extendedKeyUsage, names } = template;
  if (keyUsage !== undefined) extensions.push(extension(Oid.keyUsage, true, keyUsageBits(keyUsage)));
  if (extendedKeyUsage.length > 0) {
    extensions.push(extension(Oid.extendedKeyUsage, false, sequence(...extendedKeyUsage.map((use) => oid(use)))));
  }
  if (names.length > 0) {
    extensions.push(extension(Oid.subjectAltName, template.subject.length === 0, generalNames(names)));
  }
  return extensions;
}

function basicConstraints({ ca, pathLength }: CertificateTemplate): DerNode {
  if (!ca) return sequence();
  return pathLength === undefined
    ? sequence(booleanValue(true))
    : sequence(booleanValue(true), integer(Buffer.of(pathLength)));
}

export function extension(id: string, critical: boolean, value: DerNode): DerNode {
  const body = octetString(toDer(value));
  return critical ? sequence(oid(id), booleanValue(true), body) : sequence(oid(id), body);
}

/** A named bit list ends with its last set bit (X.690 11.2.2). */
function keyUsageBits(octet: number): DerNode {
  const unused = octet === 0 ? 0 : 31 - Math.clz32(octet & -octet);
  return bitString(octet === 0 ? Buffer.alloc(0) : Buffer.of(octet), unused);
}

function addressBytes(address: string): Buffer {
  const family = isIP(address);
  if (family === 4) return Buffer.from(address.split('.').map(Number));
  if (family !== 6) throw new Error(`${address} is not an IP address`);
  return ipv6Bytes(address);
}

/** URL normalises any spelling of an IPv6 address to hexadecimal groups with at most one `::`. */
function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const [left, right] = [hexGroups(head), hexGroups(tail ?? '')];
  const bytes = Buffer.alloc(16);
  left.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  right.forEach((group, index) => bytes.writeUInt16BE(group, 16 - (right.length - index) * 2));
  return bytes;
}

function hexGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}
