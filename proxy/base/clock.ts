// Time, injected so that tests can hold it: monotonic for durations, wall clock for logs and certificates.
import { performance } from 'node:perf_hooks';

/** `nowMs` never goes back and has no epoch; `wallMs` is Unix time in milliseconds. */
export interface Clock {
  nowMs(): number;
  wallMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
};

/** A worker's: while an event of a socket lasts, its time may stand still. */
export interface WorkerClock extends Clock {
  /** Until `release`, `nowMs` stays what it is now. */
  hold(): void;
  release(): void;
}

/** The system's clock, read once per event of a socket: a request looks at it a dozen times. */
export class EventClock implements WorkerClock {
  #held = -1;

  nowMs(): number {
    return this.#held === -1 ? performance.now() : this.#held;
  }

  wallMs(): number {
    return Date.now();
  }

  hold(): void {
    this.#held = performance.now();
  }

  release(): void {
    this.#held = -1;
  }
}

/** Milliseconds that mean the same to all threads of this process, as `clock` counts them. */
export function sharedMs(clock: Clock): () => number {
  const offsetMs = Number(process.hrtime.bigint()) / 1e6 - clock.nowMs();
  return () => clock.nowMs() + offsetMs;
}

/** A clock that a test moves by hand. */
export class ManualClock implements WorkerClock {
  #now = 0;
  #wallStart: number;

  constructor(wallStartMs = 1_700_000_000_000) {
    this.#wallStart = wallStartMs;
  }

  nowMs(): number {
    return this.#now;
  }

  wallMs(): number {
    return this.#wallStart + this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  /** Somebody sets the wall clock; the monotonic one does not notice. */
  setWallBy(ms: number): void {
    this.#wallStart += ms;
  }

  hold(): void {
    // It moves between events only.
  }

  release(): void {
    // Nothing was held.
  }
}
