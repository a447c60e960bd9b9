// An audit log that only grows: records are chained and signed in batches, off everybody's way, in files that rotate.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { closeSync, constants, openSync, readdirSync, renameSync, rmSync, write, writeFile } from 'node:fs';
import { join } from 'node:path';
import { openAuditKey } from './audit-key.ts';
import { hashOf, headText, keyText, LINE_BYTES_MAX, lineOf, type AuditFields, type AuditHead } from './audit-line.ts';
import { lockAudit, unlockAudit } from './audit-lock.ts';
import { readTail } from './audit-tail.ts';
import type { Clock } from './clock.ts';
import { messageOf } from './error.ts';

export interface AuditLogOptions {
  /** Made when missing; one writer at a time. */
  readonly folder: string;
  readonly clock: Clock;
  /** A file that is larger is followed by another. Default 16 MiB. */
  readonly fileBytesMax?: number;
  /** Older files are deleted, which the log says. Default 64. */
  readonly filesMax?: number;
  /** Records that may wait; more are dropped, counted, and the count written. Default 8192. */
  readonly pendingMax?: number;
  /** Told of each write: counts and seq have changed. */
  onWritten?(): void;
  /** Told when writing fails, and again when it goes on. */
  onFault(reason: string): void;
}

/** What became of records; read at scrape. */
export interface AuditCounts {
  written: number;
  dropped: number;
  writeFailures: number;
}

export const AUDIT_FILE = 'audit.jsonl';
export const HEAD_FILE = 'audit.head';
const FILE_BYTES_MAX = 16 * 1024 * 1024;
const FILES_MAX = 64;
const PENDING_MAX = 8192;
/** Records of one write, of which the last is signed. */
const BATCH_MAX = 512;
/** Longest wait before a record is written. */
const FLUSH_MS = 100;
const RETRY_MS = 1000;

const OPEN_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

interface Pending {
  readonly wallMs: number;
  readonly fields: AuditFields;
}

export class AuditLog {
  readonly counts: AuditCounts = { written: 0, dropped: 0, writeFailures: 0 };
  readonly #options: AuditLogOptions;
  readonly #key: KeyObject;
  readonly #path: string;
  #fd: number;
  #fileBytes: number;
  #seq: number;
  #hash: string;
  #pending: Pending[] = [];
  #batch: Buffer | undefined = undefined;
  #batchSent = 0;
  #batchRecords = 0;
  #dropped = 0;
  #isFailing = false;
  #timer: NodeJS.Timeout | undefined = undefined;
  #closing: (() => void) | undefined = undefined;
  #isClosed = false;

  private constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#key = openAuditKey(options.folder);
    lockAudit(options.folder);
    this.#path = join(options.folder, AUDIT_FILE);
    const files = auditFiles(options.folder).map((name) => join(options.folder, name));
    const tail = readTail(this.#path, files, join(options.folder, HEAD_FILE), createPublicKey(this.#key));
    this.#seq = tail.seq;
    this.#hash = tail.hash;
    this.#fileBytes = tail.bytes;
    this.#fd = openSync(this.#path, OPEN_FLAGS, 0o600);
    this.append({ type: 'opened', key: keyText(this.#key), pid: process.pid, ...tail.said });
  }

  /** Throws when the folder or the file cannot be had. */
  static open(options: AuditLogOptions): AuditLog {
    return new AuditLog(options);
  }

  /** Number of the latest line that is in the file. */
  get seq(): number {
    return this.#seq;
  }

  get publicKey(): KeyObject {
    return createPublicKey(this.#key);
  }

  /** False when it finds no room: then it is not written, and that is counted. */
  append(fields: AuditFields): boolean {
    if (this.#isClosed || this.#pending.length >= (this.#options.pendingMax ?? PENDING_MAX)) {
      this.drop(1);
      return false;
    }
    this.#pending.push({ wallMs: this.#options.clock.wallMs(), fields });
    this.#wait(FLUSH_MS);
    return true;
  }

  /** Records that somebody before this has dropped. */
  drop(records: number): void {
    this.#dropped += records;
    this.counts.dropped += records;
    this.#wait(FLUSH_MS);
  }

  /** Writes all that waits, says that it ends, and closes. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.append({ type: 'closed' });
    this.#isClosed = true;
    await new Promise<void>((resolve) => {
      this.#closing = resolve;
      this.#flush();
    });
    closeSync(this.#fd);
    unlockAudit(this.#options.folder);
  }

  #wait(ms: number): void {
    if (this.#timer !== undefined || this.#batch !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => this.#flush(), ms);
    this.#timer.unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#batch !== undefined && !this.#isFailing) return;
    this.#batch ??= this.#nextBatch();
    if (this.#batch === undefined) {
      this.#closing?.();
      return;
    }
    this.#send(this.#batch);
  }

  /** The records that wait as lines, the last of them signed; undefined when there are none. */
  #nextBatch(): Buffer | undefined {
    if (this.#dropped > 0) {
      this.#pending.push({ wallMs: this.#options.clock.wallMs(), fields: { type: 'dropped', count: this.#dropped } });
      this.#dropped = 0;
    }
    if (this.#pending.length === 0) return undefined;
    if (this.#fileBytes >= (this.#options.fileBytesMax ?? FILE_BYTES_MAX)) this.#rotate();
    const records = this.#pending.splice(0, BATCH_MAX);
    this.#batchRecords = records.length;
    this.#batchSent = 0;
    return Buffer.from(records.map((record, at) => this.#line(record, at === records.length - 1)).join(''));
  }

  #line({ fields, wallMs }: Pending, isLast: boolean): string {
    this.#seq++;
    const place = { seq: this.#seq, prev: this.#hash, time: new Date(wallMs).toISOString() };
    const line = this.#text(fields, place, isLast ? this.#key : undefined);
    this.#hash = hashOf(line);
    return `${line}\n`;
  }

  /** A record that is no JSON, or too long, is told of by its type. */
  #text(fields: AuditFields, place: { seq: number; prev: string; time: string }, key: KeyObject | undefined): string {
    try {
      const line = lineOf({ ...fields, ...place }, key);
      if (line.length <= LINE_BYTES_MAX / 4) return line;
    } catch {
      // Told of below.
    }
    return lineOf({ type: fields.type, unwritable: true, ...place }, key);
  }

  #send(batch: Buffer): void {
    const sent = this.#batchSent;
    write(this.#fd, batch, sent, batch.length - sent, null, (error, bytes) => this.#onWritten(error, bytes));
  }

  /** What could not be written is tried again: the chain has no other way on. */
  #onWritten(error: NodeJS.ErrnoException | null, bytes: number): void {
    const batch = this.#batch!;
    if (error !== null) {
      this.#fail(messageOf(error));
      return;
    }
    if (this.#isFailing) this.#options.onFault('writing goes on');
    this.#isFailing = false;
    this.#batchSent += bytes;
    this.#fileBytes += bytes;
    if (this.#batchSent < batch.length) {
      this.#send(batch);
      return;
    }
    this.counts.written += this.#batchRecords;
    this.#writeHead(() => {
      this.#options.onWritten?.();
      this.#next();
    });
  }

  #fail(reason: string): void {
    this.counts.writeFailures++;
    if (!this.#isFailing) this.#options.onFault(`cannot be written: ${reason}`);
    this.#isFailing = true;
    if (this.#closing === undefined) this.#timer = setTimeout(() => this.#flush(), RETRY_MS).unref();
    else this.#closing();
  }

  #next(): void {
    this.#batch = undefined;
    if (this.#closing !== undefined) this.#flush();
    else if (this.#pending.length >= BATCH_MAX) this.#wait(0);
    else if (this.#pending.length > 0 || this.#dropped > 0) this.#wait(FLUSH_MS);
  }

  #writeHead(done: () => void): void {
    const { folder } = this.#options;
    const draft = join(folder, `${HEAD_FILE}.new`);
    writeFile(draft, this.#headText(), { mode: 0o600 }, (error) => {
      try {
        if (error !== null) throw error;
        renameSync(draft, join(folder, HEAD_FILE));
      } catch (cause) {
        this.counts.writeFailures++;
        this.#options.onFault(`its head cannot be written: ${messageOf(cause)}`);
      }
      done();
    });
  }

  #headText(): string {
    const head: AuditHead = { seq: this.#seq, hash: this.#hash, file: AUDIT_FILE };
    return headText(head, this.#key);
  }

  /** The file before ends with a signed line; the next one begins with the key. */
  #rotate(): void {
    const { folder, clock, filesMax = FILES_MAX } = this.#options;
    const name = `audit-${String(this.#seq).padStart(12, '0')}.jsonl`;
    try {
      renameSync(this.#path, join(folder, name));
      const before = this.#fd;
      this.#fd = openSync(this.#path, OPEN_FLAGS, 0o600);
      closeSync(before);
    } catch (cause) {
      this.#options.onFault(`goes on in the same file: ${messageOf(cause)}`);
      return;
    }
    this.#fileBytes = 0;
    const old = auditFiles(folder).slice(0, -1);
    const deleted = old.slice(0, Math.max(0, old.length - filesMax));
    for (const file of deleted) rmSync(join(folder, file), { force: true });
    const fields = { type: 'continued', from: name, key: keyText(this.#key), ...(deleted.length > 0 && { deleted }) };
    this.#pending.unshift({ wallMs: clock.wallMs(), fields });
  }
}

/** Names of the log's files, oldest first. */
export function auditFiles(folder: string): string[] {
  const names = readdirSync(folder);
  const rotated = names.filter((name) => /^audit-[0-9]{12}\.jsonl$/.test(name)).sort();
  return names.includes(AUDIT_FILE) ? [...rotated, AUDIT_FILE] : rotated;
}
