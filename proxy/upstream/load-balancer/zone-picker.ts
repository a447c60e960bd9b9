// Zone-aware routing: picks that stay in the proxy's own zone as far as the others are not left with more than theirs.
import type { Random } from '../../base/random.ts';
import type { Hash64 } from '../../base/xx-hash.ts';
import type { Counter } from '../../telemetry/stats.ts';
import type { Endpoint } from '../upstream.ts';
import { randomIndex } from './host-picker.ts';
import type { HostPicker, HostPickerFactory, PolicyDeps } from './host-picker.ts';
import type { PriorityEndpoints } from './locality.ts';
import { WHOLE, zonePlan } from './zone-share.ts';
import type { ZonePlan } from './zone-share.ts';
import type { ZoneSettings } from './zone-settings.ts';
import type { ZoneStats } from './zone-stats.ts';

export interface ZoneRouting {
  readonly settings: ZoneSettings;
  readonly ownLocality: string | undefined;
  /** The first priority of the local cluster; undefined where there is no such cluster yet. */
  readonly local: PriorityEndpoints | undefined;
  readonly stats: ZoneStats;
}

export interface ZoneOptions extends PolicyDeps {
  readonly policy: HostPickerFactory;
  readonly zone: ZoneRouting | undefined;
  readonly panicPercent: number;
  readonly failOnPanic: boolean;
}

/** The portion of the picks, in 0..1, that this picker makes; undefined: they fail. */
export interface ZonePart {
  readonly portion: number;
  readonly picker: HostPicker | undefined;
}

/** The picks that look at zones (routing_enabled); undefined where zones don't count. */
export function zonePart(
  endpoints: PriorityEndpoints, kind: 'healthy' | 'degraded', options: ZoneOptions,
): ZonePart | undefined {
  const { zone } = options;
  if (zone?.local === undefined || zone.settings.routingPercent === 0) return undefined;
  const { settings, local, ownLocality, stats } = zone;
  stats.recalculated.inc();
  const plan = zonePlan(endpoints, local, ownLocality, settings, (why) => (
    why === 'too-small' ? stats.tooSmall : stats.localNotOk).inc());
  if (plan === undefined) return undefined;
  const portion = settings.routingPercent / 100;
  const panic = inPanic(local, options.panicPercent);
  if (panic && options.failOnPanic) return { portion, picker: undefined };
  const whole = options.policy(endpoints[kind], options);
  if (panic) return { portion, picker: new CountingPicker(whole, stats.localNotOk) };
  const pickers = endpoints.localities.map((locality) => (
    locality[kind].length === 0 ? whole : options.policy(locality[kind], options)));
  return { portion, picker: new ZonePicker(pickers, plan, stats, options.random) };
}

function inPanic({ all, healthy, degraded }: PriorityEndpoints, panicPercent: number): boolean {
  const percent = all.length === 0 ? 0 : (100 * (healthy.length + degraded.length)) / all.length;
  return percent < panicPercent;
}

class CountingPicker implements HostPicker {
  readonly #picker: HostPicker;
  readonly #counter: Counter;

  constructor(picker: HostPicker, counter: Counter) {
    this.#picker = picker;
    this.#counter = counter;
  }

  choose(hash: Hash64 | undefined, attempt: number): Endpoint {
    this.#counter.inc();
    return this.#picker.choose(hash, attempt);
  }
}

class ZonePicker implements HostPicker {
  readonly #pickers: readonly HostPicker[];
  readonly #plan: ZonePlan;
  readonly #stats: ZoneStats;
  readonly #random: Random;

  constructor(pickers: readonly HostPicker[], plan: ZonePlan, stats: ZoneStats, random: Random) {
    this.#pickers = pickers;
    this.#plan = plan;
    this.#stats = stats;
    this.#random = random;
  }

  choose(hash: Hash64 | undefined, attempt: number): Endpoint {
    return this.#pickers[this.#zone()]!.choose(hash, attempt);
  }

  #zone(): number {
    const plan = this.#plan;
    if (plan.kind === 'near') {
      this.#stats.allDirectly.inc();
      return plan.own;
    }
    if (randomIndex(this.#random, WHOLE) < plan.nearShare) {
      this.#stats.sampled.inc();
      return plan.own;
    }
    this.#stats.crossZone.inc();
    return this.#other(plan.sums);
  }

  #other(sums: readonly number[]): number {
    const all = sums.at(-1)!;
    if (all === 0) {
      this.#stats.noCapacityLeft.inc();
      return randomIndex(this.#random, sums.length);
    }
    const draw = randomIndex(this.#random, all);
    let i = 0;
    while (draw >= sums[i]!) i++;
    return i;
  }
}
