// The immutable picker of a cluster: which priority, then which of its endpoints. Rebuilt when endpoints change.
import { remainder } from '../../base/xx-hash.ts';
import type { Hash64 } from '../../base/xx-hash.ts';
import type { Random } from '../../base/random.ts';
import type { Counter } from '../../telemetry/stats.ts';
import type { Endpoint, PickContext, PickResult } from '../upstream.ts';
import { randomHash, randomIndex } from './host-picker.ts';
import type { HostPicker, HostPickerFactory, PolicyDeps } from './host-picker.ts';
import { localityPicker } from './locality.ts';
import type { LocalityEndpoints } from './locality.ts';
import { priorityLoads } from './priority-load.ts';
import type { PriorityLoad, PriorityOptions } from './priority-load.ts';

/** Answers at once, from what is known. */
export interface Picker {
  pick(context: PickContext | undefined): PickResult;
}

/** A cluster that doesn't know its endpoints yet. */
export const warmingPicker: Picker = { pick: () => 'queue' };

/** A cluster without an endpoint that may be used. */
export const emptyPicker: Picker = { pick: () => 'unavailable' };

/** The endpoints of one priority by health; `all` holds the unhealthy ones as well. */
export interface PriorityEndpoints {
  readonly all: readonly Endpoint[];
  readonly healthy: readonly Endpoint[];
  readonly degraded: readonly Endpoint[];
  /** The same by locality. */
  readonly localities: readonly LocalityEndpoints[];
}

export interface PickerOptions extends PriorityOptions, PolicyDeps {
  readonly policy: HostPickerFactory;
  /** The policy chooses by hash: then the priority is chosen by it as well, and localities' weights go into shares. */
  readonly byHash: boolean;
  /** Localities get traffic by their weights (locality_weighted_lb_config). */
  readonly byLocality: boolean;
  /** Answer `unavailable` rather than use unhealthy endpoints (fail_traffic_on_panic). Default false. */
  readonly failOnPanic: boolean;
  /** cluster.<name>.lb_healthy_panic: picks made without regard to health. */
  readonly panicked: Counter;
}

/** Endpoints by priority, 0 first; a priority may be empty. */
export function buildPicker(priorities: readonly PriorityEndpoints[], options: PickerOptions): Picker {
  const health = priorities.map(({ all, healthy, degraded }) => (
    { total: all.length, healthy: healthy.length, degraded: degraded.length }
  ));
  const shares: Share[] = [];
  priorityLoads(health, options).forEach((load, i) => addShares(shares, priorities[i]!, load, options));
  if (shares.length > 0) return new PriorityPicker(shares, options);
  return options.panicPercent === 0 ? emptyPicker : panickedPicker(options.panicked);
}

/** Without an endpoint there is panic too, as in Envoy. */
function panickedPicker(panicked: Counter): Picker {
  return {
    pick: () => {
      panicked.inc();
      return 'unavailable';
    },
  };
}

/** A list that takes picks whose draw is below `limit`; undefined where configuration refuses to use it. */
interface Share {
  readonly limit: number;
  readonly picker: HostPicker | undefined;
  readonly panicked: Counter | undefined;
}

function addShares(shares: Share[], endpoints: PriorityEndpoints, load: PriorityLoad, options: PickerOptions): void {
  const add = (percent: number, kind: 'healthy' | 'degraded'): void => {
    if (percent === 0) return;
    const panicked = load.panic ? options.panicked : undefined;
    const limit = (shares.at(-1)?.limit ?? 0) + percent;
    shares.push({ limit, picker: pickerOf(endpoints, load.panic ? 'all' : kind, options), panicked });
  };
  add(load.healthyPercent, 'healthy');
  add(load.degradedPercent, 'degraded');
}

function pickerOf(
  endpoints: PriorityEndpoints, kind: 'all' | 'healthy' | 'degraded', options: PickerOptions,
): HostPicker | undefined {
  if (kind === 'all' && options.failOnPanic) return undefined;
  const weighted = options.byLocality ? localityPicker(endpoints.localities, kind, options) : undefined;
  return weighted ?? options.policy(endpoints[kind], options);
}

class PriorityPicker implements Picker {
  readonly #shares: readonly Share[];
  readonly #random: Random;
  readonly #byHash: boolean;

  constructor(shares: readonly Share[], { random, byHash }: PickerOptions) {
    this.#shares = shares;
    this.#random = random;
    this.#byHash = byHash;
  }

  pick(context: PickContext | undefined): PickResult {
    const hash = this.#byHash ? (context?.hash ?? randomHash(this.#random)) : undefined;
    const share = this.#shares.length === 1 ? this.#shares[0]! : this.#draw(hash);
    share.panicked?.inc();
    const picker = share.picker;
    if (picker === undefined) return 'unavailable';
    let endpoint = picker.choose(hash, 0);
    if (context === undefined) return endpoint;
    for (let again = 1; again <= context.maxAttempts && context.avoid(endpoint); again++) {
      endpoint = picker.choose(hash, again);
    }
    return endpoint;
  }

  #draw(hash: Hash64 | undefined): Share {
    const shares = this.#shares;
    const draw = hash === undefined ? randomIndex(this.#random, 100) : remainder(hash, 100);
    let i = 0;
    while (draw >= shares[i]!.limit) i++;
    return shares[i]!;
  }
}
