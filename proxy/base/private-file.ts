// Files that hold keys and tokens: for this user alone, whole or not there, and refused where others may read them.
import { randomBytes } from 'node:crypto';
import {
  closeSync, constants, fchmodSync, fstatSync, fsyncSync, linkSync, mkdirSync, openSync, readSync, renameSync, statSync,
  unlinkSync, writeFileSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError, messageOf } from './error.ts';

const MIB = 1_048_576;

/** Permissions of others, whose absence makes a file or folder private. */
const OTHERS = 0o077;

/** Makes the folder (not its parents) with mode 0700, or refuses one that others may enter or another user owns. */
export function privateFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) throw new ConfigError('', 'cannot be made: its parent folder does not exist', path);
    if (!hasCode(cause, 'EEXIST')) throw new ConfigError('', `cannot be made: ${messageOf(cause)}`, path);
  }
  const stats = statSync(path);
  if (!stats.isDirectory()) throw new ConfigError('', 'is not a folder', path);
  requirePrivate(path, stats);
}

/** Creates a file with this content; false, and nothing is changed, when it is already there. */
export function createPrivateFile(path: string, content: string, mode = 0o600): boolean {
  const draft = writeDraft(path, content, mode);
  try {
    linkSync(draft, path); // fails where a rename would replace
    return true;
  } catch (cause) {
    if (hasCode(cause, 'EEXIST')) return false;
    throw cause;
  } finally {
    unlinkSync(draft);
    syncFolder(dirname(path));
  }
}

/** Writes a file, replacing what was there in one step. */
export function replacePrivateFile(path: string, content: string, mode = 0o600): void {
  const draft = writeDraft(path, content, mode);
  try {
    renameSync(draft, path);
  } catch (cause) {
    unlinkSync(draft);
    throw cause;
  }
  syncFolder(dirname(path));
}

/**
 * The text of a file, or undefined when there is none. `secret` ones must be this user's alone. 1 MiB by default: a
 * bundle of some hundred certificates.
 */
export function readText(path: string, secret: boolean, bytesMax = MIB): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined;
    throw new ConfigError('', `cannot be read: ${messageOf(cause)}`, path);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size > bytesMax) {
      throw new ConfigError('', `is no file, or over ${Math.round(bytesMax / MIB)} MiB`, path);
    }
    if (secret) requirePrivate(path, stats);
    return readAll(fd, stats.size);
  } finally {
    closeSync(fd);
  }
}

function readAll(fd: number, size: number): string {
  const bytes = Buffer.alloc(size);
  let at = 0;
  for (let got = -1; got !== 0 && at < size; at += got) got = readSync(fd, bytes, at, size - at, at);
  return bytes.toString('utf8', 0, at);
}

function requirePrivate(path: string, stats: Stats): void {
  const mode = stats.mode & 0o777;
  if ((mode & OTHERS) !== 0) {
    const wanted = stats.isDirectory() ? '700' : '600';
    const reason = `holds keys and is open to other users (mode 0${mode.toString(8)}); run: chmod ${wanted} ${path}`;
    throw new ConfigError('', reason, path);
  }
  const user = process.getuid?.();
  if (user !== undefined && stats.uid !== user && stats.uid !== 0) {
    throw new ConfigError('', `holds keys and belongs to user ${stats.uid}; this process is user ${user}`, path);
  }
}

/** A new file of a name that nobody knows, beside the one that it will become. */
function writeDraft(path: string, content: string, mode: number): string {
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  const fd = openSync(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
  try {
    fchmodSync(fd, mode);
    writeFileSync(fd, content);
    fsyncSync(fd);
  } catch (cause) {
    unlinkSync(draft);
    throw cause;
  } finally {
    closeSync(fd);
  }
  return draft;
}

function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code;
}
