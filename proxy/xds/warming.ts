// What routes and listeners wait for: endpoints of clusters that have just come, so that no request meets an empty one.
import type { Clock } from '../base/clock.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';

/** Told when nothing is waited for any more, and of each wait that was given up. */
export interface WarmingListener {
  onWarm(): void;
  onGivenUp(what: string): void;
}

/** Waits by name, each for a limited time. */
export class Warming implements TimerTarget {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #listener: WarmingListener;
  readonly #dueMs = new Map<string, number>();
  /** When the timer fires; Infinity when it does not. */
  #armedMs = Infinity;

  constructor(clock: Clock, wheel: TimerWheel, listener: WarmingListener) {
    this.#clock = clock;
    this.#timer = new Timer(wheel, this);
    this.#listener = listener;
  }

  /** What is waited for. */
  get names(): readonly string[] {
    return [...this.#dueMs.keys()];
  }

  get cold(): boolean {
    return this.#dueMs.size > 0;
  }

  /** Waits for `what`; 0 ms waits for ever, as Envoy's initial_fetch_timeout does. */
  expect(what: string, timeoutMs: number): void {
    if (this.#dueMs.has(what)) return;
    const dueMs = timeoutMs === 0 ? Infinity : this.#clock.nowMs() + timeoutMs;
    this.#dueMs.set(what, dueMs);
    this.#arm(dueMs);
  }

  /** It has come, or is wanted no more. */
  done(what: string): void {
    if (this.#dueMs.delete(what) && !this.cold) this.#warm();
  }

  stop(): void {
    this.#timer.cancel();
  }

  onTimer(): void {
    const now = this.#clock.nowMs();
    this.#armedMs = Infinity;
    let next = Infinity;
    for (const [what, due] of [...this.#dueMs]) {
      if (due > now) {
        next = Math.min(next, due);
        continue;
      }
      this.#dueMs.delete(what);
      this.#listener.onGivenUp(what);
    }
    if (this.cold) this.#arm(next);
    else this.#warm();
  }

  #warm(): void {
    this.#timer.cancel();
    this.#armedMs = Infinity;
    this.#listener.onWarm();
  }

  /** Not later than `dueMs`; what is done before that leaves the timer as it is. */
  #arm(dueMs: number): void {
    if (dueMs >= this.#armedMs) return;
    this.#armedMs = dueMs;
    this.#timer.arm(dueMs - this.#clock.nowMs());
  }
}
