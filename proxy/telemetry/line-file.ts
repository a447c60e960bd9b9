// An append-only file of lines, written in batches: whatever happens to it, its writer is never held up.
import { closeSync, constants, openSync, write, writeSync } from 'node:fs';
import { messageOf } from '../base/error.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import { LineBuffer } from './line-buffer.ts';

/** What became of lines; counters of the owner. */
export interface LineFileCounts {
  /** Lines that found the buffer full, or were in a batch that could not be written. */
  dropped(lines: number): void;
  /** A batch failed; told for each one. */
  writeFailed(reason: string): void;
}

export interface LineFileOptions {
  readonly timers: TimerWheel;
  readonly counts: LineFileCounts;
  /** Longest time that a line waits; 0 writes as soon as nothing is being written. */
  readonly flushMs: number;
}

/** Bytes that make a batch at once. */
const BATCH_BYTES = 64 * 1024;
/** Bytes that may wait while a batch is being written; more are dropped. */
export const BUFFER_BYTES_MAX = 1024 * 1024;
/** A pipe that is full, or a file that cannot be opened, is tried again after this. */
const RETRY_MS = 1000;

const STANDARD: ReadonlyMap<string, number> = new Map([['/dev/stdout', 1], ['/dev/stderr', 2]]);

/** O_NONBLOCK: a named pipe without a reader must not hold the thread. */
const OPEN_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;


/** Prints one line, with its line break. */
export interface LineSource<T> {
  writeTo(line: LineBuffer, from: T): void;
}

/** At most one write is under way. */
export class LineFile implements TimerTarget {
  readonly path: string;
  readonly #counts: LineFileCounts;
  readonly #flushMs: number;
  readonly #timer: Timer;
  #fd: number;
  readonly #text = new LineBuffer();
  #lines = 0;
  #batch: Buffer | undefined = undefined;
  #batchLines = 0;
  #batchSent = 0;
  #writing = false;
  #reopenWanted = false;
  #onClosed: (() => void) | undefined = undefined;

  /** Throws the system's error when the file cannot be opened. */
  constructor(path: string, options: LineFileOptions) {
    this.path = path;
    this.#counts = options.counts;
    this.#flushMs = options.flushMs;
    this.#timer = new Timer(options.timers, this);
    this.#fd = open(path);
  }

  /** Bytes that wait, without the batch that is being written. */
  get bufferedBytes(): number {
    return this.#text.length;
  }

  write<T>(format: LineSource<T>, from: T): void {
    const text = this.#text;
    const before = text.length;
    if (this.#onClosed === undefined) format.writeTo(text, from);
    if (text.length > BUFFER_BYTES_MAX || this.#onClosed !== undefined) {
      text.cutTo(before);
      this.#counts.dropped(1);
      return;
    }
    this.#lines++;
    if (this.#writing) return;
    if (this.#flushMs === 0 || this.#text.length >= BATCH_BYTES) this.#flush();
    else if (!this.#timer.armed) this.#timer.arm(this.#flushMs);
  }

  onTimer(): void {
    this.#flush();
  }

  /** Opens the path again (log rotation); what was written before stays in the old file. */
  reopen(): void {
    this.#reopenWanted = true;
    if (!this.#writing) this.#flush();
  }

  /** Writes what waits and closes; `done` is called once. Lines that come later are dropped. */
  close(done: () => void): void {
    if (this.#onClosed !== undefined) return;
    this.#onClosed = done;
    this.#timer.cancel();
    if (!this.#writing) this.#finish();
  }

  #flush(): void {
    this.#timer.cancel();
    if (this.#reopenWanted) this.#openAgain();
    if (this.#batch === undefined) {
      if (this.#lines === 0) return;
      this.#batch = this.#text.take();
      this.#batchLines = this.#lines;
      this.#batchSent = 0;
      this.#lines = 0;
    }
    this.#send(this.#batch);
  }

  #send(batch: Buffer): void {
    this.#writing = true;
    const sent = this.#batchSent;
    write(this.#fd, batch, sent, batch.length - sent, null, (error, bytes) => this.#onWritten(error, bytes));
  }

  #onWritten(error: NodeJS.ErrnoException | null, bytes: number): void {
    this.#writing = false;
    const batch = this.#batch;
    if (error !== null) {
      if (error.code === 'EAGAIN') this.#retryLater();
      else this.#fail(messageOf(error));
      return;
    }
    this.#batchSent += bytes;
    if (batch !== undefined && this.#batchSent < batch.length) {
      this.#send(batch);
      return;
    }
    this.#batch = undefined;
    this.#next();
  }

  /** The batch is lost; the next one may fare better (a full disk is emptied, a directory comes back). */
  #fail(reason: string): void {
    this.#counts.writeFailed(reason);
    this.#counts.dropped(this.#batchLines);
    this.#batch = undefined;
    if (this.#onClosed !== undefined) this.#finish();
    else if (this.#lines > 0) this.#timer.arm(RETRY_MS);
  }

  #retryLater(): void {
    if (this.#onClosed !== undefined) this.#finish();
    else this.#timer.arm(RETRY_MS);
  }

  #next(): void {
    const full = this.#flushMs === 0 || this.#text.length >= BATCH_BYTES;
    if (this.#onClosed !== undefined) this.#finish();
    else if (this.#reopenWanted || (full && this.#lines > 0)) this.#flush();
    else if (this.#lines > 0) this.#timer.arm(this.#flushMs);
  }

  #openAgain(): void {
    this.#reopenWanted = false;
    const old = this.#fd;
    try {
      this.#fd = open(this.path);
    } catch (cause) {
      this.#counts.writeFailed(messageOf(cause));
      this.#reopenWanted = true;
      return;
    }
    if (!STANDARD.has(this.path)) closeSync(old);
  }

  /** The last batch is written here and now, because the thread is about to end. */
  #finish(): void {
    const begun = this.#batch?.subarray(this.#batchSent) ?? Buffer.alloc(0);
    const rest = Buffer.concat([begun, this.#text.take()]);
    const lines = this.#lines + (this.#batch === undefined ? 0 : this.#batchLines);
    this.#batch = undefined;
    this.#lines = 0;
    if (rest.length > 0 && !writeWhole(this.#fd, rest)) this.#counts.dropped(lines);
    if (!STANDARD.has(this.path)) closeSync(this.#fd);
    this.#onClosed?.();
  }
}

function open(path: string): number {
  return STANDARD.get(path) ?? openSync(path, OPEN_FLAGS, 0o644);
}

function writeWhole(fd: number, bytes: Buffer): boolean {
  try {
    for (let sent = 0; sent < bytes.length;) sent += writeSync(fd, bytes, sent);
    return true;
  } catch {
    return false;
  }
}
