// Slow start: an endpoint that has just become healthy gets a growing share of what its weight promises (F11).
import type { Clock } from '../../base/clock.ts';
import type { Endpoint } from '../upstream.ts';

/** Envoy's slow_start_config, Istio's warmup. */
export interface SlowStart {
  readonly windowMs: number;
  /** 1 grows linearly; more rises faster at first. */
  readonly aggression: number;
  /** The least share of the weight, in 0..1. */
  readonly minShare: number;
}

/** Weight without requests in flight, of now. */
export type Weigh = (endpoint: Endpoint) => number;

export function weighing(slowStart: SlowStart | undefined, clock: Clock): Weigh {
  if (slowStart === undefined) return (endpoint) => endpoint.weight;
  return (endpoint) => endpoint.weight * shareOf(endpoint, slowStart, clock.nowMs());
}

/** Whether one of them has not yet its full weight. */
export function anyStarting(endpoints: readonly Endpoint[], slowStart: SlowStart | undefined, clock: Clock): boolean {
  if (slowStart === undefined) return false;
  const now = clock.nowMs();
  return endpoints.some(({ healthySinceMs }) => now - healthySinceMs < slowStart.windowMs);
}

/** Envoy's: max(min_weight_percent, (time / window) ^ (1 / aggression)), where no time counts as a millisecond. */
function shareOf({ healthySinceMs }: Endpoint, { windowMs, aggression, minShare }: SlowStart, now: number): number {
  const elapsed = now - healthySinceMs;
  if (elapsed >= windowMs) return 1;
  const factor = Math.max(elapsed, 1) / windowMs;
  return Math.max(minShare, aggression === 1 ? factor : factor ** (1 / aggression));
}
