// The authority's folder while it is in use: read again when its files change, so that a rotation needs no restart.
import { statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../proxy/base/clock.ts';
import { messageOf } from '../proxy/base/error.ts';
import { Timer } from '../proxy/base/timers.ts';
import type { TimerTarget, TimerWheel } from '../proxy/base/timers.ts';
import { StoreFile } from './issuer.ts';
import { issuerFolder, openStore } from './store.ts';
import type { CaStore, StoreOptions } from './store.ts';

export interface LiveStoreOptions extends StoreOptions {
  readonly wheel: TimerWheel;
  /** The folder holds something that cannot be used; what was read before stays. Told once for each new reason. */
  readonly onFailure: (reason: string) => void;
}

/** Files are looked at this often where the system does not tell of changes. */
const POLL_MS = 5000;

/** After a change the others of the same step are waited for. */
const SETTLE_MS = 50;

export class LiveStore implements TimerTarget {
  readonly #options: LiveStoreOptions;
  readonly #timer: Timer;
  readonly #listeners: ((store: CaStore) => void)[] = [];
  readonly #watcher: FSWatcher | undefined;
  #current: CaStore;
  #seen: string;
  #lastFailure = '';

  /** Throws as openStore does. */
  constructor(options: LiveStoreOptions) {
    this.#options = options;
    this.#current = openStore(options);
    this.#seen = this.#signature();
    this.#timer = new Timer(options.wheel, this);
    this.#watcher = watcherOf(options.dir, () => this.#timer.arm(SETTLE_MS));
    this.#timer.arm(POLL_MS);
  }

  get current(): CaStore {
    return this.#current;
  }

  /** Called with each new state, in the order of subscription. */
  subscribe(listener: (store: CaStore) => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#timer.cancel();
    this.#watcher?.close();
  }

  onTimer(): void {
    this.#timer.arm(POLL_MS);
    const signature = this.#signature();
    if (signature === this.#seen) return;
    try {
      const { trustDomain } = this.#current;
      const clock = this.#options.clock ?? systemClock;
      const store = openStore({ ...this.#options, trustDomain, clock });
      this.#seen = signature;
      this.#lastFailure = '';
      this.#current = store;
      for (const listener of this.#listeners) listener(store);
    } catch (cause) {
      // Half of a change may be there: it is tried again, and told when it stays.
      this.#timer.arm(POLL_MS / 10);
      const reason = messageOf(cause);
      if (reason !== this.#lastFailure) this.#options.onFailure(reason);
      this.#lastFailure = reason;
    }
  }

  #signature(): string {
    const { dir } = this.#options;
    const names = [StoreFile.roots, StoreFile.issuer, StoreFile.issuers];
    const own = [StoreFile.key, StoreFile.certificate, StoreFile.chain];
    let folder = dir;
    try {
      folder = issuerFolder(dir);
    } catch {
      // The change of `issuer` itself is seen.
    }
    return [...names.map((name) => join(dir, name)), ...own.map((name) => join(folder, name))].map(stamp).join();
  }
}

function stamp(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? '-' : `${stats.ino}.${stats.mtimeNs}.${stats.size}`;
}

function watcherOf(dir: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(dir, { persistent: false }, onChange);
    watcher.on('error', () => watcher.close()); // polling goes on
    return watcher;
  } catch {
    return undefined;
  }
}
