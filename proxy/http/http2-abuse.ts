// Budgets of one connection for what costs its receiver more than its sender (S20, S21, S24): floods end it.
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../config/limits.ts';
import type { Http2Counters } from './http2-options.ts';

/** Frames that a connection may begin with before its streams earn it more. */
const SLACK = 100;

/** Each call returns whether the budget still holds; what was over it is counted. */
export class AbuseGuard {
  readonly #clock: Clock;
  readonly #counters: Http2Counters;
  #windowEndMs = 0;
  #streamsInWindow = 0;
  #resetsInWindow = 0;
  #controlInWindow = 0;
  #streams = 0;
  #priorities = 0;
  #windowUpdates = 0;
  #emptyInRow = 0;
  #smallInWindow = 0;

  constructor(clock: Clock, counters: Http2Counters) {
    this.#clock = clock;
    this.#counters = counters;
  }

  streamOpened(): void {
    this.#turnWindow();
    this.#streams++;
    this.#streamsInWindow++;
    this.#emptyInRow = 0;
  }

  /** A stream was cut before its end, by either side: its work was for nothing. */
  streamReset(): boolean {
    this.#turnWindow();
    this.#resetsInWindow++;
    if (this.#resetsInWindow <= LIMITS.http2ResetsMax || this.#resetsInWindow * 2 <= this.#streamsInWindow) return true;
    this.#counters.resetFlood.inc();
    return false;
  }

  /** SETTINGS, PING, and frames of unknown kinds. */
  controlFrame(): boolean {
    this.#turnWindow();
    if (++this.#controlInWindow <= LIMITS.http2ControlFramesMax) return true;
    this.#counters.inboundControlFramesFlood.inc();
    return false;
  }

  priorityFrame(): boolean {
    if (++this.#priorities <= SLACK + LIMITS.http2PrioritiesPerStream * this.#streams) return true;
    this.#counters.inboundPriorityFramesFlood.inc();
    return false;
  }

  windowUpdateFrame(dataFramesSent: number): boolean {
    const earned = LIMITS.http2WindowUpdatesPerData * (this.#streams + dataFramesSent);
    if (++this.#windowUpdates <= SLACK + earned) return true;
    this.#counters.inboundWindowUpdateFramesFlood.inc();
    return false;
  }

  /** Empty, and not the last of its message, it is of no use. A dribble of tiny ones is as bad as empty ones. */
  dataFrame(bytes: number, last: boolean): boolean {
    this.#emptyInRow = last || bytes > 0 ? 0 : this.#emptyInRow + 1;
    if (bytes < LIMITS.http2SmallDataBytes && !last) {
      this.#turnWindow();
      this.#smallInWindow++;
    }
    if (this.#emptyInRow <= LIMITS.http2EmptyFramesMax && this.#smallInWindow <= LIMITS.http2SmallDataMax) return true;
    this.#counters.inboundEmptyFramesFlood.inc();
    return false;
  }

  #turnWindow(): void {
    const now = this.#clock.nowMs();
    if (now < this.#windowEndMs) return;
    this.#windowEndMs = now + LIMITS.http2BudgetWindowMs;
    this.#streamsInWindow = this.#resetsInWindow = this.#controlInWindow = this.#smallInWindow = 0;
  }
}
