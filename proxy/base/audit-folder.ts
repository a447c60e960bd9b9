// An audit log as it lies in its folder, or as files that somebody brought: checked as a whole.
import type { KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AuditCheck, type AuditCheckOptions, type AuditReport } from './audit-check.ts';
import { AUDIT_FILE, auditFiles, HEAD_FILE } from './audit-log.ts';
import { keyOfText, readHead, readLine } from './audit-line.ts';

/**
 * `paths` are a log's folder, or its files in any order. Throws the system's error for what cannot be read. The head is
 * read before the files: a log that is being written is ahead of it.
 */
export function checkAudit(paths: readonly string[], options: AuditCheckOptions = {}): AuditReport {
  const [first = ''] = paths;
  const isFolder = paths.length === 1 && statSync(first).isDirectory();
  const files = isFolder ? auditFiles(first).map((name) => join(first, name)) : inOrder(paths);
  const newest = files.at(-1);
  const check = new AuditCheck({ ...options, isWhole: isFolder });
  const isEnd = newest !== undefined && basename(newest) === AUDIT_FILE;
  const head = isEnd ? textOf(join(dirname(newest), HEAD_FILE)) : undefined;
  const known = options.key ?? keyIn(files);
  const read = head === undefined || known === undefined ? undefined : readHead(head, known);
  if (read !== undefined) check.expect(read);
  for (const file of files) check.read(file);
  const report = check.end();
  if (files.length === 0) return { ...report, problems: [{ file: first, line: 0, reason: 'holds no audit log' }] };
  if (read !== undefined) return report;
  const at = { file: newest!, line: 0 };
  if (!isEnd) {
    const note = { ...at, reason: 'the log goes on in another file, which is not here' };
    return { ...report, notes: [...report.notes, note] };
  }
  const reason = head === undefined ? `has no ${HEAD_FILE} beside it: whether lines were cut off cannot be told`
    : `has a ${HEAD_FILE} beside it that its key has not signed`;
  return { ...report, problems: [...report.problems, { ...at, reason }] };
}

/** Names of files are their order: the newest is the one that is written. */
function inOrder(paths: readonly string[]): string[] {
  const rank = (path: string): string => (basename(path) === AUDIT_FILE ? '~' : basename(path));
  return [...paths].sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
}

/** The key that the oldest file begins with. */
function keyIn([file]: readonly string[]): KeyObject | undefined {
  if (file === undefined) return undefined;
  const text = textOf(file) ?? '';
  const record = readLine(text.slice(0, text.indexOf('\n')));
  return typeof record === 'string' || typeof record['key'] !== 'string' ? undefined : keyOfText(record['key']);
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
}
