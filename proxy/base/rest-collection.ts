// Gives back what the start of a thread and its configuration left behind. V8 collects when memory is asked for, which
// a proxy at rest does not do.
import { performance } from 'node:perf_hooks';
import type { EventLoopUtilization } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** After the last piece of configuration. */
const QUIET_MS = 2000;
/** Two threads of a process shall not do it at one moment: the way to V8's collector leads over flags of both. */
const APART_MS = 100;
/** Of the time since then, what a thread may have worked: whoever is busy collects anyway. */
const BUSY_MAX = 0.1;
/** A larger heap would stand still for longer than requests may wait: this much takes some 50 ms. */
const HEAP_BYTES_MAX = 48 * 1024 * 1024;

export interface RestCollectionOptions {
  readonly quietMs?: number;
  readonly heapBytesMax?: number;
  readonly collect?: () => boolean;
}

export class RestCollection {
  readonly #quietMs: number;
  readonly #heapBytesMax: number;
  readonly #collect: () => boolean;
  #timer: NodeJS.Timeout | undefined = undefined;
  #begun: EventLoopUtilization | undefined = undefined;

  /** `thread` tells threads of a process apart: 0, 1, 2 … */
  constructor(
    thread: number,
    { quietMs = QUIET_MS, heapBytesMax = HEAP_BYTES_MAX, collect = collectAll }: RestCollectionOptions = {},
  ) {
    this.#quietMs = quietMs + thread * APART_MS;
    this.#heapBytesMax = heapBytesMax;
    this.#collect = collect;
  }

  /** Something has been done that leaves garbage. */
  touch(): void {
    this.#begun = performance.eventLoopUtilization();
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#onQuiet(), this.#quietMs).unref();
    else this.#timer.refresh();
  }

  #onQuiet(): void {
    this.#timer = undefined;
    if (performance.eventLoopUtilization(this.#begun).utilization > BUSY_MAX) return;
    if (getHeapStatistics().used_heap_size <= this.#heapBytesMax) this.#collect();
  }
}

/** All garbage of this thread, and the pages that it was on. False where the runtime does not let it. */
export function collectAll(): boolean {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('globalThis.gc') as NodeJS.GCFunction | undefined;
  // What is compiled is kept under a hash of the flags.
  setFlagsFromString('--no-expose-gc');
  gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  return gc !== undefined;
}
