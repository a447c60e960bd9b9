// Outlier detection: an endpoint that fails in a row, or more than others, is left out for a while, longer each time.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { EjectionKind, FailureKind, OutlierSettings } from './outlier-settings.ts';
import { failing, outliers } from './outlier-shares.ts';
import type { OutlierState } from './outlier-state.ts';
import { OutlierStats } from './outlier-stats.ts';
import type { Outcome } from './upstream.ts';

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
  /** Runs while there is anything to look at, which for most clusters of a mesh is never. */
  readonly #interval: Timer;
  readonly #makeStats: () => OutlierStats;
  /** From when there are settings. */
  #stats: OutlierStats | undefined = undefined;
  #settings: OutlierSettings | undefined;

  constructor(
    settings: OutlierSettings | undefined, owner: OutlierOwner,
    deps: { readonly clock: Clock; readonly timers: TimerWheel; readonly random: Random; readonly stats: Stats },
    scope: StatScope,
  ) {
    this.#owner = owner;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#interval = new Timer(deps.timers, this);
    this.#makeStats = () => new OutlierStats(deps.stats, scope);
    this.#settings = settings;
    if (settings !== undefined) this.#stats = this.#makeStats();
  }

  /** Without settings nobody is ejected any more, and those that are out return. */
  setSettings(settings: OutlierSettings | undefined): void {
    this.#settings = settings;
    if (settings === undefined) this.#returnAll();
    else this.#stats ??= this.#makeStats();
  }

  close(): void {
    this.#interval.cancel();
    this.#stats?.active.set(0);
  }

  /** Endpoints came or left. */
  recount(): void {
    this.#stats?.active.set(this.#ejectedCount());
  }

  report(state: OutlierState, outcome: Outcome): void {
    const settings = this.#settings;
    if (settings === undefined || outcome === 'cancelled') return;
    if (!this.#interval.armed) this.#interval.arm(settings.intervalMs);
    if (typeof outcome !== 'number' && settings.splitsLocal) {
      if (outcome === 'connected') return;
      state.local.add(false);
      this.#count(state, settings, 'consecutive_local_origin_failure', true);
      return;
    }
    const status = typeof outcome === 'number' ? outcome : STATUSES[outcome];
    state.responses.add(status < 500);
    this.#count(state, settings, 'consecutive_gateway_failure', status >= 502 && status <= 504);
    this.#count(state, settings, 'consecutive_5xx', status >= 500);
  }

  /** A try has its connection. Told apart from responses it counts at once, as in Envoy: what follows is another's. */
  onConnected(state: OutlierState): void {
    if (this.#settings?.splitsLocal !== true) return;
    state.inARow.consecutive_local_origin_failure = 0;
    state.local.add(true);
  }

  /** A health check of an ejected endpoint passed. */
  onCheckPassed(state: OutlierState): void {
    if (!state.ejected || this.#settings?.checkReturns !== true) return;
    state.return(this.#clock.nowMs());
    this.#changed();
  }

  /** Returns those whose time is up, looks at the interval's shares, and forgives the others a little. */
  onTimer(): void {
    const settings = this.#settings;
    if (settings === undefined) return;
    const now = this.#clock.nowMs();
    const states = [...this.#owner.outlierStates()];
    const due = states.filter((state) => state.isDue(now));
    for (const state of due) state.return(now);
    const wasUsed = states.some(({ responses, local }) => responses.total + local.total > 0);
    this.#judgeShares(settings, states);
    for (const state of states) {
      state.responses.clear();
      state.local.clear();
      const inPeace = !state.ejected && now - state.returnedMs >= settings.intervalMs;
      if (inPeace && state.backoff > 0) state.backoff--;
    }
    const watched = wasUsed || states.some(({ ejected, backoff }) => ejected || backoff > 0);
    if (watched && !this.#interval.armed) this.#interval.arm(settings.intervalMs);
    if (due.length > 0) this.#changed();
  }

  #judgeShares(settings: OutlierSettings, states: readonly OutlierState[]): void {
    for (const part of ['responses', 'local'] as const) {
      if (part === 'local' && !settings.splitsLocal) continue;
      const prefix = part === 'local' ? 'local_origin_' : '';
      for (const state of outliers(states, part, settings.successRate)) {
        this.#detect(state, settings, `${prefix}success_rate`);
      }
      for (const state of failing(states, part, settings.failurePercentage)) {
        this.#detect(state, settings, `${prefix}failure_percentage`);
      }
    }
  }

  #count(state: OutlierState, settings: OutlierSettings, kind: FailureKind, failed: boolean): void {
    const { inARow } = state;
    inARow[kind] = failed ? inARow[kind] + 1 : 0;
    const failures = settings.inARow[kind];
    if (failures === 0 || inARow[kind] < failures || state.ejected) return;
    inARow[kind] = 0;
    this.#detect(state, settings, kind);
  }

  #detect(state: OutlierState, settings: OutlierSettings, kind: EjectionKind): void {
    this.#stats?.detected(kind).inc();
    if (state.ejected) return;
    if (!this.#mayEject(settings)) this.#stats?.overflow.inc();
    else if (this.#random.float() * 100 < settings.enforcingPercent[kind]) this.#eject(state, settings, kind);
  }

  /** The share counts the one that is to go, as in Envoy: of three endpoints none goes at 10 %. */
  #mayEject({ maxEjectionPercent, ejectsOneAlways }: OutlierSettings): boolean {
    const ejected = this.#ejectedCount();
    if (ejectsOneAlways && ejected === 0) return true;
    return (100 * (ejected + 1)) / this.#owner.endpointCount <= maxEjectionPercent;
  }

  #eject(state: OutlierState, settings: OutlierSettings, kind: EjectionKind): void {
    const { baseEjectionMs, maxEjectionMs, jitterMs } = settings;
    if (state.backoff * baseEjectionMs < maxEjectionMs + baseEjectionMs) state.backoff++;
    const ms = Math.min(baseEjectionMs * state.backoff, maxEjectionMs) + jitterMs * this.#random.float();
    state.eject(this.#clock.nowMs() + ms);
    this.#stats?.enforced(kind).inc();
    this.#stats?.enforcedTotal.inc();
    if (!this.#interval.armed) this.#interval.arm(settings.intervalMs);
    this.#changed();
  }

  #returnAll(): void {
    this.#interval.cancel();
    const now = this.#clock.nowMs();
    for (const state of this.#owner.outlierStates()) if (state.ejected) state.return(now);
    this.#changed();
  }

  #changed(): void {
    this.recount();
    this.#owner.onEjectionChange();
  }

  #ejectedCount(): number {
    let count = 0;
    for (const state of this.#owner.outlierStates()) if (state.ejected) count++;
    return count;
  }
}

/** Envoy's codes for what is no response. */
const STATUSES: Readonly<Record<Exclude<Outcome, number | 'cancelled'>, number>> = {
  connected: 200, timeout: 504, 'try-timeout': 504, 'try-idle-timeout': 504, 'connect-failure': 503, reset: 503,
};
