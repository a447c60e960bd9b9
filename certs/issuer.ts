// One key that signs, with its certificate and what leads from it to a root: files of one folder.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { ConfigError } from '../proxy/base/error.ts';
import { signCertificate } from './certificate.ts';
import { readCertificates } from './chain.ts';
import { toPem } from './pem.ts';
import { createPrivateFile, readText } from '../proxy/base/private-file.ts';
import { rootTemplate } from './profile.ts';
import { keyFault } from './signature-algorithm.ts';

/**
 * Files of the folder. Made when missing: a P-256 key, a root signed by it, and the key of workload tokens. Brought
 * for a plug-in CA: ca-key.pem, ca-cert.pem, root-cert.pem (the bundle; several roots are allowed) and, when
 * intermediates lie between ca-cert and root, cert-chain.pem. `issuer` names the folder of `issuers` that signs since
 * a switch; without it the files beside it do.
 */
export const StoreFile = {
  key: 'ca-key.pem',
  certificate: 'ca-cert.pem',
  chain: 'cert-chain.pem',
  roots: 'root-cert.pem',
  tokenKey: 'token-key.pem',
  issuer: 'issuer',
  issuers: 'issuers',
} as const;

export interface Issuer {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
  /** The certificate and those after it up to the root, which is not among them; none when it is a root itself. */
  readonly intermediates: readonly X509Certificate[];
}

/** What a key is protected with at rest; undefined: by the file's mode alone. */
export type Passphrase = string | undefined;

/** Opens the key of a folder, making one where there is neither key nor certificate. */
export function openIssuerKey(dir: string, passphrase: Passphrase): KeyObject {
  const path = join(dir, StoreFile.key);
  if (readText(path, true) === undefined && readText(join(dir, StoreFile.certificate), false) !== undefined) {
    throw new ConfigError('', 'is missing beside its certificate: bring it back, or move the certificate away', path);
  }
  return openKey(dir, StoreFile.key, passphrase);
}

/** Reads a key, or makes it. Of two processes that start at once, one makes it and both use it. */
export function openKey(dir: string, name: string, passphrase: Passphrase): KeyObject {
  const path = join(dir, name);
  let pem = readText(path, true);
  if (pem === undefined) {
    createPrivateFile(path, keyText(newKey(), passphrase));
    pem = readText(path, true) ?? '';
  }
  const key = parseKey(path, pem, passphrase);
  const fault = keyFault(key);
  if (fault !== undefined) throw new ConfigError('', fault, path);
  return key;
}

export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
}

/** PKCS #8 in PEM, encrypted where there is a passphrase. */
export function keyText(key: KeyObject, passphrase: Passphrase): string {
  const plain = { type: 'pkcs8', format: 'pem' } as const;
  return key.export(passphrase === undefined ? plain : { ...plain, cipher: 'aes-256-cbc', passphrase }).toString();
}

function parseKey(path: string, pem: string, passphrase: Passphrase): KeyObject {
  const encrypted = pem.includes('ENCRYPTED');
  if (encrypted && passphrase === undefined) throw new ConfigError('', 'is encrypted: give its passphrase', path);
  try {
    return createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase });
  } catch {
    // OpenSSL's words are left out: they could quote the file.
    const reason = encrypted ? 'does not open with this passphrase' : 'is not a private key in PEM';
    throw new ConfigError('', reason, path);
  }
}

/** The certificate of the key, or a new root for it. */
export function openIssuerCertificate(
  dir: string, key: KeyObject, trustDomain: string, nowMs: number,
): X509Certificate {
  const path = join(dir, StoreFile.certificate);
  let certificates = certificatesOf(path);
  if (certificates === undefined) {
    createPrivateFile(path, rootText(key, trustDomain, nowMs), 0o644);
    certificates = certificatesOf(path);
  }
  const certificate = certificates?.[0];
  if (certificate === undefined) throw new ConfigError('', 'holds no certificate', path);
  if (!certificate.checkPrivateKey(key)) throw new ConfigError('', `does not match the key in ${StoreFile.key}`, path);
  if (!certificate.ca) throw new ConfigError('', 'is not a CA certificate', path);
  return certificate;
}

/** A new self-signed root in PEM. */
export function rootText(key: KeyObject, trustDomain: string, nowMs: number): string {
  return toPem('CERTIFICATE', signCertificate(rootTemplate(createPublicKey(key), trustDomain, nowMs), { key }));
}

/** Istio's cert-chain.pem begins with the issuing certificate; one that leaves it out is taken as well. */
export function intermediatesOf(
  dir: string, certificate: X509Certificate, roots: readonly X509Certificate[],
): X509Certificate[] {
  if (certificate.checkIssued(certificate)) return [];
  const known = new Set([certificate, ...roots].map(({ fingerprint256 }) => fingerprint256));
  const more = certificatesOf(join(dir, StoreFile.chain)) ?? [];
  return [certificate, ...more.filter(({ fingerprint256 }) => !known.has(fingerprint256))];
}

/** The certificates of a file, undefined when it is missing. */
export function certificatesOf(path: string): X509Certificate[] | undefined {
  const text = readText(path, false);
  if (text === undefined) return undefined;
  const certificates = readCertificates(text);
  if (certificates === undefined) throw new ConfigError('', 'has a certificate that cannot be read', path);
  return certificates;
}

/** A name for people and folders: the first 16 hexadecimal digits of the certificate's SHA-256. */
export function certificateId({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(':', '').slice(0, 16).toLowerCase();
}
