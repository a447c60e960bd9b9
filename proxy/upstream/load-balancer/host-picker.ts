// What a load-balancing policy is: it builds a picker over a list of endpoints, and the picker chooses.
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Hash64 } from '../../base/xx-hash.ts';
import type { Endpoint } from '../upstream.ts';

/** Chooses among the endpoints of one priority. Immutable but for its own cursor: a changed list gets a new picker. */
export interface HostPicker {
  /** `attempt` is 0 first, and counts up when a pick is asked again because its endpoint is to be avoided. */
  choose(hash: Hash64 | undefined, attempt: number): Endpoint;
}

export interface PolicyDeps {
  readonly random: Random;
  readonly clock: Clock;
}

/**
 * Builds a picker over a list that isn't empty. `shares` are weights that replace the endpoints' own, where policies by
 * hash must know their localities' weights.
 */
export type HostPickerFactory = (
  endpoints: readonly Endpoint[], deps: PolicyDeps, shares?: readonly number[],
) => HostPicker;

/** True when no endpoint weighs more than another, so that the cheaper form of a policy will do. */
export function equallyWeighted(endpoints: readonly Endpoint[]): boolean {
  const weight = endpoints[0]?.weight;
  return endpoints.every((endpoint) => endpoint.weight === weight);
}

/** A whole number in [0, below). */
export function randomIndex(random: Random, below: number): number {
  return Math.floor(random.float() * below);
}

/** All 64 bits at random, for a request without a hash of its own. */
export function randomHash(random: Random): Hash64 {
  return { hi: randomIndex(random, 2 ** 32), lo: randomIndex(random, 2 ** 32) };
}
