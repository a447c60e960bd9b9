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
  #pingsInWindow = 0;
  /** What had been carried when the window's first PING came; -1 before it. */
  #carriedAtPing = -1;
  #streams = 0;
  #dataFrames = 0;
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

  /**
   * Peers measure the path by a PING for each round of data (gRPC's estimate of bandwidth and delay), so each stream
   * and each DATA frame of either direction earns one; those beyond are control frames like any other. What was carried
   * before the window, or before its first PING, earns nothing: else a long life would pay for a flood.
   */
  pingFrame(dataFramesSent: number): boolean {
    this.#turnWindow();
    const carried = this.#streams + this.#dataFrames + dataFramesSent;
    if (this.#carriedAtPing === -1) this.#carriedAtPing = carried;
    if (this.#pingsInWindow >= carried - this.#carriedAtPing) return this.controlFrame();
    this.#pingsInWindow++;
    return true;
  }

  /** SETTINGS, frames of unknown kinds, and PING that nothing has earned. */
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
    this.#dataFrames++;
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
    this.#streamsInWindow = this.#resetsInWindow = 0;
    this.#controlInWindow = this.#pingsInWindow = this.#smallInWindow = 0;
    this.#carriedAtPing = -1;
  }
}
