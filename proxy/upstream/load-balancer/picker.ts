// The immutable picker of a cluster: which priority, then which of its endpoints. Rebuilt when endpoints change.
import type { Random } from '../../base/random.ts';
import type { Counter } from '../../telemetry/stats.ts';
import type { Endpoint, PickContext, PickResult } from '../upstream.ts';
import { randomIndex } from './host-picker.ts';
import type { HostPicker, HostPickerFactory } from './host-picker.ts';
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
}

export interface PickerOptions extends PriorityOptions {
  readonly policy: HostPickerFactory;
  readonly random: Random;
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
  return shares.length === 0 ? emptyPicker : new PriorityPicker(shares, options.random);
}

/** A list that takes picks whose draw is below `limit`; undefined where configuration refuses to use it. */
interface Share {
  readonly limit: number;
  readonly picker: HostPicker | undefined;
  readonly panicked: Counter | undefined;
}

function addShares(shares: Share[], endpoints: PriorityEndpoints, load: PriorityLoad, options: PickerOptions): void {
  const { policy, random, failOnPanic, panicked } = options;
  const add = (percent: number, list: readonly Endpoint[]): void => {
    if (percent === 0) return;
    const used = load.panic ? endpoints.all : list;
    const picker = load.panic && failOnPanic ? undefined : policy(used, random);
    shares.push({ limit: (shares.at(-1)?.limit ?? 0) + percent, picker, panicked: load.panic ? panicked : undefined });
  };
  add(load.healthyPercent, endpoints.healthy);
  add(load.degradedPercent, endpoints.degraded);
}

class PriorityPicker implements Picker {
  readonly #shares: readonly Share[];
  readonly #random: Random;

  constructor(shares: readonly Share[], random: Random) {
    this.#shares = shares;
    this.#random = random;
  }

  pick(context: PickContext | undefined): PickResult {
    const share = this.#shares.length === 1 ? this.#shares[0]! : this.#draw();
    share.panicked?.inc();
    const picker = share.picker;
    if (picker === undefined) return 'unavailable';
    if (context === undefined) return picker.choose(undefined);
    let endpoint = picker.choose(context.hash);
    for (let again = 0; again < context.maxAttempts && context.avoid(endpoint); again++) {
      endpoint = picker.choose(context.hash);
    }
    return endpoint;
  }

  #draw(): Share {
    const shares = this.#shares;
    const draw = randomIndex(this.#random, 100);
    let i = 0;
    while (draw >= shares[i]!.limit) i++;
    return shares[i]!;
  }
}
