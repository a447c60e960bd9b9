// Locality-weighted balancing: first a locality in proportion to its weight and health, then an endpoint of it.
import type { Hash64 } from '../../base/xx-hash.ts';
import type { Endpoint } from '../upstream.ts';
import { EdfSchedule } from './edf-schedule.ts';
import type { HostPicker, HostPickerFactory, PolicyDeps } from './host-picker.ts';

/** The endpoints of one locality in one priority. */
export interface LocalityEndpoints {
  /** region/zone/sub-zone. */
  readonly name: string;
  /** LocalityLbEndpoints.load_balancing_weight; 0 where none is given: it gets nothing then. */
  readonly weight: number;
  readonly all: readonly Endpoint[];
  readonly healthy: readonly Endpoint[];
  readonly degraded: readonly Endpoint[];
}

/** The endpoints of one priority by health; `all` holds the unhealthy ones as well. */
export interface PriorityEndpoints {
  readonly all: readonly Endpoint[];
  readonly healthy: readonly Endpoint[];
  readonly degraded: readonly Endpoint[];
  /** Of `all`, those that don't count when it is asked whether enough are healthy. Default 0. */
  readonly excluded?: number;
  /** The same by locality. */
  readonly localities: readonly LocalityEndpoints[];
}

export interface LocalityOptions extends PolicyDeps {
  readonly policy: HostPickerFactory;
  readonly byHash: boolean;
  readonly overprovisioningPercent: number;
}

/** Undefined where no locality has a weight, and in panic, when localities don't count but for hashes. */
export function localityPicker(
  localities: readonly LocalityEndpoints[], kind: 'all' | 'healthy' | 'degraded', options: LocalityOptions,
): HostPicker | undefined {
  if (options.byHash) return sharedPicker(localities, kind, options);
  if (kind === 'all') return undefined;
  const rotation: WeightedLocality[] = [];
  for (const locality of localities) {
    const weight = effectiveWeight(locality, locality[kind].length, options.overprovisioningPercent);
    if (weight > 0) rotation.push({ weight, picker: options.policy(locality[kind], options) });
  }
  if (rotation.length === 0) return undefined;
  return rotation.length === 1 ? rotation[0]!.picker : new LocalityRotation(rotation, options);
}

/** Envoy's: what a locality lacks in available endpoints, beyond the overprovisioning, it loses in weight. */
function effectiveWeight({ weight, all }: LocalityEndpoints, available: number, overprovisioning: number): number {
  return available === 0 ? 0 : weight * Math.min(1, (overprovisioning / 100) * (available / all.length));
}

/** One ring or table for all localities, in which their weights are shares; health has no part in them, as in Envoy. */
function sharedPicker(
  localities: readonly LocalityEndpoints[], kind: 'all' | 'healthy' | 'degraded', options: LocalityOptions,
): HostPicker | undefined {
  const endpoints: Endpoint[] = [];
  const shares: number[] = [];
  for (const { weight, [kind]: list } of localities) {
    const sum = list.reduce((total, endpoint) => total + endpoint.weight, 0);
    if (weight === 0) continue;
    for (const endpoint of list) {
      endpoints.push(endpoint);
      shares.push((endpoint.weight / sum) * weight);
    }
  }
  return endpoints.length === 0 ? undefined : options.policy(endpoints, options, shares);
}

interface WeightedLocality {
  readonly weight: number;
  readonly picker: HostPicker;
}

class LocalityRotation implements HostPicker {
  readonly #schedule: EdfSchedule<WeightedLocality>;

  constructor(localities: readonly WeightedLocality[], { random }: PolicyDeps) {
    this.#schedule = new EdfSchedule(localities, ({ weight }) => weight, random);
  }

  choose(hash: Hash64 | undefined, attempt: number): Endpoint {
    return this.#schedule.next().picker.choose(hash, attempt);
  }
}
