// How much of the traffic each priority gets: what the healthy endpoints of one cannot carry spills to the next.

/** Endpoints of one priority, counted. */
export interface PriorityHealth {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
  /** Of `total`, those that don't count when it is asked whether enough are healthy. Default 0. */
  readonly excluded?: number;
}

/**
 * Per priority: percent of the traffic for its healthy and for its degraded endpoints, and whether it ignores health.
 */
export interface PriorityLoad {
  healthyPercent: number;
  degradedPercent: number;
  panic: boolean;
}

export interface PriorityOptions {
  /**
   * A priority counts as complete while healthy * this / total is at least 100 (overprovisioning_factor). Default
   * 140.
   */
  readonly overprovisioningPercent: number;
  /** Under this share of available endpoints all are used (healthy_panic_threshold). Envoy's default 50; 0 is never. */
  readonly panicPercent: number;
}

/** How much of the traffic each priority could carry, in percent. */
export interface Availability {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
}

export function availabilityOf(levels: readonly PriorityHealth[], factor: number): Availability {
  return {
    healthy: levels.map((level) => share(level.healthy * factor, counting(level))),
    degraded: levels.map((level) => share(level.degraded * factor, counting(level))),
  };
}

export function totalOf({ healthy, degraded }: Availability): number {
  return Math.min(100, sum(healthy) + sum(degraded));
}

/** The loads add up to 100, or to 0 when nothing can be used. Envoy's rules, in whole percents as there. */
export function priorityLoads(levels: readonly PriorityHealth[], options: PriorityOptions): PriorityLoad[] {
  const offered = availabilityOf(levels, options.overprovisioningPercent);
  const available = totalOf(offered);
  const panic = levels.map((level) => available < 100 && inPanic(level, options.panicPercent));
  if (available === 0 && options.panicPercent === 0) return spread(levels.map(() => 0), panic);
  if (panic.every(Boolean)) return spread(panicLoads(levels), panic);
  return distribute(offered, panic);
}

/** Gives the traffic to the first priorities that can carry it. */
export function distribute(offered: Availability, panic: readonly boolean[]): PriorityLoad[] {
  const { healthy, degraded } = offered;
  const available = totalOf(offered);
  const loads = spread(panic.map(() => 0), panic);
  let left = 100;
  healthy.forEach((percent, i) => (left -= loads[i]!.healthyPercent = Math.min(left, normal(percent, available))));
  degraded.forEach((percent, i) => (left -= loads[i]!.degradedPercent = Math.min(left, normal(percent, available))));
  giveRest(loads, healthy, degraded, left);
  return loads;
}

function share(amount: number, total: number): number {
  return total === 0 ? 0 : Math.min(100, Math.floor(amount / total));
}

function counting({ total, excluded = 0 }: PriorityHealth): number {
  return total - excluded;
}

function normal(percent: number, available: number): number {
  return available === 0 ? 0 : Math.floor((percent * 100) / available);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function inPanic(level: PriorityHealth, threshold: number): boolean {
  const total = counting(level);
  const percent = total === 0 ? 0 : (100 * (level.healthy + level.degraded)) / total;
  return percent < threshold;
}

function spread(healthyPercents: readonly number[], panic: readonly boolean[]): PriorityLoad[] {
  return healthyPercents.map((healthyPercent, i) => ({ healthyPercent, degradedPercent: 0, panic: panic[i]! }));
}

/** When every priority is in panic, each gets traffic by its number of endpoints. */
function panicLoads(levels: readonly PriorityHealth[]): number[] {
  const total = sum(levels.map((level) => level.total));
  const loads = levels.map((level) => (total === 0 ? 0 : Math.floor((100 * level.total) / total)));
  const first = levels.findIndex((level) => level.total > 0);
  if (first !== -1) loads[first]! += 100 - sum(loads);
  return loads;
}

/** What rounding left over goes to the first priority that has anything to offer. */
function giveRest(loads: PriorityLoad[], healthy: readonly number[], degraded: readonly number[], left: number): void {
  const first = healthy.findIndex((percent) => percent > 0);
  if (first !== -1) {
    loads[first]!.healthyPercent += left;
    return;
  }
  const second = degraded.findIndex((percent) => percent > 0);
  if (second !== -1) loads[second]!.degradedPercent += left;
}
