// Sees that a worker hangs (threats.md S85): says so, and ends it after a while, so that it is replaced and others do
// what it did for all. Time is counted in looks: while the whole process stands still nobody looks (faults.md F29).
import { BEAT_MS } from '../base/heartbeat.ts';
import type { Heartbeats } from '../base/heartbeat.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { serverScope, statName } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';

/** A worker, as far as it is watched. */
export interface Watched {
  readonly index: number;
  /** It has started, and was not told to end. */
  readonly isRunning: boolean;
  /** What it was given to do and has not answered, for people; undefined: requests only. */
  readonly work: string | undefined;
  terminate(): Promise<void>;
}

/** Looks in a row without a beat. The names are Envoy's; it ends the process where it ends anything. */
const MISS = 4;
const MEGA_MISS = 8;
/** Ten seconds: longer than any pause that a worker recovers from. */
export const HANG_LOOKS = 40;

export class Watchdog {
  readonly #beats: Heartbeats;
  readonly #workers: () => Iterable<Watched>;
  readonly #log: ComponentLog;
  readonly #miss: Counter;
  readonly #megaMiss: Counter;
  readonly #ended: Counter;
  /** By worker: its last count, and looks since it changed. */
  readonly #seen = new Map<number, { worker: Watched; count: number; looks: number }>();
  #timer: NodeJS.Timeout | undefined = undefined;

  constructor(beats: Heartbeats, workers: () => Iterable<Watched>, stats: Stats, log: ComponentLog) {
    this.#beats = beats;
    this.#workers = workers;
    this.#log = log;
    this.#miss = stats.counter(statName(serverScope, 'watchdog_miss'));
    this.#megaMiss = stats.counter(statName(serverScope, 'watchdog_mega_miss'));
    this.#ended = stats.counter(statName(serverScope, 'watchdog_ended'));
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), BEAT_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Once in BEAT_MS. */
  look(): void {
    for (const worker of this.#workers()) {
      const count = this.#beats.count(worker.index);
      const seen = this.#seen.get(worker.index);
      if (!worker.isRunning || seen?.worker !== worker || seen.count !== count) {
        if (seen !== undefined && seen.worker === worker && seen.looks >= MEGA_MISS) this.#onBack(seen);
        this.#seen.set(worker.index, { worker, count, looks: 0 });
      } else {
        seen.looks++;
        this.#judge(worker, seen.looks);
      }
    }
  }

  #judge(worker: Watched, looks: number): void {
    const [name, forS] = [`worker ${worker.index}`, (looks * BEAT_MS) / 1000];
    const doing = worker.work === undefined ? '' : `; it was given ${worker.work}`;
    if (looks === MISS) this.#miss.inc();
    if (looks === MEGA_MISS) {
      this.#megaMiss.inc();
      this.#log.warning(`${name} has not come back to its event loop for ${forS} s${doing}`);
    }
    if (looks !== HANG_LOOKS) return;
    this.#ended.inc();
    this.#log.error(`${name} hangs for ${forS} s, and is ended${doing}`);
    void worker.terminate();
  }

  #onBack({ worker, looks }: { readonly worker: Watched; readonly looks: number }): void {
    if (worker.isRunning) this.#log.warning(`worker ${worker.index} is back after ${(looks * BEAT_MS) / 1000} s`);
  }
}
