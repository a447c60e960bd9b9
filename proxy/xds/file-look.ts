// What a watched file looks like from outside: which file it is, and whether it or its folder has changed.
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PathConfigSource } from '../config/config-source.ts';

export interface FileLook {
  /** Another one: a file was moved to its place, or something happened in the folder that is watched for it. */
  readonly identity: string;
  /** Another one: it was written to, or is another file. */
  readonly stamp: string;
}

/** Links are followed. Rejects as stat does. */
export async function lookAt({ path, watchedDirectory }: PathConfigSource): Promise<FileLook> {
  const file = await stat(path, { bigint: true });
  const parts = [file.dev, file.ino];
  if (watchedDirectory !== undefined) {
    const folder = await stat(watchedDirectory.path, { bigint: true });
    parts.push(folder.dev, folder.ino, folder.mtimeNs);
  }
  const identity = parts.join(':');
  return { identity, stamp: `${identity}:${file.size}:${file.mtimeNs}` };
}

/** The folder whose events tell of it. */
export function folderOf({ path, watchedDirectory }: PathConfigSource): string {
  return watchedDirectory?.path ?? dirname(path);
}
