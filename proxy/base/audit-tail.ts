// Where an audit log goes on after its writer has ended, in order or not: at its last signed line.
import type { KeyObject } from 'node:crypto';
import { readFileSync, truncateSync } from 'node:fs';
import { CHAIN_START, hashOf, isSignedLine, readHead, readLine } from './audit-line.ts';
import type { AuditRecord } from './audit-line.ts';
import type { Json } from './canonical-json.ts';

export interface AuditTail {
  readonly seq: number;
  readonly hash: string;
  /** Size of the file that goes on. */
  readonly bytes: number;
  /** What the first record says about it. */
  readonly said: { readonly [name: string]: Json };
}

/** Cuts off what was never signed: a crash leaves it so. What is missing before that is said, and stays missing. */
export function readTail(path: string, files: readonly string[], headPath: string, key: KeyObject): AuditTail {
  const text = textOf(path);
  const head = readHead(textOf(headPath), key);
  const own = lastSigned(text, key);
  const before = files.filter((file) => file !== path).at(-1);
  // A file that has just begun has its beginning in the one before.
  const last = own ?? (before === undefined ? undefined : lastSigned(textOf(before), key));
  const bytes = own === undefined ? 0 : Buffer.byteLength(text.slice(0, own.end));
  const cut = Buffer.byteLength(text) - bytes;
  if (cut > 0) truncateSync(path, bytes);
  const lost = head !== undefined && head.seq > (last?.record.seq ?? 0);
  const seq = lost ? head.seq : last?.record.seq ?? 0;
  const hash = lost ? head.hash : last === undefined ? CHAIN_START : hashOf(last.line);
  return {
    seq, hash, bytes,
    said: {
      ...(cut > 0 && { cutBytes: cut }),
      ...(lost && { lostFrom: (last?.record.seq ?? 0) + 1, lostTo: head.seq }),
      ...(last?.record.type === 'closed' || seq === 0 ? {} : { unclean: true }),
    },
  };
}

interface Signed {
  readonly record: AuditRecord;
  readonly line: string;
  /** Where the text after its line's end begins. */
  readonly end: number;
}

function lastSigned(text: string, key: KeyObject): Signed | undefined {
  let end = text.lastIndexOf('\n');
  while (end >= 0) {
    const start = end === 0 ? 0 : text.lastIndexOf('\n', end - 1) + 1;
    const line = text.slice(start, end);
    const record = readLine(line);
    if (typeof record !== 'string' && isSignedLine(record, key)) return { record, line, end: end + 1 };
    end = start - 1;
  }
  return undefined;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw cause;
  }
}
