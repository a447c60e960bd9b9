// What outlier detection knows about one endpoint: kept with it, so that it outlives configuration, and shared by all
// workers.
import type { HostField, HostRecord } from '../base/shared-hosts.ts';
import type { FailureKind } from './outlier-settings.ts';

/** What a state shows of itself; made when it is first shown. */
interface Shown {
  readonly ejected: { set(value: number): void };
}

/** Fields of an endpoint's record; endpoint.ts has the next. */
const IN_A_ROW: Readonly<Record<FailureKind, HostField>> = {
  consecutive_5xx: 0, consecutive_gateway_failure: 1, consecutive_local_origin_failure: 2,
};
const RESPONSES = 3;
const LOCAL = 5;
const BACKOFF = 7;
const EJECTION = 8;

/** Of an ejection; `judged` is neither yet. The record's double is until when, or of its return since when. */
const IN = 0;
const OUT = 1;
const JUDGED = 2;

/** Requests of an interval, and how many of them went well; of all workers. */
export class Tally {
  readonly #record: HostRecord;
  readonly #total: HostField;
  readonly #good: HostField;

  constructor(record: HostRecord, first: HostField) {
    this.#record = record;
    this.#total = first;
    this.#good = first + 1;
  }

  get total(): number {
    return this.#record.get(this.#total);
  }

  get good(): number {
    return this.#record.get(this.#good);
  }

  add(good: boolean): void {
    this.#record.add(this.#total, 1);
    if (good) this.#record.add(this.#good, 1);
  }

  clear(): void {
    this.#record.take(this.#total);
    this.#record.take(this.#good);
  }
}

export class OutlierState {
  /** Since the interval began: responses (and failures to get one, where they are not counted apart). */
  readonly responses: Tally;
  /** Connecting, where it is counted apart. */
  readonly local: Tally;
  /** `clock.nowMs()` when this worker learnt of its last return; 0 before. */
  returnedMs = 0;
  readonly #record: HostRecord;
  readonly #shown: Shown;
  #ejected = false;
  #wasJudged = false;

  /** `shown.ejected` is 1 while it is ejected. */
  constructor(record: HostRecord, shown: Shown) {
    this.#record = record;
    this.#shown = shown;
    this.responses = new Tally(record, RESPONSES);
    this.local = new Tally(record, LOCAL);
    this.learn(0);
  }

  /** As this worker knows it; what its picker goes by. */
  get ejected(): boolean {
    return this.#ejected;
  }

  /** As it is now, or is just about to be: for how many may be out. */
  get leaves(): boolean {
    return this.#record.get(EJECTION) !== IN;
  }

  /** How many times the base ejection time it was out last; goes down by one per interval in which it stays in. */
  get backoff(): number {
    return this.#record.get(BACKOFF);
  }

  set backoff(value: number) {
    this.#record.set(BACKOFF, value);
  }

  /** A try's end. Whether it is the one that makes so many in a row, of all workers; the count begins anew then. */
  count(kind: FailureKind, failed: boolean, most: number): boolean {
    const record = this.#record;
    const field = IN_A_ROW[kind];
    if (!failed) {
      if (record.get(field) !== 0) record.set(field, 0);
      return false;
    }
    const inARow = record.add(field, 1);
    return most !== 0 && inARow >= most && !this.leaves && record.swap(field, inARow, 0);
  }

  connected(): void {
    this.count('consecutive_local_origin_failure', false, 0);
    this.local.add(true);
  }

  isDue(nowMs: number): boolean {
    return this.#record.get(EJECTION) === OUT && this.#record.double <= nowMs;
  }

  /** `sharedMs` of its last return; 0 before. */
  get inSinceMs(): number {
    return this.#record.double;
  }

  /** The first step of an ejection; `eject` or `spare` is the second. False where another worker has taken it. */
  judge(): boolean {
    return this.#record.swap(EJECTION, IN, JUDGED);
  }

  spare(): void {
    this.#record.set(EJECTION, IN);
  }

  /** Once an interval: a worker that died while it judged has left the endpoint as neither in nor out. */
  unstick(): void {
    const judged = this.#record.get(EJECTION) === JUDGED;
    if (judged && this.#wasJudged) this.spare();
    this.#wasJudged = judged;
  }

  eject(untilMs: number): void {
    this.#record.double = untilMs;
    this.#record.set(EJECTION, OUT);
    this.#ejected = true;
    this.#shown.ejected.set(1);
  }

  /** Its count begins anew, so that few new failures don't eject it again. False where it is in already. */
  return(nowSharedMs: number, nowMs: number): boolean {
    const record = this.#record;
    for (const field of Object.values(IN_A_ROW)) record.set(field, 0);
    const returns = record.swap(EJECTION, OUT, JUDGED);
    if (returns) {
      record.double = nowSharedMs;
      record.set(EJECTION, IN);
    }
    this.learn(nowMs);
    return returns;
  }

  /** What other workers have done. True where this one did not know it. */
  learn(nowMs: number): boolean {
    const ejected = this.#record.get(EJECTION) === OUT;
    if (ejected === this.#ejected) return false;
    this.#ejected = ejected;
    if (!ejected) this.returnedMs = nowMs;
    this.#shown.ejected.set(ejected ? 1 : 0);
    return true;
  }

  /** Its endpoint has left the cluster. */
  close(): void {
    if (this.ejected) this.#shown.ejected.set(0);
  }
}
