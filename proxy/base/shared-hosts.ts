// What all threads know of endpoints and clusters: a slot of shared memory for each name, as long as a thread holds it.
import { hash } from './shared-buckets.ts';

/** Numbers of a slot; the last two are one double. */
export const HOST_FIELDS = 10;
/** A slot's field, by its use; each use begins at 0. */
export type HostField = number;
/** Duties of a cluster that one thread does for all. */
export type Duty = 0 | 1;

const SLOTS = 65_536;
/** Places in which a name may be. */
const WINDOW = 32;
const LOCK = 0;
const SEEDS = 1;
const HEADER_WORDS = 4;
/** Mark (2), holders (2), who does the duties (2), fields, a double. */
const STRIDE = 2 + 2 + 2 + HOST_FIELDS + 2;
const HOLDERS = 2;
const DUTIES = 4;
const FIELDS = 6;
const DOUBLE = FIELDS + HOST_FIELDS;
const HOLDERS_BITS = 32;
/** Threads that have a bit to hold slots with; those beyond keep to themselves. */
export const SHARING_THREADS_MAX = 2 * HOLDERS_BITS;
/** How long a thread sleeps when another is at the table. */
const LOCK_WAIT_MS = 1;

/** One name's numbers. Every access is atomic but for the double, which is written before a field that says so. */
export interface HostRecord {
  get(field: HostField): number;
  set(field: HostField, value: number): void;
  /** The sum. */
  add(field: HostField, amount: number): number;
  /** Whether it was `from`, and is `to` now. */
  swap(field: HostField, from: number, to: number): boolean;
  /** The value, which is 0 from now on. */
  take(field: HostField): number;
  double: number;
  /** Whether this thread does it, from now on or already. */
  takeDuty(duty: Duty): boolean;
  leaveDuty(duty: Duty): void;
  /** The name is of no interest to this thread any more. */
  release(): void;
}

/**
 * A table in shared memory, found by a keyed hash. A slot belongs to a name as long as any thread holds it, and is
 * empty when the last lets go or has died. Taking and letting go are rare, and done under a lock; a thread that dies
 * meanwhile loses it by `clearThread`.
 */
export class SharedHosts {
  static readonly headerBytes: number = HEADER_WORDS * Int32Array.BYTES_PER_ELEMENT;
  static readonly bytes: number = (HEADER_WORDS + SLOTS * STRIDE) * Int32Array.BYTES_PER_ELEMENT;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #thread: number;

  constructor(memory: SharedArrayBuffer | ArrayBuffer, thread: number) {
    this.#words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#thread = thread;
  }

  /** Once, before any thread uses the memory. */
  static seed(memory: SharedArrayBuffer | ArrayBuffer, first: number, second: number): void {
    new Int32Array(memory, SEEDS * Int32Array.BYTES_PER_ELEMENT, 2).set([first, second]);
  }

  /** The name's record; undefined where all its places are in use. */
  hold(name: string): HostRecord | undefined {
    if (this.#thread >= SHARING_THREADS_MAX) return undefined;
    const words = this.#words;
    const first = hash(name, words[SEEDS]!);
    const second = hash(name, words[SEEDS + 1]!);
    return this.#locked(() => {
      const at = this.#find(first, second);
      if (at === undefined) return undefined;
      words[at] = first;
      words[at + 1] = second;
      words[this.#holder(at)]! |= this.#bit;
      return new SlotRecord(words, this.#doubles, at, this.#thread + 1, () => this.#release(at));
    });
  }

  /** Lets go of all that a dead thread held or did; for the supervisor. Others take its duties then. */
  clearThread(thread: number): void {
    const words = this.#words;
    const own = thread + 1;
    Atomics.compareExchange(words, LOCK, own, 0);
    this.#locked(() => {
      for (let at = HEADER_WORDS; at < words.length; at += STRIDE) {
        if (words[at + HOLDERS] === 0 && words[at + HOLDERS + 1] === 0) continue;
        for (const duty of [0, 1]) Atomics.compareExchange(words, at + DUTIES + duty, own, 0);
        if (thread < SHARING_THREADS_MAX) this.#leave(at, at + HOLDERS + wordOf(thread), bitOf(thread));
      }
    });
  }

  get #bit(): number {
    return bitOf(this.#thread);
  }

  #holder(at: number): number {
    return at + HOLDERS + wordOf(this.#thread);
  }

  #release(at: number): void {
    this.#locked(() => this.#leave(at, this.#holder(at), this.#bit));
  }

  #leave(at: number, holder: number, bit: number): void {
    const words = this.#words;
    words[holder]! &= ~bit;
    if (words[at + HOLDERS] === 0 && words[at + HOLDERS + 1] === 0) words.fill(0, at, at + STRIDE);
  }

  #find(first: number, second: number): number | undefined {
    const words = this.#words;
    let free: number | undefined = undefined;
    for (let i = 0; i < WINDOW; i++) {
      const at = HEADER_WORDS + (((first >>> 0) + i) % SLOTS) * STRIDE;
      const isFree = words[at + HOLDERS] === 0 && words[at + HOLDERS + 1] === 0;
      if (!isFree && words[at] === first && words[at + 1] === second) return at;
      if (isFree) free ??= at;
    }
    return free;
  }

  #locked<T>(work: () => T): T {
    const words = this.#words;
    for (let holder = this.#tryLock(); holder !== 0; holder = this.#tryLock()) {
      Atomics.wait(words, LOCK, holder, LOCK_WAIT_MS);
    }
    try {
      return work();
    } finally {
      Atomics.store(words, LOCK, 0);
      Atomics.notify(words, LOCK);
    }
  }

  /** Who has it; 0 is this thread now. */
  #tryLock(): number {
    return Atomics.compareExchange(this.#words, LOCK, 0, this.#thread + 1);
  }
}

/** A record that one thread keeps to itself. */
export function ownRecord(): HostRecord {
  const memory = new ArrayBuffer(STRIDE * Int32Array.BYTES_PER_ELEMENT);
  return new SlotRecord(new Int32Array(memory), new Float64Array(memory), 0, 1, () => undefined);
}

class SlotRecord implements HostRecord {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #at: number;
  readonly #own: number;
  readonly #onRelease: () => void;
  #released = false;

  constructor(words: Int32Array, doubles: Float64Array, at: number, own: number, onRelease: () => void) {
    this.#words = words;
    this.#doubles = doubles;
    this.#at = at;
    this.#own = own;
    this.#onRelease = onRelease;
  }

  get double(): number {
    return this.#doubles[(this.#at + DOUBLE) / 2]!;
  }

  set double(value: number) {
    this.#doubles[(this.#at + DOUBLE) / 2] = value;
  }

  get(field: HostField): number {
    return Atomics.load(this.#words, this.#at + FIELDS + field);
  }

  set(field: HostField, value: number): void {
    Atomics.store(this.#words, this.#at + FIELDS + field, value);
  }

  add(field: HostField, amount: number): number {
    return Atomics.add(this.#words, this.#at + FIELDS + field, amount) + amount;
  }

  swap(field: HostField, from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at + FIELDS + field, from, to) === from;
  }

  take(field: HostField): number {
    return Atomics.exchange(this.#words, this.#at + FIELDS + field, 0);
  }

  takeDuty(duty: Duty): boolean {
    const before = Atomics.compareExchange(this.#words, this.#at + DUTIES + duty, 0, this.#own);
    return before === 0 || before === this.#own;
  }

  leaveDuty(duty: Duty): void {
    Atomics.compareExchange(this.#words, this.#at + DUTIES + duty, this.#own, 0);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.leaveDuty(0);
    this.leaveDuty(1);
    this.#onRelease();
  }
}

function wordOf(thread: number): number {
  return Math.floor(thread / HOLDERS_BITS);
}

function bitOf(thread: number): number {
  return 1 << (thread % HOLDERS_BITS);
}
