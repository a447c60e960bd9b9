// The authority's keys and certificates on disk. Names of files are Istio's (its `cacerts` secret), so a plug-in CA is
// brought by putting the same files there.
import { createPrivateKey, generateKeyPairSync, createPublicKey } from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../proxy/base/error.ts';
import { systemClock } from '../proxy/base/clock.ts';
import type { Clock } from '../proxy/base/clock.ts';
import { signCertificate } from './certificate.ts';
import { chainFault, readCertificates } from './chain.ts';
import { toPem } from './pem.ts';
import { createPrivateFile, privateFolder, readText } from './private-file.ts';
import { rootTemplate } from './profile.ts';
import { keyFault } from './signature-algorithm.ts';
import { isTrustDomain, trustDomainUri } from './spiffe.ts';
import { uriSans } from './x509.ts';

/** Istio's default. */
export const TRUST_DOMAIN_DEFAULT = 'cluster.local';

/**
 * Files of the folder. Made when missing: a P-256 key, a root signed by it, and the key of workload tokens. Brought
 * for a plug-in CA: ca-key.pem, ca-cert.pem, root-cert.pem (the bundle; several roots are allowed) and, when
 * intermediates lie between ca-cert and root, cert-chain.pem.
 */
export const StoreFile = {
  key: 'ca-key.pem',
  certificate: 'ca-cert.pem',
  chain: 'cert-chain.pem',
  roots: 'root-cert.pem',
  tokenKey: 'token-key.pem',
} as const;

export interface StoreOptions {
  /** Folder, made with mode 0700 when missing. */
  readonly dir: string;
  /** Default: the root's own, else cluster.local. */
  readonly trustDomain?: string | undefined;
  readonly clock?: Clock;
}

/** What was read. The keys are opaque objects: nothing of them shows when they are printed. */
export interface CaStore {
  readonly dir: string;
  readonly trustDomain: string;
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
  /** Certificates that go with every leaf: from the issuing one up, without the root. */
  readonly intermediates: readonly X509Certificate[];
  readonly roots: readonly X509Certificate[];
  readonly tokenKey: KeyObject;
  /** Path of the bundle, for sidecars' root_file. */
  readonly rootFile: string;
}

/** Opens the folder, making what a new authority needs. Throws a ConfigError that names the file and the remedy. */
export function openStore(options: StoreOptions): CaStore {
  const { dir } = options;
  const nowMs = (options.clock ?? systemClock).wallMs();
  if (options.trustDomain !== undefined && !isTrustDomain(options.trustDomain)) {
    throw new ConfigError('', `"${options.trustDomain}" is no trust domain: use a-z, 0-9, dot, dash and underscore`);
  }
  privateFolder(dir);
  try {
    const key = openSigningKey(dir);
    return readStore(options, key, openCertificate(dir, key, options.trustDomain, nowMs), nowMs);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError('', `cannot be used: ${messageOf(cause)}`, dir);
  }
}

function readStore(options: StoreOptions, key: KeyObject, certificate: X509Certificate, nowMs: number): CaStore {
  const { dir } = options;
  const rootFile = join(dir, StoreFile.roots);
  const isRoot = certificate.checkIssued(certificate);
  if (isRoot && readText(rootFile, false) === undefined) createPrivateFile(rootFile, certificate.toString(), 0o644);
  const roots = certificatesOf(rootFile);
  if (roots === undefined) throw new ConfigError('', `is missing; ${StoreFile.certificate} needs its root`, rootFile);
  const chain = isRoot ? [] : intermediatesOf(dir, certificate, roots);
  const fault = chainFault([certificate, ...chain.slice(1)], roots, nowMs);
  if (fault !== undefined) {
    throw new ConfigError('', `${fault} (roots: ${StoreFile.roots})`, join(dir, StoreFile.certificate));
  }
  return {
    dir, key, certificate, roots, rootFile,
    intermediates: chain,
    trustDomain: trustDomainOf(options, [...roots, certificate]),
    tokenKey: openKey(dir, StoreFile.tokenKey),
  };
}

/** The key comes first: a crash between key and certificate is mended by signing again with the same key. */
function openSigningKey(dir: string): KeyObject {
  const path = join(dir, StoreFile.key);
  if (readText(path, true) === undefined && readText(join(dir, StoreFile.certificate), false) !== undefined) {
    throw new ConfigError('', 'is missing beside its certificate: bring it back, or move the certificate away', path);
  }
  return openKey(dir, StoreFile.key);
}

/** Reads a key, or makes it. Of two processes that start at once, one makes it and both use it. */
function openKey(dir: string, name: string): KeyObject {
  const path = join(dir, name);
  let pem = readText(path, true);
  if (pem === undefined) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    createPrivateFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    pem = readText(path, true) ?? '';
  }
  const key = parseKey(path, pem);
  const fault = keyFault(key);
  if (fault !== undefined) throw new ConfigError('', fault, path);
  return key;
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's words are left out: they could quote the file.
    throw new ConfigError('', 'is not an unencrypted private key in PEM', path);
  }
}

function openCertificate(dir: string, key: KeyObject, trustDomain: string | undefined, nowMs: number): X509Certificate {
  const path = join(dir, StoreFile.certificate);
  let certificates = certificatesOf(path);
  if (certificates === undefined) {
    const template = rootTemplate(createPublicKey(key), trustDomain ?? TRUST_DOMAIN_DEFAULT, nowMs);
    createPrivateFile(path, toPem('CERTIFICATE', signCertificate(template, { key })), 0o644);
    certificates = certificatesOf(path);
  }
  const certificate = certificates?.[0];
  if (certificate === undefined) throw new ConfigError('', 'holds no certificate', path);
  if (!certificate.checkPrivateKey(key)) throw new ConfigError('', `does not match the key in ${StoreFile.key}`, path);
  if (!certificate.ca) throw new ConfigError('', 'is not a CA certificate', path);
  return certificate;
}

/** Istio's cert-chain.pem begins with the issuing certificate; one that leaves it out is taken as well. */
function intermediatesOf(
  dir: string, certificate: X509Certificate, roots: readonly X509Certificate[],
): X509Certificate[] {
  const known = new Set([certificate, ...roots].map(({ fingerprint256 }) => fingerprint256));
  const more = certificatesOf(join(dir, StoreFile.chain)) ?? [];
  return [certificate, ...more.filter(({ fingerprint256 }) => !known.has(fingerprint256))];
}

/** The certificates of a file, undefined when it is missing. */
function certificatesOf(path: string): X509Certificate[] | undefined {
  const text = readText(path, false);
  if (text === undefined) return undefined;
  const certificates = readCertificates(text);
  if (certificates === undefined) throw new ConfigError('', 'has a certificate that cannot be read', path);
  return certificates;
}

function trustDomainOf({ dir, trustDomain }: StoreOptions, certificates: readonly X509Certificate[]): string {
  const scheme = trustDomainUri('');
  const uris = certificates.flatMap(({ raw }) => uriSans(raw)).filter((uri) => uri.startsWith(scheme));
  const own = uris.map((uri) => uri.slice(scheme.length)).find((name) => isTrustDomain(name));
  if (own !== undefined && trustDomain !== undefined && own !== trustDomain) {
    throw new ConfigError('', `was made for trust domain ${own}, not ${trustDomain}; use another folder`, dir);
  }
  return trustDomain ?? own ?? TRUST_DOMAIN_DEFAULT;
}
