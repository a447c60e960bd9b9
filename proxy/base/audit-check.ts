// Reads an audit log as somebody who trusts nothing but its key: finds what was altered, removed, moved or added.
import { isUtf8 } from 'node:buffer';
import type { KeyObject } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import {
  CHAIN_START, hashOf, isSignedLine, keyOfText, LINE_BYTES_MAX, readLine, type AuditHead, type AuditRecord,
} from './audit-line.ts';
import type { Json } from './canonical-json.ts';

export interface AuditProblem {
  readonly file: string;
  /** From 1; 0 where it is about the whole. */
  readonly line: number;
  readonly reason: string;
}

/** What was found; with problems the log is not what was written. */
export interface AuditReport {
  readonly problems: readonly AuditProblem[];
  /** True, but no fault of the log's: crashes, and what cannot be known. */
  readonly notes: readonly AuditProblem[];
  readonly lines: number;
  readonly first: AuditRecord | undefined;
  readonly last: AuditRecord | undefined;
  /** The key that signed; the log's own word for it, unless one was given. */
  readonly key: KeyObject | undefined;
}

export interface AuditCheckOptions {
  /** Whom to believe; absent: the key that the first line names. */
  readonly key?: KeyObject | undefined;
  /** All files of the log are read, but for those that it says it has deleted. Default true. */
  readonly isWhole?: boolean;
  /** Each record in its place, problems or not. */
  onRecord?(record: AuditRecord, file: string, line: number): void;
}

/** More are counted only. */
const PROBLEMS_MAX = 1000;

export class AuditCheck {
  readonly #problems: AuditProblem[] = [];
  readonly #notes: AuditProblem[] = [];
  readonly #onRecord: AuditCheckOptions['onRecord'];
  readonly #isWhole: boolean;
  readonly #deleted = new Set<unknown>();
  #key: KeyObject | undefined;
  #file = '';
  #firstFile = '';
  #line = 0;
  #lines = 0;
  #seq: number | undefined = undefined;
  #hash = CHAIN_START;
  #first: AuditRecord | undefined = undefined;
  #last: AuditRecord | undefined = undefined;
  /** Where the lines begin that no signature covers yet. */
  #unsignedFrom = 0;
  #headAt: AuditHead | undefined = undefined;
  #headSeen = false;

  constructor({ key, onRecord, isWhole = true }: AuditCheckOptions = {}) {
    this.#isWhole = isWhole;
    this.#key = key;
    this.#onRecord = onRecord;
  }

  /** Of the folder, read before its files: it is looked for on the way. */
  expect(head: AuditHead): void {
    this.#headAt = head;
  }

  /** Files in their order. Throws the system's error where one cannot be read. */
  read(file: string): void {
    if (this.#file === '') this.#firstFile = file;
    this.#file = file;
    this.#line = 0;
    const rest = eachLine(file, (line) => this.take(line));
    if (rest > 0) {
      this.#line++;
      this.#problem(`is cut off: ${rest} bytes without an end of line`);
    }
  }

  take(bytes: Buffer): void {
    this.#line++;
    this.#lines++;
    const line = bytes.toString('utf8');
    // Bytes that are no text would all read the same.
    const record = isUtf8(bytes) ? readLine(line) : 'is no text';
    if (typeof record === 'string') {
      this.#problem(`was altered: it ${record}`);
      this.#seq = this.#seq === undefined ? undefined : this.#seq + 1;
      this.#hash = '';
      return;
    }
    this.#place(record);
    this.#judge(record);
    this.#seq = record.seq;
    this.#hash = hashOf(line);
    this.#first ??= record;
    this.#last = record;
    if (this.#headAt !== undefined && record.seq === this.#headAt.seq) {
      this.#headSeen = true;
      if (this.#hash !== this.#headAt.hash) this.#problem('is not the line that the head names');
    }
    this.#onRecord?.(record, this.#file, this.#line);
  }

  end(): AuditReport {
    if (this.#unsignedFrom > 0) {
      this.#problems.push({ file: this.#file, line: this.#unsignedFrom,
        reason: 'and what follows is not signed: lines were cut off, or its writer was ended while it wrote' });
    }
    this.#judgeStart();
    this.#judgeHead();
    return {
      problems: this.#problems, notes: this.#notes, lines: this.#lines, first: this.#first, last: this.#last,
      key: this.#key,
    };
  }

  /** Whether it follows what came before. */
  #place({ seq, prev }: AuditRecord): void {
    if (this.#seq === undefined) {
      if (seq === 1 && prev !== CHAIN_START) this.#problem('was altered: the first line has nothing before it');
      return;
    }
    const expected = this.#seq + 1;
    if (seq > expected) {
      this.#problem(`lines ${expected} to ${seq - 1} of the log are missing before it`);
    } else if (seq < expected) this.#problem(`is out of place or there twice: it is line ${seq} after ${this.#seq}`);
    else if (this.#hash !== '' && prev !== this.#hash) {
      this.#problem(`does not follow from the line before it: one of the two was altered (line ${seq} of the log)`);
    }
  }

  #judge(record: AuditRecord): void {
    const isWriters = record.type === 'opened' || record.type === 'continued';
    if (isWriters && typeof record['key'] === 'string') this.#learnKey(record['key']);
    if (record.sig === undefined) {
      if (this.#unsignedFrom === 0) this.#unsignedFrom = this.#line;
    } else {
      if (this.#key === undefined || !isSignedLine(record, this.#key)) {
        this.#problem('has a signature that is not of the log\'s key');
      }
      this.#unsignedFrom = 0;
    }
    if (record.type === 'dropped') this.#note(`${text(record['count'])} records found no room and were dropped`);
    if (isWriters) this.#tell(record);
  }

  #learnKey(text: string): void {
    const key = keyOfText(text);
    if (key === undefined) this.#problem('names a key that is none');
    else if (this.#key === undefined) this.#key = key;
    else if (!this.#key.equals(key)) this.#problem('names another key than the log\'s');
  }

  /** What the writer itself has found. */
  #tell({ cutBytes, unclean, deleted, lostFrom, lostTo }: AuditRecord): void {
    if (lostFrom !== undefined) this.#problem(`says that lines ${text(lostFrom)} to ${text(lostTo)} were gone`);
    if (cutBytes !== undefined) this.#note(`the writer had ended while it wrote: ${text(cutBytes)} bytes were cut off`);
    else if (unclean === true) this.#note('the writer had ended without a word before this');
    if (Array.isArray(deleted)) for (const name of deleted) this.#deleted.add(name);
    if (Array.isArray(deleted)) this.#note(`older files were deleted: ${deleted.join(', ')}`);
  }

  /** A log begins with its first line, or where the files before were deleted or are elsewhere. */
  #judgeStart(): void {
    const first = this.#first;
    if (first === undefined || first.seq === 1) return;
    const isStart = first.type === 'continued' && (!this.#isWhole || this.#deleted.has(first['from']));
    const at = { file: this.#firstFile, line: 1 };
    if (isStart) {
      this.#notes.push({ ...at, reason: `begins with line ${first.seq} of the log: those before are not here` });
    } else this.#problems.push({ ...at, reason: `lines 1 to ${first.seq - 1} of the log are missing before it` });
  }

  #judgeHead(): void {
    const head = this.#headAt;
    if (head === undefined || this.#headSeen) return;
    const last = this.#last?.seq ?? 0;
    if (head.seq > last) {
      this.#problem(`lines ${last + 1} to ${head.seq} of the log are missing at its end: its head names them`);
    }
  }

  #problem(reason: string): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ file: this.#file, line: this.#line, reason });
  }

  #note(reason: string): void {
    if (this.#notes.length < PROBLEMS_MAX) this.#notes.push({ file: this.#file, line: this.#line, reason });
  }
}

/** A number, in what the writer says itself. */
function text(value: Json | undefined): string {
  return typeof value === 'number' ? String(value) : '?';
}

/** Bytes after the last end of line. A line that is too long is given cut, and so is no record. */
function eachLine(file: string, take: (line: Buffer) => void): number {
  const fd = openSync(file, 'r');
  const chunk = Buffer.alloc(LINE_BYTES_MAX);
  let rest = Buffer.alloc(0);
  try {
    for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk)) {
      rest = Buffer.concat([rest, chunk.subarray(0, read)]);
      let start = 0;
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, start)) {
        take(rest.subarray(start, end));
        start = end + 1;
      }
      rest = rest.subarray(start);
      if (rest.length > 2 * LINE_BYTES_MAX) rest = rest.subarray(rest.length - LINE_BYTES_MAX);
    }
  } finally {
    closeSync(fd);
  }
  return rest.length;
}
