// What outlier detection knows about one endpoint; kept with it, so that it outlives configuration.
import type { FailureKind } from './outlier-settings.ts';

/** What a state shows of itself; made when it is first shown. */
interface Shown {
  readonly ejected: { set(value: number): void };
}

/** Requests of an interval, and how many of them went well. */
export class Tally {
  total = 0;
  good = 0;

  add(good: boolean): void {
    this.total++;
    if (good) this.good++;
  }

  clear(): void {
    this.total = 0;
    this.good = 0;
  }
}

export class OutlierState {
  readonly inARow: Record<FailureKind, number> = {
    consecutive_5xx: 0, consecutive_gateway_failure: 0, consecutive_local_origin_failure: 0,
  };
  /** Since the interval began: responses (and failures to get one, where they are not counted apart). */
  readonly responses = new Tally();
  /** Connecting, where it is counted apart. */
  readonly local = new Tally();
  /** How many times the base ejection time it was out last; goes down by one per interval in which it stays in. */
  backoff = 0;
  /** `clock.nowMs()` of its last return; 0 before. */
  returnedMs = 0;
  readonly #shown: Shown;
  #ejectedUntilMs = 0;

  /** `shown.ejected` is 1 while it is ejected. */
  constructor(shown: Shown) {
    this.#shown = shown;
  }

  get ejected(): boolean {
    return this.#ejectedUntilMs > 0;
  }

  isDue(nowMs: number): boolean {
    return this.ejected && this.#ejectedUntilMs <= nowMs;
  }

  eject(untilMs: number): void {
    this.#ejectedUntilMs = untilMs;
    this.#shown.ejected.set(1);
  }

  /** Its count begins anew, so that few new failures don't eject it again. */
  return(nowMs: number): void {
    const { inARow } = this;
    inARow.consecutive_5xx = 0;
    inARow.consecutive_gateway_failure = 0;
    inARow.consecutive_local_origin_failure = 0;
    this.#ejectedUntilMs = 0;
    this.returnedMs = nowMs;
    this.#shown.ejected.set(0);
  }

  /** Its endpoint has left the cluster. */
  close(): void {
    if (this.ejected) this.#shown.ejected.set(0);
  }
}
