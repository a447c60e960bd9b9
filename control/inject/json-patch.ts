// What turns one JSON value into another, as RFC 6902 says it; an API server applies it to the object it has.
import { isRecord } from './pod.ts';

export interface PatchOperation {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: string;
  readonly value?: unknown;
}

/** Objects field by field; a list that differs is replaced, but for entries that are only added at its end. */
export function jsonPatch(before: unknown, after: unknown, path = ''): PatchOperation[] {
  if (before === after) return [];
  if (isRecord(before) && isRecord(after)) return objectPatch(before, after, path);
  if (Array.isArray(before) && Array.isArray(after)) return listPatch(before, after, path);
  return [{ op: 'replace', path, value: after }];
}

function objectPatch(
  before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>, path: string,
): PatchOperation[] {
  const operations: PatchOperation[] = [];
  for (const name of Object.keys(before)) {
    if (!Object.hasOwn(after, name)) operations.push({ op: 'remove', path: below(path, name) });
  }
  for (const [name, value] of Object.entries(after)) {
    if (Object.hasOwn(before, name)) operations.push(...jsonPatch(before[name], value, below(path, name)));
    else operations.push({ op: 'add', path: below(path, name), value });
  }
  return operations;
}

function listPatch(before: readonly unknown[], after: readonly unknown[], path: string): PatchOperation[] {
  const same = before.every((item, i) => i < after.length && jsonPatch(item, after[i]).length === 0);
  if (!same) return [{ op: 'replace', path, value: after }];
  return after.slice(before.length).map((value) => ({ op: 'add', path: `${path}/-`, value }));
}

function below(path: string, name: string): string {
  return `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
