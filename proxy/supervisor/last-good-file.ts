// A text in a file that nobody but this proxy can have written: sealed by a key that never leaves its folder.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../base/error.ts';
import { createPrivateFile, privateFolder, readText, replacePrivateFile } from '../base/private-file.ts';

/** What is said about the text. */
export interface SealedHead {
  /** node.id: another proxy's file is none of ours. */
  readonly node: string;
  readonly writtenWallMs: number;
}

export interface Sealed extends SealedHead {
  readonly text: string;
}

/** Of this file's own layout; a proxy that writes another one is not understood, and not guessed at. */
const FORMAT = 1;
const KEY_BYTES = 32;
const KEY_FILE = 'last-good-key';
const FILE = 'last-good';
/** Twice the largest mesh that is measured. */
export const LAST_GOOD_BYTES_MAX = 64 * 1_048_576;

export class LastGoodFile {
  readonly #path: string;
  readonly #key: Buffer;

  /** Makes folder (0700) and key (0600) when they are missing. Throws a ConfigError that names the remedy. */
  constructor(folder: string) {
    privateFolder(folder);
    this.#path = join(folder, FILE);
    this.#key = keyIn(folder);
    // Drafts of a process that was killed while it wrote.
    for (const name of readdirSync(folder)) if (/^last-good\.[0-9a-f]{16}$/.test(name)) rmSync(join(folder, name));
  }

  get path(): string {
    return this.#path;
  }

  /** In one step: whoever reads finds the old or the new. Throws a ConfigError for a text that is too long. */
  write({ text, node, writtenWallMs }: Sealed): void {
    const head = JSON.stringify({ format: FORMAT, node, writtenWallMs });
    const content = `${this.#seal(head, text)}\n${head}\n${text}`;
    if (Buffer.byteLength(content) > LAST_GOOD_BYTES_MAX) throw new ConfigError('', 'is over 64 MiB', this.#path);
    replacePrivateFile(this.#path, content);
  }

  /** Undefined when there is none. Throws a ConfigError for one that is cut, changed, or another proxy's. */
  read(): Sealed | undefined {
    const content = readText(this.#path, true, LAST_GOOD_BYTES_MAX);
    if (content === undefined) return undefined;
    const [seal, head] = content.split('\n', 2);
    if (seal === undefined || head === undefined) throw this.#fault('is cut off');
    const text = content.slice(seal.length + head.length + 2);
    const wanted = Buffer.from(this.#seal(head, text));
    const found = Buffer.from(seal);
    if (wanted.length !== found.length || !timingSafeEqual(wanted, found)) throw this.#fault('was not written so');
    const { format, node, writtenWallMs } = JSON.parse(head) as SealedHead & { readonly format: unknown };
    if (format !== FORMAT) throw this.#fault('was written by another version');
    return { text, node, writtenWallMs };
  }

  #fault(reason: string): ConfigError {
    return new ConfigError('', reason, this.#path);
  }

  #seal(head: string, text: string): string {
    return createHmac('sha256', this.#key).update(`${head}\n`).update(text).digest('hex');
  }
}

function keyIn(folder: string): Buffer {
  const path = join(folder, KEY_FILE);
  createPrivateFile(path, randomBytes(KEY_BYTES).toString('hex'));
  const key = Buffer.from(readText(path, true) ?? '', 'hex');
  if (key.length !== KEY_BYTES) throw new ConfigError('', 'is no key; remove it, and what it sealed is gone', path);
  return key;
}
