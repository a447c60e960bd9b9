// What a load-balancing policy is: it builds a picker over a list of endpoints, and the picker chooses.
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';

/** Chooses among the endpoints of one priority. Immutable but for its own cursor: a changed list gets a new picker. */
export interface HostPicker {
  choose(hash: number | undefined): Endpoint;
}

/** Builds a picker over a list that isn't empty. */
export type HostPickerFactory = (endpoints: readonly Endpoint[], random: Random) => HostPicker;

/** True when no endpoint weighs more than another, so that the cheaper form of a policy will do. */
export function equallyWeighted(endpoints: readonly Endpoint[]): boolean {
  const weight = endpoints[0]?.weight;
  return endpoints.every((endpoint) => endpoint.weight === weight);
}

/** A whole number in [0, below). */
export function randomIndex(random: Random, below: number): number {
  return Math.floor(random.float() * below);
}
