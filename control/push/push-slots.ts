// How many proxies are pushed to at one time: of a thousand that come back together the others wait in order, so that
// what is encoded for them does not stand in memory all at once (faults.md F02, F25).
import type { Clock } from '../../proxy/base/clock.ts';
import { Timer } from '../../proxy/base/timers.ts';
import type { TimerTarget, TimerWheel } from '../../proxy/base/timers.ts';

export interface PushSlotsOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly max: number;
  /** A slot is free again. */
  onFree(): void;
}

/** One that does not answer keeps no other waiting for longer; it goes on without a slot. */
const HELD_MS = 5000;

export class PushSlots<T> implements TimerTarget {
  readonly #options: PushSlotsOptions;
  /** Monotonic time by which each gives its slot back; the oldest first. */
  readonly #dueMs = new Map<T, number>();
  readonly #timer: Timer;
  /** Slots that were taken back. */
  expired = 0;

  constructor(options: PushSlotsOptions) {
    this.#options = options;
    this.#timer = new Timer(options.wheel, this);
  }

  get free(): boolean {
    return this.#dueMs.size < this.#options.max;
  }

  get taken(): number {
    return this.#dueMs.size;
  }

  take(who: T): void {
    this.#dueMs.delete(who);
    this.#dueMs.set(who, this.#options.clock.nowMs() + HELD_MS);
    if (this.#dueMs.size === 1) this.#timer.arm(HELD_MS);
  }

  give(who: T): void {
    if (!this.#dueMs.delete(who)) return;
    if (this.#dueMs.size === 0) this.#timer.cancel();
    this.#options.onFree();
  }

  onTimer(): void {
    const now = this.#options.clock.nowMs();
    for (const [who, due] of this.#dueMs) {
      if (due > now) break;
      this.#dueMs.delete(who);
      this.expired++;
    }
    const next = this.#dueMs.values().next().value;
    if (next !== undefined) this.#timer.arm(Math.max(1, next - now));
    this.#options.onFree();
  }
}
