// Looks at a folder: which configuration files there are, and whether one has changed since it was read.
import { hash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../../proxy/base/error.ts';
import { LIMITS } from '../../proxy/config/limits.ts';
import { parseYaml, type YamlText } from '../../proxy/config/yaml-file.ts';

/** More than this in one folder is a mistake in --config. */
export const FILES_MAX = 10_000;

/** A file as it lies there; `stamp` changes whenever it is written or replaced. */
export interface SeenFile {
  /** Relative to the folder, with `/`. */
  readonly file: string;
  readonly stamp: string;
  readonly modifiedMs: number;
  readonly bytes: number;
}

/** The folder's files and those of its subfolders, by name; and the subfolders. */
export interface SeenFolder {
  readonly files: readonly SeenFile[];
  readonly folders: readonly string[];
}

const NAMES = /\.(ya?ml|json)$/;

/** Names with a leading dot are left out: editors' and Kubernetes' (`..data`) own. */
export async function scanFolder(folder: string): Promise<SeenFolder> {
  const files: SeenFile[] = [];
  const folders: string[] = [];
  for (const name of await visibleNames(folder)) {
    const seen = await look(folder, name);
    if (seen === undefined) continue;
    if (seen !== 'folder') {
      files.push(seen);
      continue;
    }
    folders.push(name);
    for (const inner of await visibleNames(join(folder, name))) {
      const file = await look(folder, `${name}/${inner}`);
      if (file !== undefined && file !== 'folder') files.push(file);
    }
  }
  if (files.length > FILES_MAX) throw new ConfigError('', `has more than ${FILES_MAX} files`, folder);
  return { files: files.sort((a, b) => (a.file < b.file ? -1 : 1)), folders };
}

/** A file's content, and a digest by which an equal one is known. */
export interface ReadFile {
  readonly text: YamlText;
  readonly digest: string;
}

/** Reads and parses a file; undefined when it was written to meanwhile, or is gone: the next look decides. */
export async function readStable(folder: string, seen: SeenFile): Promise<ReadFile | undefined> {
  if (seen.bytes > LIMITS.configBytesMax) return fault(seen, `is larger than ${LIMITS.configBytesMax} bytes`);
  try {
    const bytes = await readFile(join(folder, seen.file));
    const after = await look(folder, seen.file);
    if (after === undefined || after === 'folder' || after.stamp !== seen.stamp) return undefined;
    const text = parseYaml(new TextDecoder('utf-8', { fatal: true }).decode(bytes), seen.file);
    return { text, digest: hash('sha256', bytes) };
  } catch (cause) {
    if (isGone(cause)) return undefined;
    const isText = !(cause instanceof TypeError);
    return fault(seen, isText ? `cannot be read: ${messageOf(cause)}` : 'is not UTF-8 text');
  }
}

function fault(seen: SeenFile, reason: string): ReadFile {
  return { text: { documents: [], errors: [new ConfigError('', reason, seen.file)] }, digest: reason };
}

async function visibleNames(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => !name.startsWith('.')).sort();
}

/** Follows links, so that a flipped one is a changed file. */
async function look(folder: string, name: string): Promise<SeenFile | 'folder' | undefined> {
  try {
    const found = await stat(join(folder, name), { bigint: true });
    if (found.isDirectory()) return 'folder';
    if (!found.isFile() || !NAMES.test(name)) return undefined;
    const stamp = `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`;
    return { file: name, stamp, modifiedMs: Number(found.mtimeMs), bytes: Number(found.size) };
  } catch (cause) {
    if (isGone(cause)) return undefined;
    throw cause;
  }
}

function isGone(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : '';
  return code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR';
}
