// The limits of one cluster over all workers: connections, pending requests, requests, retries (Envoy's circuit
// breakers).
import type { NamedCount, NamedCounts } from '../base/named-counts.ts';
import type { SharedCounts } from '../base/shared-counts.ts';
import { innerScope, statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import { StatShape } from '../telemetry/stats.ts';
import type { Gauge, Stats } from '../telemetry/stats.ts';
import type { CircuitBreaker } from './upstream.ts';

/** Thresholds of one priority, compiled. */
export interface BreakerLimits {
  readonly connections: number;
  /** To one endpoint, of whatever priority; undefined: only the cluster's limit. */
  readonly connectionsPerHost?: number | undefined;
  readonly pending: number;
  readonly requests: number;
  /** Undefined where `retryBudget` replaces it. */
  readonly retries: number | undefined;
  /** Retries may be this share of the requests that are active or pending, and at least `min`. */
  readonly retryBudget: { readonly share: number; readonly min: number } | undefined;
  readonly trackRemaining: boolean;
}

/** Where a cluster's counts are: a slot that all workers share, and this worker's row in it. */
export interface BreakerPlace {
  readonly counts: SharedCounts;
  readonly slot: number;
  readonly thread: number;
  /** Connections by endpoint. */
  readonly hosts?: NamedCounts;
}

/** A request's priority for its limits (`route.priority`), by its name in stats. */
export type RequestPriority = 'default' | 'high';

/** What is counted: fields of a row in the shared counts, from where the priority's own begin. */
const CONNECTIONS = 0;
const PENDING = 1;
const REQUESTS = 2;
const RETRIES = 3;
const FIRST_FIELD: Readonly<Record<RequestPriority, number>> = { default: 0, high: 4 };

/** From here on a limit is meant to be none (Istio sends 2^32 - 1) and its sum over the workers isn't looked at. */
const UNLIMITED = 2 ** 31;

/**
 * Every `try…` takes one and must be paid back by its `…Done`. Limits hold strictly over all workers: one that races
 * with another for the last place may be refused, but they never get more together.
 */
export class ClusterBreaker implements CircuitBreaker {
  readonly place: BreakerPlace;
  readonly #first: number;
  readonly #gauges: BreakerGauges;
  #limits: BreakerLimits;

  constructor(
    limits: BreakerLimits, place: BreakerPlace, stats: Stats, scope: StatScope, priority: RequestPriority = 'default',
  ) {
    this.place = place;
    this.#first = FIRST_FIELD[priority];
    this.#limits = limits;
    this.#gauges = new BreakerGauges(stats, scope, priority, limits.trackRemaining);
    this.#showAll();
  }

  /** New limits; what is taken stays taken. */
  setLimits(limits: BreakerLimits): void {
    this.#limits = limits;
    this.#gauges.trackRemaining(limits.trackRemaining);
    this.#showAll();
  }

  /** More connections than there may be: the limit was lowered, or they were forced. */
  get tooManyConnections(): boolean {
    const { counts, slot } = this.place;
    return counts.sum(slot, CONNECTIONS) > this.#limits.connections;
  }

  /** `host` counts the connections to its endpoint, where configuration limits those. */
  tryConnection(host?: NamedCount): boolean {
    const { connections, connectionsPerHost = UNLIMITED } = this.#limits;
    if (host !== undefined && host.sum >= connectionsPerHost) return false;
    if (!this.#take(CONNECTIONS, connections)) return false;
    host?.add(1);
    return true;
  }

  /**
   * Takes one even over the limit: an endpoint without any connection must get one, or its requests would wait for
   * ever.
   */
  forceConnection(host?: NamedCount): void {
    host?.add(1);
    this.#add(CONNECTIONS, 1);
    this.#show(CONNECTIONS, this.#limits.connections);
  }

  connectionDone(host?: NamedCount): void {
    host?.add(-1);
    this.#give(CONNECTIONS, this.#limits.connections);
  }

  tryPending(): boolean {
    return this.#take(PENDING, this.#limits.pending);
  }

  pendingDone(): void {
    this.#give(PENDING, this.#limits.pending);
  }

  tryRequest(): boolean {
    return this.#take(REQUESTS, this.#limits.requests);
  }

  requestDone(): void {
    this.#give(REQUESTS, this.#limits.requests);
  }

  tryRetry(): boolean {
    return this.#take(RETRIES, this.#retryLimit());
  }

  retryDone(): void {
    this.#give(RETRIES, this.#retryLimit());
  }

  #retryLimit(): number {
    const { retries, retryBudget } = this.#limits;
    if (retryBudget === undefined) return retries ?? 0;
    const { counts, slot } = this.place;
    const busy = counts.sum(slot, this.#first + REQUESTS) + counts.sum(slot, this.#first + PENDING);
    return Math.max(retryBudget.min, Math.floor(busy * retryBudget.share));
  }

  #take(field: number, limit: number): boolean {
    if (limit >= UNLIMITED) {
      this.#add(field, 1);
      return true;
    }
    const { counts, slot, thread } = this.place;
    const sum = counts.tryAdd(slot, thread, this.#first + field, limit);
    if (sum >= limit || this.#gauges.tracksRemaining) this.#show(field, limit);
    return sum > 0;
  }

  #give(field: number, limit: number): void {
    this.#add(field, -1);
    if (this.#gauges.isOpen(field) || this.#gauges.tracksRemaining) this.#show(field, limit);
  }

  #add(field: number, amount: number): void {
    const { counts, slot, thread } = this.place;
    counts.add(slot, thread, this.#first + field, amount);
  }

  #showAll(): void {
    const { connections, pending, requests } = this.#limits;
    [connections, pending, requests, this.#retryLimit()].forEach((limit, field) => this.#show(field, limit));
  }

  #show(field: number, limit: number): void {
    this.#gauges.show(field, limit, this.place);
  }
}

const GAUGES = [['cx', CONNECTIONS], ['rq_pending', PENDING], ['rq', REQUESTS], ['rq_retry', RETRIES]] as const;
const REMAINING = [['cx', CONNECTIONS], ['pending', PENDING], ['rq', REQUESTS], ['retries', RETRIES]] as const;
const REMAINING_SHAPE = new StatShape('circuit-breakers-remaining', {
  counter: [], gauge: REMAINING.map(([name]) => `remaining_${name}`), histogram: [],
});

/**
 * `circuit_breakers.default.*` or `.high.*`, made so that the workers' values add up: what remains is the limit, told
 * by worker 0, less what each holds. An `…_open` gauge over 0 means open, as the workers that hold something saw it
 * last.
 */
class BreakerGauges {
  readonly #stats: Stats;
  readonly #scope: StatScope;
  readonly #priority: RequestPriority;
  /** What has never been open has no gauge yet. */
  #open: Gauge[] | undefined = undefined;
  #remaining: Gauge[] | undefined = undefined;

  constructor(stats: Stats, scope: StatScope, priority: RequestPriority, trackRemaining: boolean) {
    this.#stats = stats;
    this.#scope = scope;
    this.#priority = priority;
    this.trackRemaining(trackRemaining);
  }

  /** Then every change is shown; otherwise only what opens or closes. */
  get tracksRemaining(): boolean {
    return this.#remaining !== undefined;
  }

  isOpen(field: number): boolean {
    return this.#open !== undefined && this.#open[field]!.value > 0;
  }

  trackRemaining(on: boolean): void {
    if (!on || this.#remaining !== undefined) return;
    const block = this.#stats.block(REMAINING_SHAPE, innerScope(this.#scope, `circuit_breakers.${this.#priority}`));
    this.#remaining = [];
    for (const [name, field] of REMAINING) this.#remaining[field] = block.gauge(`remaining_${name}`);
  }

  show(field: number, limit: number, { counts, slot, thread }: BreakerPlace): void {
    const counted = FIRST_FIELD[this.#priority] + field;
    const own = counts.own(slot, thread, counted);
    // One that lets nobody in is never seen open, as in Envoy: nobody holds what it gave.
    const open = own > 0 && counts.sum(slot, counted) >= limit;
    if (open || this.#open !== undefined) (this.#open ??= this.#makeOpen())[field]!.set(open ? 1 : 0);
    this.#remaining?.[field]!.set((thread === 0 ? limit : 0) - own);
  }

  #makeOpen(): Gauge[] {
    const gauges: Gauge[] = [];
    for (const [name, field] of GAUGES) {
      gauges[field] = this.#stats.gauge(statName(this.#scope, `circuit_breakers.${this.#priority}.${name}_open`));
    }
    return gauges;
  }
}
