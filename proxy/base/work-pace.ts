// The pace of long work in small pieces beside requests: after each piece the event loop has its turn, and where
// requests are served, the processor is free for as long as the piece took (threats.md S85).
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { Clock } from './clock.ts';

/** Milliseconds of work after which it pays to rest: timers are no finer. */
const REST_FROM_MS = 1;
/** A longer piece was a stall of the machine: no more than this is rested for it. */
const REST_MS_MAX = 20;

export class WorkPace {
  readonly #clock: Clock;
  readonly #serving: () => boolean;
  #sinceMs = 0;
  /** Worked since the last rest. */
  #owedMs = 0;

  /** `serving` tells whether anybody would notice. */
  constructor(clock: Clock, serving: () => boolean) {
    this.#clock = clock;
    this.#serving = serving;
  }

  /** The first piece begins. */
  start(): void {
    this.#sinceMs = this.#clock.nowMs();
  }

  /** Between two pieces, and after the last. */
  async rest(): Promise<void> {
    this.#owedMs += this.#clock.nowMs() - this.#sinceMs;
    if (this.#owedMs < REST_FROM_MS || !this.#serving()) {
      await nextTurn();
    } else {
      const restMs = Math.min(this.#owedMs, REST_MS_MAX);
      this.#owedMs = 0;
      await pause(restMs);
    }
    this.start();
  }
}
