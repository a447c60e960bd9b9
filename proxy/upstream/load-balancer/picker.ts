// The immutable picker of a cluster: which priority, then which of its endpoints. Rebuilt when endpoints change.
import { remainder } from '../../base/xx-hash.ts';
import type { Hash64 } from '../../base/xx-hash.ts';
import type { Random } from '../../base/random.ts';
import type { Counter } from '../../telemetry/stats.ts';
import type { PickContext, PickResult } from '../upstream.ts';
import { randomHash } from './host-picker.ts';
import type { HostPicker } from './host-picker.ts';
import { localityPicker } from './locality.ts';
import type { PriorityEndpoints } from './locality.ts';
import { availabilityOf, priorityLoads } from './priority-load.ts';
import type { Availability, PriorityLoad, PriorityOptions } from './priority-load.ts';
import { zonePart } from './zone-picker.ts';
import type { ZoneOptions, ZonePart } from './zone-picker.ts';

/** Answers at once, from what is known. */
export interface Picker {
  pick(context: PickContext | undefined): PickResult;
}

/** A cluster that doesn't know its endpoints yet. */
export const warmingPicker: Picker = { pick: () => 'queue' };

/** A cluster without an endpoint that may be used. */
export const emptyPicker: Picker = { pick: () => 'unavailable' };

export interface PickerOptions extends PriorityOptions, ZoneOptions {
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
  const health = priorities.map(({ all, healthy, degraded, excluded = 0 }) => (
    { total: all.length, healthy: healthy.length, degraded: degraded.length, excluded }
  ));
  const loads = priorityLoads(health, options);
  const pickers = new PickersOfPriorities(priorities, options);
  const shares = sharesOf(loads, pickers, options);
  if (shares.length === 0) return options.panicPercent === 0 ? emptyPicker : panickedPicker(options.panicked);
  const offered = availabilityOf(health, options.overprovisioningPercent);
  return new PriorityPicker({ shares, loads, offered, pickers }, options);
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

function sharesOf(loads: readonly PriorityLoad[], pickers: PickersOfPriorities, options: PickerOptions): Share[] {
  const shares: Share[] = [];
  const add = (priority: number, percent: number, kind: Kind): void => {
    if (percent === 0) return;
    const { panic } = loads[priority]!;
    const panicked = panic ? options.panicked : undefined;
    for (const { portion, picker } of pickers.of(priority, panic ? 'all' : kind)) {
      shares.push({ limit: (shares.at(-1)?.limit ?? 0) + percent * portion, picker, panicked });
    }
  };
  for (const [priority, load] of loads.entries()) {
    add(priority, load.healthyPercent, 'healthy');
    add(priority, load.degradedPercent, 'degraded');
  }
  return shares;
}

type Kind = 'all' | 'healthy' | 'degraded';

/** Those of each list that has been asked for. */
class PickersOfPriorities {
  readonly #priorities: readonly PriorityEndpoints[];
  readonly #options: PickerOptions;
  readonly #made = new Map<string, readonly ZonePart[]>();

  constructor(priorities: readonly PriorityEndpoints[], options: PickerOptions) {
    this.#priorities = priorities;
    this.#options = options;
  }

  of(priority: number, kind: Kind): readonly ZonePart[] {
    const key = `${priority} ${kind}`;
    let parts = this.#made.get(key);
    if (parts === undefined) this.#made.set(key, parts = this.#make(priority, kind));
    return parts;
  }

  /** One part, but where only some of the picks look at zones. */
  #make(priority: number, kind: Kind): readonly ZonePart[] {
    const endpoints = this.#priorities[priority]!;
    // Zones count in the first priority only, as in Envoy.
    const options = priority === 0 ? this.#options : { ...this.#options, zone: undefined };
    if (kind === 'all' && options.failOnPanic) return [{ portion: 1, picker: undefined }];
    const weighted = options.byLocality ? localityPicker(endpoints.localities, kind, options) : undefined;
    if (weighted !== undefined) return [{ portion: 1, picker: weighted }];
    const near = kind === 'all' ? undefined : zonePart(endpoints, kind, options);
    if (near?.portion === 1) return [near];
    const rest = { portion: 1 - (near?.portion ?? 0), picker: options.policy(endpoints[kind], options) };
    return near === undefined ? [rest] : [near, rest];
  }
}

interface Levels {
  readonly shares: readonly Share[];
  readonly loads: readonly PriorityLoad[];
  readonly offered: Availability;
  readonly pickers: PickersOfPriorities;
}

class PriorityPicker implements Picker {
  readonly #levels: Levels;
  readonly #shares: readonly Share[];
  readonly #options: PickerOptions;
  readonly #random: Random;
  readonly #byHash: boolean;

  constructor(levels: Levels, options: PickerOptions) {
    this.#levels = levels;
    this.#shares = levels.shares;
    this.#options = options;
    this.#random = options.random;
    this.#byHash = options.byHash;
  }

  pick(context: PickContext | undefined): PickResult {
    const hash = this.#byHash ? (context?.wishes.hash ?? randomHash(this.#random)) : undefined;
    if (context === undefined) return this.#choose(this.#shares, hash, 0);
    let picked = this.#choose(this.#sharesFor(context), hash, 0);
    // A pick that is made again draws its priority again.
    for (let again = 1; again <= context.maxAttempts && isAvoided(picked, context); again++) {
      picked = this.#choose(this.#sharesFor(context), hash, again);
    }
    return picked;
  }

  #choose(shares: readonly Share[], hash: Hash64 | undefined, attempt: number): PickResult {
    const share = shares.length === 1 ? shares[0]! : this.#draw(shares, hash);
    share.panicked?.inc();
    return share.picker === undefined ? 'unavailable' : share.picker.choose(hash, attempt);
  }

  /** Envoy's policies by hash know nothing of retries' priorities. */
  #sharesFor({ retryPriority }: PickContext): readonly Share[] {
    if (retryPriority === undefined || this.#byHash) return this.#shares;
    const { loads, offered, pickers } = this.#levels;
    const changed = retryPriority.loadsOf(offered, loads);
    return changed === loads ? this.#shares : sharesOf(changed, pickers, this.#options);
  }

  #draw(shares: readonly Share[], hash: Hash64 | undefined): Share {
    const last = shares.length - 1;
    const draw = hash === undefined ? this.#random.float() * 100 : remainder(hash, 100);
    let i = 0;
    while (i < last && draw >= shares[i]!.limit) i++;
    return shares[i]!;
  }
}

function isAvoided(picked: PickResult, context: PickContext): boolean {
  return typeof picked !== 'string' && context.avoid(picked);
}
