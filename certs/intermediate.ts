// An authority whose root stays offline: a folder with a key and a certificate that the root's folder signed once.
import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../proxy/base/clock.ts';
import { ConfigError } from '../proxy/base/error.ts';
import { signCertificate } from './certificate.ts';
import { StoreFile, certificateId, keyText, newKey } from './issuer.ts';
import type { Passphrase } from './issuer.ts';
import { toPem } from './pem.ts';
import { createPrivateFile, privateFolder, readText } from '../proxy/base/private-file.ts';
import { intermediateTemplate } from './profile.ts';
import { openStore } from './store.ts';
import { readCertificate } from './x509.ts';

export interface IntermediateOptions {
  /** Folder of the root, made when missing: it can go offline after this. */
  readonly rootDir: string;
  readonly rootPassphrase?: Passphrase;
  /** Folder of the new authority, which must not hold one yet. */
  readonly dir: string;
  readonly passphrase?: Passphrase;
  readonly trustDomain?: string | undefined;
  readonly clock: Clock;
}

/** Makes the folder of an intermediate authority in Istio's four files; the root's key is not among them. */
export function createIntermediate(options: IntermediateOptions): string {
  const { dir, passphrase, clock } = options;
  const { rootDir, rootPassphrase, trustDomain } = options;
  const root = openStore({ dir: rootDir, passphrase: rootPassphrase, trustDomain, clock });
  privateFolder(dir);
  for (const name of [StoreFile.key, StoreFile.certificate]) {
    if (readText(join(dir, name), false) !== undefined) throw new ConfigError('', 'is there already', join(dir, name));
  }
  const fields = readCertificate(root.certificate.raw);
  if (fields === undefined) throw new ConfigError('', 'has a certificate that is not strict DER', rootDir);
  const key = newKey();
  const template = intermediateTemplate(
    createPublicKey(key), root.trustDomain, clock.wallMs(), root.certificate.validToDate.getTime(),
  );
  const signer = { key: root.key, name: fields.subject, keyId: fields.subjectKeyId };
  const pem = toPem('CERTIFICATE', signCertificate(template, signer));
  createPrivateFile(join(dir, StoreFile.roots), root.roots.map(String).join(''), 0o644);
  createPrivateFile(join(dir, StoreFile.chain), pem + root.intermediates.map(String).join(''), 0o644);
  createPrivateFile(join(dir, StoreFile.key), keyText(key, passphrase));
  createPrivateFile(join(dir, StoreFile.certificate), pem, 0o644);
  return certificateId(openStore({ dir, passphrase, clock }).certificate);
}
