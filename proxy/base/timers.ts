// Shared coarse timers for the hot path: arming and cancelling is O(1) and makes no closure and no native timer.
import type { Clock } from './clock.ts';

/** What a timer wakes. `tag` tells one object's timers apart. */
export interface TimerTarget {
  onTimer(tag: number): void;
}

const TICK_MS = 10;
const SLOTS = 1024;
/** Later than this, the thread stood still, or the whole process did (faults.md F29). */
const STALL_MS = 200;
/** What came meanwhile is read first, so that nothing times out that is there already. */
const CATCH_UP_MS = 50;

/** One re-armable timer; embed it in the object that needs it. */
export class Timer {
  readonly target: TimerTarget;
  readonly tag: number;
  readonly #wheel: TimerWheel;
  /** Absolute tick of expiry; -1 when not armed. Read by the wheel. */
  due = -1;
  prev: Timer | undefined = undefined;
  next: Timer | undefined = undefined;

  constructor(wheel: TimerWheel, target: TimerTarget, tag = 0) {
    this.#wheel = wheel;
    this.target = target;
    this.tag = tag;
  }

  get armed(): boolean {
    return this.due !== -1;
  }

  /** Fires once after `ms` (rounded up to 10 ms); arming again replaces the earlier time. */
  arm(ms: number): void {
    this.#wheel.arm(this, ms);
  }

  cancel(): void {
    this.#wheel.cancel(this);
  }
}

/** A hashed timing wheel of 10 ms ticks over one native timer, which sleeps while nothing is armed. */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #slots: (Timer | undefined)[] = new Array<Timer | undefined>(SLOTS).fill(undefined);
  readonly #startMs: number;
  #tick = 0;
  #armed = 0;
  #native: NodeJS.Timeout | undefined = undefined;
  #nativeDue = 0;
  #isCatchingUp = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.nowMs();
  }

  /** Number of armed timers. */
  get size(): number {
    return this.#armed;
  }

  arm(timer: Timer, ms: number): void {
    if (timer.due !== -1) this.cancel(timer);
    const elapsed = this.#clock.nowMs() - this.#startMs;
    const due = Math.max(this.#tick + 1, Math.ceil((elapsed + Math.max(0, ms)) / TICK_MS));
    timer.due = due;
    const slot = due % SLOTS;
    const head = this.#slots[slot];
    timer.next = head;
    timer.prev = undefined;
    if (head !== undefined) head.prev = timer;
    this.#slots[slot] = timer;
    this.#armed++;
    this.#schedule(due);
  }

  cancel(timer: Timer): void {
    if (timer.due === -1) return;
    if (timer.prev === undefined) this.#slots[timer.due % SLOTS] = timer.next;
    else timer.prev.next = timer.next;
    if (timer.next !== undefined) timer.next.prev = timer.prev;
    timer.due = -1;
    timer.prev = undefined;
    timer.next = undefined;
    this.#armed--;
  }

  /** Fires all that is due; called by the native timer, and by tests that move the clock. */
  advance(): void {
    const now = Math.floor((this.#clock.nowMs() - this.#startMs) / TICK_MS);
    const steps = Math.min(now - this.#tick, SLOTS);
    const first = now - steps + 1;
    this.#tick = Math.max(this.#tick, now);
    for (let tick = first; tick <= now && this.#armed > 0; tick++) this.#fire(tick % SLOTS, now);
  }

  #fire(slot: number, now: number): void {
    let timer = this.#slots[slot];
    while (timer !== undefined) {
      if (timer.due > now) {
        timer = timer.next;
        continue;
      }
      this.cancel(timer);
      timer.target.onTimer(timer.tag);
      // The callback may have changed this list in any way: start again from its head.
      timer = this.#slots[slot];
    }
  }

  /** Long timers wake the wheel once a second at most, so that an idle proxy sleeps. */
  #schedule(due: number): void {
    const wake = Math.min(due, this.#tick + SLOTS - 1);
    if (this.#native !== undefined && this.#nativeDue <= wake) return;
    clearTimeout(this.#native);
    this.#nativeDue = wake;
    const delay = this.#startMs + wake * TICK_MS - this.#clock.nowMs();
    this.#native = setTimeout(() => this.#onNative(), Math.max(1, delay));
    this.#native.unref();
  }

  #onNative(): void {
    if (this.#wasStill()) return;
    this.#native = undefined;
    this.advance();
    // A callback may have armed one that is far away: what is due before it still sets the alarm.
    if (this.#armed > 0) this.#schedule(this.#nextDue());
  }

  /** Once a stall: the alarm comes again after a moment in which the event loop has its turns. */
  #wasStill(): boolean {
    const lateMs = this.#clock.nowMs() - this.#startMs - this.#nativeDue * TICK_MS;
    this.#isCatchingUp = lateMs > STALL_MS && !this.#isCatchingUp;
    if (this.#isCatchingUp) this.#native = setTimeout(() => this.#onNative(), CATCH_UP_MS).unref();
    return this.#isCatchingUp;
  }

  #nextDue(): number {
    for (let tick = this.#tick + 1; tick < this.#tick + SLOTS; tick++) {
      for (let timer = this.#slots[tick % SLOTS]; timer !== undefined; timer = timer.next) {
        if (timer.due <= tick) return tick;
      }
    }
    return this.#tick + SLOTS - 1;
  }
}
