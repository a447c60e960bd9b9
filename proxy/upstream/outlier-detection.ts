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
import { JUDGING } from './peers.ts';
import type { ClusterPeers } from './peers.ts';
import type { Outcome } from './upstream.ts';

export interface OutlierOwner {
  /** States of all endpoints of the cluster. */
  outlierStates(): Iterable<OutlierState>;
  readonly endpointCount: number;
  readonly peers: ClusterPeers;
  /** An endpoint was ejected or has returned, as this worker sees it. */
  onEjectionChange(): void;
}

interface OutlierDeps {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly random: Random;
  readonly stats: Stats;
  /** This worker tells how many are out. */
  readonly tellsMembership: boolean;
}

/**
 * One cluster's, in one worker. What it counts is in records that all workers share: whoever sees the last of so many
 * failures ejects, and one worker looks at all at the end of each interval.
 */
export class OutlierDetector implements TimerTarget {
  readonly #owner: OutlierOwner;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Runs while there is anything to look at, which for most clusters of a mesh is never. */
  readonly #interval: Timer;
  readonly #makeStats: () => OutlierStats;
  /** From when there are settings. */
  #stats: OutlierStats | undefined = undefined;
  readonly #tells: boolean;
  #settings: OutlierSettings | undefined;

  constructor(
    settings: OutlierSettings | undefined, owner: OutlierOwner,
    deps: OutlierDeps, scope: StatScope,
  ) {
    this.#owner = owner;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#interval = new Timer(deps.timers, this);
    this.#makeStats = () => new OutlierStats(deps.stats, scope);
    this.#settings = settings;
    if (settings !== undefined) this.#stats = this.#makeStats();
    this.#tells = deps.tellsMembership;
  }

  /** Without settings nobody is ejected any more, and those that are out return. */
  setSettings(settings: OutlierSettings | undefined): void {
    this.#settings = settings;
    if (settings === undefined) this.#returnAll();
    else this.#stats ??= this.#makeStats();
  }

  close(): void {
    this.#settings = undefined;
    this.#rest();
    this.#stats?.active.set(0);
  }

  /** Endpoints came or left. */
  recount(): void {
    if (!this.#tells || this.#stats === undefined) return;
    let count = 0;
    for (const { ejected } of this.#owner.outlierStates()) if (ejected) count++;
    this.#stats.active.set(count);
  }

  /** Another worker has ejected or returned somebody, or has died: its intervals are for the taking then. */
  learn(): void {
    const now = this.#clock.nowMs();
    let changed = false;
    let watched = false;
    for (const state of this.#owner.outlierStates()) {
      changed = state.learn(now) || changed;
      watched ||= state.ejected;
    }
    if (watched) this.#watch();
    if (changed) this.#changed();
  }

  report(state: OutlierState, outcome: Outcome): void {
    const settings = this.#settings;
    if (settings === undefined || outcome === 'cancelled') return;
    if (!this.#interval.armed) this.#watch();
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
    if (this.#settings?.splitsLocal === true) state.connected();
  }

  /** A health check of an ejected endpoint passed. */
  onCheckPassed(state: OutlierState): void {
    if (!state.leaves || this.#settings?.checkReturns !== true) return;
    if (this.#return(state)) this.#changedByThis();
  }

  /** Returns those whose time is up, looks at the interval's shares, and forgives the others a little. */
  onTimer(): void {
    const settings = this.#settings;
    if (settings === undefined) return;
    const now = this.#owner.peers.nowMs();
    const states = [...this.#owner.outlierStates()];
    const due = states.filter((state) => state.isDue(now));
    for (const state of due) this.#return(state);
    for (const state of states) state.unstick();
    const wasUsed = states.some(({ responses, local }) => responses.total + local.total > 0);
    this.#judgeShares(settings, states);
    for (const state of states) {
      state.responses.clear();
      state.local.clear();
      const inPeace = !state.leaves && now - state.inSinceMs >= settings.intervalMs;
      if (inPeace && state.backoff > 0) state.backoff--;
    }
    if (wasUsed || states.some(({ leaves, backoff }) => leaves || backoff > 0)) this.#watch();
    else this.#rest();
    if (due.length > 0) this.#changedByThis();
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
    if (state.count(kind, failed, settings.inARow[kind])) this.#detect(state, settings, kind);
  }

  #detect(state: OutlierState, settings: OutlierSettings, kind: EjectionKind): void {
    this.#stats?.detected(kind).inc();
    if (!state.judge()) return;
    const may = this.#mayEject(settings);
    if (!may) this.#stats?.overflow.inc();
    if (may && this.#random.float() * 100 < settings.enforcingPercent[kind]) this.#eject(state, settings, kind);
    else state.spare();
  }

  /**
   * The share counts the one that is to go, as in Envoy: of three endpoints none goes at 10 %. It counts already, so
   * that workers which race never let too many go; at worst they let none.
   */
  #mayEject({ maxEjectionPercent, ejectsOneAlways }: OutlierSettings): boolean {
    let leaving = 0;
    for (const { leaves } of this.#owner.outlierStates()) if (leaves) leaving++;
    return (ejectsOneAlways && leaving === 1) || (100 * leaving) / this.#owner.endpointCount <= maxEjectionPercent;
  }

  #eject(state: OutlierState, settings: OutlierSettings, kind: EjectionKind): void {
    const { baseEjectionMs, maxEjectionMs, jitterMs } = settings;
    if (state.backoff * baseEjectionMs < maxEjectionMs + baseEjectionMs) state.backoff++;
    const ms = Math.min(baseEjectionMs * state.backoff, maxEjectionMs) + jitterMs * this.#random.float();
    state.eject(this.#owner.peers.nowMs() + ms);
    this.#stats?.enforced(kind).inc();
    this.#stats?.enforcedTotal.inc();
    if (!this.#interval.armed) this.#watch();
    this.#changedByThis();
  }

  #return(state: OutlierState): boolean {
    return state.return(this.#owner.peers.nowMs(), this.#clock.nowMs());
  }

  /** One worker's intervals are enough. */
  #watch(): void {
    const settings = this.#settings;
    if (settings === undefined || this.#interval.armed || !this.#owner.peers.takeDuty(JUDGING)) return;
    this.#interval.arm(settings.intervalMs);
  }

  #rest(): void {
    this.#interval.cancel();
    this.#owner.peers.leaveDuty(JUDGING);
    // Who has ejected meanwhile saw that this worker did it.
    for (const { leaves } of this.#owner.outlierStates()) if (leaves) this.#watch();
  }

  #returnAll(): void {
    this.#rest();
    for (const state of this.#owner.outlierStates()) if (state.leaves) this.#return(state);
    this.#changedByThis();
  }

  #changedByThis(): void {
    this.#changed();
    this.#owner.peers.tell();
  }

  #changed(): void {
    this.recount();
    this.#owner.onEjectionChange();
  }
}

/** Envoy's codes for what is no response. */
const STATUSES: Readonly<Record<Exclude<Outcome, number | 'cancelled'>, number>> = {
  connected: 200, timeout: 504, 'try-timeout': 504, 'try-idle-timeout': 504, 'connect-failure': 503, reset: 503,
};
