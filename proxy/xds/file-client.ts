// A file as a source of resources: read when another one takes its place, and never half (faults.md F28). System events
// tell it at once where there are any; looking every second is what can be relied on.
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/error.ts';
import { readFailureText } from '../base/node-error.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { PathConfigSource } from '../config/config-source.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { folderOf, lookAt } from './file-look.ts';
import type { FileLook } from './file-look.ts';
import type { ResourceClient, ResourceClientState, ResourceOwner } from './resource-client.ts';
import type { DecodedResponse } from './resource-decode.ts';
import type { ResourceFile } from './resource-file.ts';
import { nameOfType } from './resource-type.ts';
import { ResponseIntake } from './response-intake.ts';
import { Subscription } from './subscription.ts';
import type { XdsStats } from './xds-stats.ts';

/** Reads and decodes a file, here or elsewhere; rejects when it cannot be read. */
export type DecodeFile = (type: ResourceType, file: string) => Promise<ResourceFile>;

export interface FileClientOptions {
  readonly type: ResourceType;
  readonly source: PathConfigSource;
  readonly decodeFile: DecodeFile;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: ComponentLog;
  readonly stats: XdsStats;
}

const POLL_MS = 1000;
/** A file is read when it has looked the same for so long: somebody may be writing it where it lies. */
const SETTLE_MS = 100;

/** States: `waiting` while the file cannot be read, `connecting` before it was for the first time. */
export class FileClient implements ResourceClient, TimerTarget {
  readonly #options: FileClientOptions;
  readonly #owner: ResourceOwner;
  readonly #intake: ResponseIntake;
  readonly #timer: Timer;
  #subscription: Subscription;
  #state: ResourceClientState = 'idle';
  #watcher: FSWatcher | undefined = undefined;
  /** As it was read last. */
  #read: FileLook | undefined = undefined;
  /** As it was when it last looked new, and since when. */
  #candidate = '';
  #candidateMs = 0;
  /** Whether what was read last could not be used: then it is read again when it is written to. */
  #isRefused = false;
  #digest = '';
  #file: ResourceFile | undefined = undefined;
  /** What was read is to be applied, when that may be. */
  #isPending = false;
  #fault = '';
  #isLooking = false;
  #isCalled = false;

  constructor(options: FileClientOptions, owner: ResourceOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#intake = new ResponseIntake(options.log, owner);
    this.#timer = new Timer(options.wheel, this);
    this.#subscription = new Subscription(options.type, false);
  }

  get state(): ResourceClientState {
    return this.#state;
  }

  subscribeAll(type: ResourceType): void {
    this.#subscription = new Subscription(type, true);
  }

  subscribe(_type: ResourceType, names: ReadonlySet<string>): void {
    const { added, removed } = this.#subscription.replaceNames(names);
    for (const name of removed) this.#subscription.held.delete(name);
    if (added.length === 0 || this.#file === undefined) return;
    this.#isPending = true;
    this.#look();
  }

  held(): ReadonlyMap<string, string> {
    return this.#subscription.held;
  }

  start(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'connecting';
    this.#look();
  }

  stop(): void {
    this.#state = 'stopped';
    this.#timer.cancel();
    this.#watcher?.close();
  }

  wake(): void {
    if (this.#isPending) this.#look();
  }

  onTimer(): void {
    this.#look();
  }

  /** One look at a time; what happens meanwhile calls for another. */
  #look(): void {
    if (this.#state === 'stopped' || this.#state === 'idle') return;
    this.#isCalled = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#lookOn();
  }

  async #lookOn(): Promise<void> {
    let isSettled = true;
    while (this.#isCalled && this.#state !== 'stopped') {
      this.#isCalled = false;
      this.#watch();
      try {
        isSettled = await this.#once();
        await this.#applyPending();
      } catch (cause) {
        this.#say(`${this.#options.source.path}: ${readFailureText(cause)}`);
      }
    }
    this.#isLooking = false;
    if (this.#state !== 'stopped') this.#timer.arm(isSettled ? POLL_MS : SETTLE_MS);
  }

  /** Reads the file where it is a new one; false when that must wait a moment. */
  async #once(): Promise<boolean> {
    const { source } = this.#options;
    const seen = await this.#seen();
    if (seen === undefined || !this.#isNew(seen)) return true;
    if (this.#state !== 'connecting' && !this.#isSettled(seen)) return false;
    const file = await this.#decode();
    if (file === undefined) return true;
    const after = await lookAt(source);
    if (after.stamp !== seen.stamp) return false;
    this.#read = seen;
    this.#fault = '';
    this.#take(file);
    return true;
  }

  #isSettled({ stamp }: FileLook): boolean {
    const now = this.#options.clock.nowMs();
    if (this.#candidate === stamp) return now - this.#candidateMs >= SETTLE_MS;
    [this.#candidate, this.#candidateMs] = [stamp, now];
    return false;
  }

  async #seen(): Promise<FileLook | undefined> {
    try {
      return await lookAt(this.#options.source);
    } catch (cause) {
      // Another file may get the number of the one that is gone.
      this.#read = undefined;
      // Nor does a watcher of a folder that is gone tell of one that comes in its place.
      this.#watcher?.close();
      this.#watcher = undefined;
      this.#say(`${this.#options.source.path}: ${readFailureText(cause)}`);
      return undefined;
    }
  }

  #isNew(seen: FileLook): boolean {
    const read = this.#read;
    if (read?.identity !== seen.identity) return true;
    if (read.stamp === seen.stamp) return false;
    if (this.#isRefused) return true;
    this.#read = seen;
    const { log, source: { path } } = this.#options;
    const reason = 'it is not read, as half of it may be there: move a new file over it';
    log.warning(`${path}: was written to in place; ${reason}`);
    return false;
  }

  /** Undefined when it could not be read; the next look tries again. */
  async #decode(): Promise<ResourceFile | undefined> {
    const { type, source: { path }, decodeFile } = this.#options;
    try {
      return await decodeFile(type, path);
    } catch (cause) {
      this.#say(messageOf(cause));
      return undefined;
    }
  }

  #take(file: ResourceFile): void {
    this.#state = 'connected';
    if (file.digest === this.#digest) return;
    this.#digest = file.digest;
    this.#isRefused = file.faults.length > 0;
    if (!this.#isRefused) {
      this.#file = file;
      this.#isPending = true;
      return;
    }
    const { type, source: { path }, log, stats } = this.#options;
    stats.response(type, file.faults.length);
    log.warning(`${path}: refused; what is in force stays: ${shown(file.faults)}`);
    this.#owner.onHandled(type, file.version, [{ name: '', reason: shown(file.faults) }]);
  }

  async #applyPending(): Promise<void> {
    const { type, stats, log, source: { path } } = this.#options;
    const file = this.#file;
    if (!this.#isPending || file === undefined || !this.#owner.mayApply(type)) return;
    this.#isPending = false;
    const { wildcard, names } = this.#subscription;
    const found = new Set(file.decoded.updated.map(({ name }) => name));
    const response = { removed: wildcard ? [] : [...names].filter((name) => !found.has(name)), complete: wildcard };
    const decoded = await this.#intake.admit(type, async (): Promise<DecodedResponse> => file.decoded);
    const refused = await this.#intake.apply(this.#subscription, response, decoded);
    stats.response(type, refused.length);
    const reasons = refused.map(({ name, reason }) => `${nameOfType(type).singular} '${name}': ${reason}`);
    if (reasons.length > 0) log.warning(`${path}: refused ${shown(reasons)}`);
    this.#owner.onHandled(type, file.version, refused);
  }

  /** Once for each fault; the proxy goes on, and is not kept from getting ready by a file that is away (as Envoy's). */
  #say(fault: string): void {
    if (this.#fault === fault) return;
    this.#fault = fault;
    const { type, stats, log } = this.#options;
    stats.failure(type);
    log.warning(`${fault}; what is in force stays`);
    const isFirst = this.#state === 'connecting';
    this.#state = 'waiting';
    if (isFirst) this.#owner.onHandled(type, '', [{ name: '', reason: fault }]);
  }

  #watch(): void {
    if (this.#watcher !== undefined) return;
    try {
      const watcher = watch(folderOf(this.#options.source), { persistent: false }, () => this.#look());
      const forget = (): void => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
      };
      watcher.on('error', forget);
      this.#watcher = watcher;
    } catch {
      // Nothing to be had: looking every second sees it.
    }
  }
}

const SHOWN = 3;

function shown(faults: readonly string[]): string {
  const more = faults.length > SHOWN ? `; and ${faults.length - SHOWN} more` : '';
  return faults.slice(0, SHOWN).join('; ') + more;
}
