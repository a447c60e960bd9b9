// The authority's keys and certificates on disk. Names of files are Istio's (its `cacerts` secret), so a plug-in CA is
// brought by putting the same files there.
import type { KeyObject, X509Certificate } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../proxy/base/error.ts';
import { systemClock } from '../proxy/base/clock.ts';
import type { Clock } from '../proxy/base/clock.ts';
import { chainFault, rootOf } from './chain.ts';
import {
  StoreFile, certificatesOf, intermediatesOf, openIssuerCertificate, openIssuerKey, openKey,
} from './issuer.ts';
import type { Issuer, Passphrase } from './issuer.ts';
import { createPrivateFile, privateFolder, readText } from '../proxy/base/private-file.ts';
import { isTrustDomain, trustDomainUri } from './spiffe.ts';
import { uriSans } from './x509.ts';

/** Istio's default. */
export const TRUST_DOMAIN_DEFAULT = 'cluster.local';

export interface StoreOptions {
  /** Folder, made with mode 0700 when missing. */
  readonly dir: string;
  /** Default: the root's own, else cluster.local. */
  readonly trustDomain?: string | undefined;
  /** Opens keys that are encrypted at rest, and encrypts those that are made. */
  readonly passphrase?: Passphrase;
  readonly clock?: Clock;
}

/** What was read. The keys are opaque objects: nothing of them shows when they are printed. */
export interface CaStore extends Issuer {
  readonly dir: string;
  readonly trustDomain: string;
  /** The trust bundle, the root of what is signed now first. */
  readonly roots: readonly X509Certificate[];
  /** Issuing certificates of the folder, also of before and after a switch. */
  readonly issuers: readonly X509Certificate[];
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
    return readStore(options, issuerFolder(dir), nowMs);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError('', `cannot be used: ${messageOf(cause)}`, dir);
  }
}

/** The folder whose key signs: of `issuers` since a first switch, the authority's own before. */
export function issuerFolder(dir: string): string {
  const path = join(dir, StoreFile.issuer);
  const id = readText(path, true)?.trim();
  if (id === undefined) return dir;
  if (!/^[0-9a-f]{16}$/.test(id)) throw new ConfigError('', 'names no folder of issuers', path);
  return join(dir, StoreFile.issuers, id);
}

/** The key comes first: a crash between key and certificate is mended by signing again with the same key. */
function readStore(options: StoreOptions, folder: string, nowMs: number): CaStore {
  const { dir, passphrase } = options;
  const key = openIssuerKey(folder, passphrase);
  const certificate = openIssuerCertificate(folder, key, options.trustDomain ?? TRUST_DOMAIN_DEFAULT, nowMs);
  const bundle = bundleOf(dir, certificate);
  const intermediates = intermediatesOf(folder, certificate, bundle);
  const fault = chainFault([certificate, ...intermediates.slice(1)], bundle, nowMs);
  if (fault !== undefined) {
    throw new ConfigError('', `${fault} (roots: ${StoreFile.roots})`, join(folder, StoreFile.certificate));
  }
  const own = rootOf([certificate, ...intermediates], bundle);
  return {
    dir, key, certificate, intermediates,
    roots: bundle.toSorted((a, b) => Number(b === own) - Number(a === own)),
    issuers: issuersOf(dir),
    rootFile: join(dir, StoreFile.roots),
    trustDomain: trustDomainOf(options, [...bundle, certificate]),
    tokenKey: openKey(dir, StoreFile.tokenKey, passphrase),
  };
}

function bundleOf(dir: string, certificate: X509Certificate): X509Certificate[] {
  const path = join(dir, StoreFile.roots);
  const isRoot = certificate.checkIssued(certificate);
  if (isRoot && readText(path, false) === undefined) createPrivateFile(path, certificate.toString(), 0o644);
  const roots = certificatesOf(path);
  if (roots === undefined) throw new ConfigError('', `is missing; ${StoreFile.certificate} needs its root`, path);
  return roots;
}

/** Folders with a key that signs, did or will. */
export function issuerFolders(dir: string): string[] {
  const below = join(dir, StoreFile.issuers);
  let names: string[] = [];
  try {
    names = readdirSync(below).filter((name) => /^[0-9a-f]{16}$/.test(name)).toSorted();
  } catch {
    // There was no rotation yet.
  }
  return [dir, ...names.map((name) => join(below, name))].filter((folder) => (
    readText(join(folder, StoreFile.certificate), false) !== undefined
  ));
}

function issuersOf(dir: string): X509Certificate[] {
  return issuerFolders(dir).flatMap((folder) => [
    ...(certificatesOf(join(folder, StoreFile.certificate)) ?? []),
    ...(certificatesOf(join(folder, StoreFile.chain)) ?? []),
  ]);
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
