// Outlier detection: an endpoint that fails several times in a row is left out for a while, longer each time.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { OutlierDetection as Config } from '../config/cluster.ts';
import { msOr } from '../config/duration.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import type { Outcome } from './upstream.ts';

/** One way to fail in a row: how often ejects (0: never), and in what share of the cases it really does. */
interface Rule {
  readonly failures: number;
  readonly enforcingPercent: number;
}

export interface OutlierSettings {
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number;
  readonly rules: Readonly<Record<FailureKind, Rule>>;
  /** Connection failures and timeouts are a kind of their own instead of a 503 or 504. */
  readonly splitsLocal: boolean;
}

type FailureKind = 'consecutive_5xx' | 'consecutive_gateway_failure' | 'consecutive_local_origin_failure';
const KINDS: readonly FailureKind[] = [
  'consecutive_5xx', 'consecutive_gateway_failure', 'consecutive_local_origin_failure',
];

/** Envoy's defaults. */
export function outlierSettings(config: Config | undefined): OutlierSettings | undefined {
  if (config === undefined) return undefined;
  const rule = (failures = 5, enforcingPercent = 100): Rule => ({ failures, enforcingPercent });
  const baseEjectionMs = msOr(config.baseEjectionTime, 30_000);
  return {
    intervalMs: msOr(config.interval, 10_000),
    baseEjectionMs,
    maxEjectionMs: Math.max(baseEjectionMs, msOr(config.maxEjectionTime, 300_000)),
    maxEjectionPercent: config.maxEjectionPercent ?? 10,
    splitsLocal: config.splitExternalLocalOriginErrors ?? false,
    rules: {
      consecutive_5xx: rule(config.consecutive5xx, config.enforcingConsecutive5xx),
      consecutive_gateway_failure:
        rule(config.consecutiveGatewayFailure, config.enforcingConsecutiveGatewayFailure ?? 0),
      consecutive_local_origin_failure:
        rule(config.consecutiveLocalOriginFailure, config.enforcingConsecutiveLocalOriginFailure),
    },
  };
}

/** What is known about one endpoint; kept with it, so that it outlives configuration. */
export class OutlierState {
  readonly inARow: Record<FailureKind, number> = {
    consecutive_5xx: 0, consecutive_gateway_failure: 0, consecutive_local_origin_failure: 0,
  };
  /** `clock.nowMs()` at which it may return; 0 while it is in. */
  ejectedUntilMs = 0;
  /** How many times the base ejection time it was out last; goes down by one per interval in which it stays in. */
  backoff = 0;

  get ejected(): boolean {
    return this.ejectedUntilMs > 0;
  }
}

export interface OutlierOwner {
  /** States of all endpoints of the cluster. */
  outlierStates(): Iterable<OutlierState>;
  readonly endpointCount: number;
  /** An endpoint was ejected or has returned. */
  onEjectionChange(): void;
}

/** One cluster's, in one worker: each worker judges by what it sees itself. */
export class OutlierDetector implements TimerTarget {
  readonly #owner: OutlierOwner;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #interval: Timer;
  readonly #stats: OutlierStats;
  #settings: OutlierSettings | undefined;

  constructor(
    settings: OutlierSettings | undefined, owner: OutlierOwner,
    deps: { readonly clock: Clock; readonly timers: TimerWheel; readonly random: Random; readonly stats: Stats },
    scope: StatScope,
  ) {
    this.#settings = settings;
    this.#owner = owner;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#interval = new Timer(deps.timers, this);
    this.#stats = new OutlierStats(deps.stats, scope);
  }

  /** Without settings nobody is ejected any more, and those that are out return. */
  setSettings(settings: OutlierSettings | undefined): void {
    this.#settings = settings;
    if (settings === undefined) this.#returnAll();
  }

  close(): void {
    this.#interval.cancel();
    this.#stats.active.set(0);
  }

  report(state: OutlierState, outcome: Outcome): void {
    const settings = this.#settings;
    if (settings === undefined || outcome === 'cancelled') return;
    if (typeof outcome !== 'number' && settings.splitsLocal) {
      this.#count(state, settings, 'consecutive_local_origin_failure', true);
      return;
    }
    // A response means that connecting went well.
    if (settings.splitsLocal) state.inARow.consecutive_local_origin_failure = 0;
    const status = typeof outcome === 'number' ? outcome : statusOf(outcome);
    this.#count(state, settings, 'consecutive_gateway_failure', status >= 502 && status <= 504);
    this.#count(state, settings, 'consecutive_5xx', status >= 500);
  }

  /** Returns those whose time is up, and forgives the others a little. */
  onTimer(): void {
    const now = this.#clock.nowMs();
    let watched = false;
    let returned = 0;
    for (const state of this.#owner.outlierStates()) {
      if (state.ejected && state.ejectedUntilMs <= now) {
        state.ejectedUntilMs = 0;
        returned++;
      } else if (!state.ejected && state.backoff > 0) {
        state.backoff--;
      }
      watched ||= state.ejected || state.backoff > 0;
    }
    if (watched && this.#settings !== undefined) this.#interval.arm(this.#settings.intervalMs);
    if (returned > 0) this.#changed();
  }

  #count(state: OutlierState, settings: OutlierSettings, kind: FailureKind, failed: boolean): void {
    const { inARow } = state;
    inARow[kind] = failed ? inARow[kind] + 1 : 0;
    const { failures, enforcingPercent } = settings.rules[kind];
    if (failures === 0 || inARow[kind] < failures || state.ejected) return;
    inARow[kind] = 0;
    this.#stats.detected[kind].inc();
    if (this.#random.float() * 100 >= enforcingPercent) return;
    if (this.#mayEject(settings)) this.#eject(state, settings, kind);
    else this.#stats.overflow.inc();
  }

  /** The share that is out already counts, so that one may go however few there are, as in Envoy. */
  #mayEject({ maxEjectionPercent }: OutlierSettings): boolean {
    return (100 * this.#ejectedCount()) / this.#owner.endpointCount < maxEjectionPercent;
  }

  #eject(state: OutlierState, settings: OutlierSettings, kind: FailureKind): void {
    state.backoff++;
    const ms = Math.min(settings.baseEjectionMs * state.backoff, settings.maxEjectionMs);
    state.ejectedUntilMs = this.#clock.nowMs() + ms;
    this.#stats.enforced[kind].inc();
    this.#stats.enforcedTotal.inc();
    if (!this.#interval.armed) this.#interval.arm(settings.intervalMs);
    this.#changed();
  }

  #returnAll(): void {
    this.#interval.cancel();
    for (const state of this.#owner.outlierStates()) state.ejectedUntilMs = 0;
    this.#changed();
  }

  #changed(): void {
    this.#stats.active.set(this.#ejectedCount());
    this.#owner.onEjectionChange();
  }

  #ejectedCount(): number {
    let count = 0;
    for (const state of this.#owner.outlierStates()) if (state.ejected) count++;
    return count;
  }
}

/** Envoy's codes for failures without a response. */
function statusOf(outcome: Exclude<Outcome, number>): number {
  return outcome === 'timeout' ? 504 : 503;
}

class OutlierStats {
  readonly active: Gauge;
  readonly overflow: Counter;
  readonly enforcedTotal: Counter;
  readonly detected: Readonly<Record<FailureKind, Counter>>;
  readonly enforced: Readonly<Record<FailureKind, Counter>>;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, `outlier_detection.${name}`));
    const byKind = (verb: string): Record<FailureKind, Counter> => (
      Object.fromEntries(KINDS.map((kind) => [kind, counter(`${verb}_${kind}`)])) as Record<FailureKind, Counter>
    );
    this.active = stats.gauge(statName(scope, 'outlier_detection.ejections_active'));
    this.overflow = counter('ejections_overflow');
    this.enforcedTotal = counter('ejections_enforced_total');
    this.detected = byKind('ejections_detected');
    this.enforced = byKind('ejections_enforced');
  }
}
