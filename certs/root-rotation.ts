// Changing the root without a failed request: add a new one to the bundle, sign by it, remove the old one.
// The running authority takes each step from the folder; sidecars are pushed the bundle.
import { X509Certificate } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '../proxy/base/clock.ts';
import { ConfigError } from '../proxy/base/error.ts';
import { chainFault, rootOf } from './chain.ts';
import { StoreFile, certificateId, certificatesOf, intermediatesOf, keyText, newKey, rootText } from './issuer.ts';
import type { Passphrase } from './issuer.ts';
import { createPrivateFile, privateFolder, replacePrivateFile } from '../proxy/base/private-file.ts';
import { issuerFolder, issuerFolders, openStore } from './store.ts';

export interface RotationOptions {
  readonly dir: string;
  readonly passphrase?: Passphrase;
  readonly clock: Clock;
}

/** A root of the bundle, for people. */
export interface RootView {
  readonly id: string;
  readonly subject: string;
  readonly notAfterMs: number;
  /** signs: what is issued now leads to it; ready: a switch can make it sign; trusted: it is in the bundle alone. */
  readonly state: 'signs' | 'ready' | 'trusted';
}

export function listRoots(options: RotationOptions): RootView[] {
  const { dir } = options;
  const { roots, certificate, intermediates } = openStore(options);
  const current = rootOf([certificate, ...intermediates], roots);
  const ready = new Set(issuerFolders(dir).map((folder) => rootOfFolder(folder, roots)));
  return roots.map((root) => ({
    id: certificateId(root),
    subject: (root.subject ?? '').replaceAll('\n', ', '),
    notAfterMs: root.validToDate.getTime(),
    state: root === current ? 'signs' : ready.has(root) ? 'ready' : 'trusted',
  }));
}

/**
 * Adds a root to the bundle, with the key that will sign: a new one, or that of the folder `from` (Istio's four files,
 * such as an intermediate under an offline root). Nothing is signed by it before a switch. Returns the root's id.
 */
export function addRoot(options: RotationOptions, from?: string): string {
  const store = openStore(options);
  const { dir, clock } = options;
  // Opening a folder makes an authority where there is none: a slip of the pen must not be trusted.
  if (from !== undefined && issuerFolders(from).length === 0) {
    throw new ConfigError('', `holds no authority: ${StoreFile.certificate} is missing`, from);
  }
  const brought = from === undefined ? undefined : openStore({ ...options, dir: from });
  const key = brought?.key ?? newKey();
  const text = brought?.certificate.toString() ?? rootText(key, store.trustDomain, clock.wallMs());
  const folder = join(folderOf(dir), certificateId(new X509Certificate(text)));
  mkdirSync(folder, { mode: 0o700, recursive: true });
  privateFolder(folder);
  createPrivateFile(join(folder, StoreFile.key), keyText(key, options.passphrase));
  createPrivateFile(join(folder, StoreFile.certificate), text, 0o644);
  const chain = brought?.intermediates ?? [];
  if (chain.length > 0) createPrivateFile(join(folder, StoreFile.chain), chain.map(String).join(''), 0o644);
  const added = brought?.roots ?? certificatesOf(join(folder, StoreFile.certificate))!;
  writeRoots(dir, [...store.roots, ...added]);
  return certificateId(added[0]!);
}

/** From now on the other root's key signs; its own certificate and all new ones lead there. Returns the root's id. */
export function switchRoot(options: RotationOptions, id?: string): string {
  const { dir, clock } = options;
  const { roots, certificate } = openStore(options);
  const current = issuerFolder(dir);
  const others = issuerFolders(dir).filter((folder) => folder !== current);
  const wanted = others.filter((folder) => {
    const root = rootOfFolder(folder, roots);
    return root !== undefined && (id === undefined || certificateId(root) === id);
  });
  if (wanted.length !== 1) throw new ConfigError('', notOne(wanted.length, 'that can sign', id), dir);
  const folder = wanted[0]!;
  const fault = chainFault(chainOf(folder, roots), roots, clock.wallMs());
  if (fault !== undefined) throw new ConfigError('', fault, join(folder, StoreFile.certificate));
  if (folder === dir) rmSync(join(dir, StoreFile.issuer));
  else replacePrivateFile(join(dir, StoreFile.issuer), `${basename(folder)}\n`);
  const now = openStore(options);
  if (now.certificate.fingerprint256 === certificate.fingerprint256) throw new Error('the switch changed nothing');
  return certificateId(now.roots[0]!);
}

/** Drops a root from the bundle and the keys under it from the disk. The one that signs stays. Returns its id. */
export function removeRoot(options: RotationOptions, id?: string): string {
  const { dir } = options;
  const { roots } = openStore(options);
  const [own, ...others] = roots;
  if (own !== undefined && certificateId(own) === id) {
    throw new ConfigError('', `root ${id} signs what is issued: switch to another one first`, dir);
  }
  const wanted = others.filter((root) => id === undefined || certificateId(root) === id);
  const [root] = wanted;
  if (root === undefined || wanted.length > 1) {
    throw new ConfigError('', notOne(wanted.length, 'beside the one that signs', id), dir);
  }
  const folders = issuerFolders(dir).filter((folder) => rootOfFolder(folder, roots) === root);
  writeRoots(dir, roots.filter((kept) => kept !== root));
  for (const folder of folders) forgetIssuer(folder, folder === dir);
  return certificateId(root);
}

function notOne(count: number, what: string, id: string | undefined): string {
  if (count === 0) return id === undefined ? `there is no other root ${what}` : `there is no root ${id} ${what}`;
  return `there are ${count} roots ${what}: name one by its id (weft ca root list)`;
}

/** The authority's own folder keeps what is not the issuer's. */
function forgetIssuer(folder: string, isTop: boolean): void {
  // The certificate first: a key without one is taken up again, a certificate without its key is a fault.
  const names = [StoreFile.certificate, StoreFile.chain, StoreFile.key];
  if (isTop) for (const name of names) rmSync(join(folder, name), { force: true });
  else rmSync(folder, { recursive: true });
}

function folderOf(dir: string): string {
  const path = join(dir, StoreFile.issuers);
  mkdirSync(path, { mode: 0o700, recursive: true });
  privateFolder(path);
  return path;
}

function writeRoots(dir: string, roots: readonly X509Certificate[]): void {
  const byFingerprint = new Map(roots.map((root) => [root.fingerprint256, root]));
  replacePrivateFile(join(dir, StoreFile.roots), [...byFingerprint.values()].map(String).join(''), 0o644);
}

function chainOf(folder: string, roots: readonly X509Certificate[]): X509Certificate[] {
  const [certificate] = certificatesOf(join(folder, StoreFile.certificate)) ?? [];
  if (certificate === undefined) return [];
  return [certificate, ...intermediatesOf(folder, certificate, roots).slice(1)];
}

function rootOfFolder(folder: string, roots: readonly X509Certificate[]): X509Certificate | undefined {
  return rootOf(chainOf(folder, roots), roots);
}
