// Objects from a folder of YAML and JSON files, watched: system events for speed, looking every second for certainty.
import { watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../proxy/base/clock.ts';
import { ConfigError, messageOf } from '../../proxy/base/error.ts';
import { Debounce } from './debounce.ts';
import { readStable, scanFolder, type SeenFile, type SeenFolder } from './file-scan.ts';
import { FileSet } from './file-set.ts';
import type { Source, SourceState } from './source.ts';

export interface FileSourceOptions {
  readonly folder: string;
  readonly clock: Clock;
  /** How often the folder is looked at whatever the system says. Default 1 s. */
  readonly pollMs?: number;
  /** Quiet time after an event before the folder is read, and the longest wait. Defaults 100 ms and 1 s. */
  readonly quietMs?: number;
  readonly waitMaxMs?: number;
}

/** A file may be written to twice within one tick of the file system's clock: such fresh ones are looked at again. */
const FRESH_MS = 100;

export class FileSource implements Source {
  readonly name: string;
  readonly #options: FileSourceOptions;
  readonly #set = new FileSet();
  /** Of each file, as it was read last. */
  readonly #read = new Map<string, { readonly stamp: string; readonly digest: string }>();
  readonly #emptied = new Set<string>();
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #debounce: Debounce;
  #poll: NodeJS.Timeout | undefined = undefined;
  #onChange: ((state: SourceState) => void) | undefined = undefined;
  #scanning: Promise<void> = Promise.resolve();
  #folderFault: string | undefined = undefined;
  #closed = false;

  constructor(options: FileSourceOptions) {
    this.name = options.folder;
    this.#options = options;
    this.#debounce = new Debounce(options.quietMs ?? 100, options.waitMaxMs ?? 1000, () => this.#rescan());
  }

  async start(onChange: (state: SourceState) => void): Promise<SourceState> {
    try {
      await this.#scan();
    } catch (cause) {
      throw new ConfigError('', folderFault(cause), this.#options.folder);
    }
    this.#onChange = onChange;
    this.#poll = setInterval(() => this.#rescan(), this.#options.pollMs ?? 1000);
    return this.#state();
  }

  close(): void {
    this.#closed = true;
    this.#debounce.cancel();
    clearInterval(this.#poll);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** One look at a time; a folder that cannot be read keeps everything as it was. */
  #rescan(): void {
    this.#scanning = this.#scanning.then(async () => {
      if (this.#closed) return;
      const before = this.#folderFault;
      try {
        const changed = await this.#scan();
        this.#folderFault = undefined;
        if (changed || before !== undefined) this.#tell();
      } catch (cause) {
        this.#folderFault = folderFault(cause);
        if (before !== this.#folderFault) this.#tell();
      }
    });
  }

  #tell(): void {
    if (!this.#closed) this.#onChange?.(this.#state());
  }

  #state(): SourceState {
    const state = this.#set.state();
    if (this.#folderFault === undefined) return state;
    const { folder, clock } = this.#options;
    const errors = [{ where: folder, object: '', path: '', reason: this.#folderFault }];
    const refused = { file: folder, sinceMs: clock.wallMs(), errors, servedObjects: state.objects.length };
    return { ...state, refused: [refused, ...state.refused] };
  }

  /** Whether anything is different now. */
  async #scan(): Promise<boolean> {
    const seen = await scanFolder(this.#options.folder);
    this.#watchFolders(seen);
    const names = new Set(seen.files.map(({ file }) => file));
    let changed = false;
    for (const file of [...this.#set.files]) {
      if (names.has(file)) continue;
      this.#set.remove(file);
      this.#read.delete(file);
      changed = true;
    }
    for (const file of seen.files) if (await this.#take(file)) changed = true;
    if (changed) this.#set.judge(this.#options.clock.wallMs());
    return changed;
  }

  /** Reads a file that looks different; whether its content is. */
  async #take(seen: SeenFile): Promise<boolean> {
    const last = this.#read.get(seen.file);
    if (last?.stamp === seen.stamp) return false;
    const content = await readStable(this.#options.folder, seen);
    if (content === undefined || this.#isHalfWritten(seen)) {
      this.#debounce.touch();
      return false;
    }
    const isFresh = this.#options.clock.wallMs() - seen.modifiedMs < FRESH_MS;
    if (isFresh) this.#debounce.touch();
    this.#read.set(seen.file, { stamp: isFresh ? '' : seen.stamp, digest: content.digest });
    if (last?.digest === content.digest) return false;
    this.#set.put(seen.file, content.text);
    return true;
  }

  /** A file that served objects and is empty now is most likely about to be written: it gets one more look (F28). */
  #isHalfWritten(seen: SeenFile): boolean {
    if (seen.bytes > 0 || this.#set.servedBy(seen.file) === 0 || this.#emptied.has(seen.file)) {
      this.#emptied.delete(seen.file);
      return false;
    }
    this.#emptied.add(seen.file);
    return true;
  }

  /** Events may be lost or unavailable (network file systems): the poll is what can be relied on. */
  #watchFolders({ folders }: SeenFolder): void {
    const wanted = new Set(['', ...folders]);
    for (const [name, watcher] of this.#watchers) {
      if (wanted.has(name)) continue;
      watcher.close();
      this.#watchers.delete(name);
    }
    for (const name of wanted) if (!this.#watchers.has(name)) this.#watch(name);
  }

  #watch(name: string): void {
    if (this.#closed) return;
    try {
      const watcher = watch(join(this.#options.folder, name), { persistent: false }, () => this.#debounce.touch());
      watcher.on('error', () => this.#unwatch(name, watcher));
      this.#watchers.set(name, watcher);
    } catch {
      // No watcher to be had: the poll sees it.
    }
  }

  #unwatch(name: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watchers.get(name) === watcher) this.#watchers.delete(name);
  }
}

function folderFault(cause: unknown): string {
  if (cause instanceof ConfigError) return cause.reason;
  const code = cause instanceof Error && 'code' in cause ? cause.code : '';
  if (code === 'ENOENT') return 'there is no such folder';
  if (code === 'ENOTDIR') return 'is not a folder';
  if (code === 'EACCES') return 'may not be read by this user';
  return `cannot be read: ${messageOf(cause)}`;
}
