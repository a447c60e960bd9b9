// The key that signs an audit log: made once, for this user alone, and refused where others may read it.
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from './error.ts';

const KEY_FILE = 'audit-key.pem';
/** Permissions of others. */
const OTHERS = 0o077;

/** Makes the folder (0700) and the key (0600) when they are missing. Throws a ConfigError that names the remedy. */
export function openAuditKey(folder: string): KeyObject {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  requirePrivate(folder, statSync(folder).mode, '700');
  const path = join(folder, KEY_FILE);
  return readKey(path) ?? makeKey(path);
}

function readKey(path: string): KeyObject | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  try {
    requirePrivate(path, fstatSync(fd).mode, '600');
    const key = createPrivateKey(readFileSync(fd));
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new ConfigError('', 'is no P-256 key', path);
    return key;
  } finally {
    closeSync(fd);
  }
}

function makeKey(path: string): KeyObject {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeFileSync(path, pem, { flag: 'wx', mode: 0o600 });
  return privateKey;
}

function requirePrivate(path: string, mode: number, wanted: string): void {
  if ((mode & OTHERS) === 0) return;
  const reason = `is open to other users (mode 0${(mode & 0o777).toString(8)}); run: chmod ${wanted} ${path}`;
  throw new ConfigError('', reason, path);
}
