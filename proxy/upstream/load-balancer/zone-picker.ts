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

/** Undefined where zones don't count, `none` where the local cluster is in panic and its requests are to fail. */
export function zonePicker(
  endpoints: PriorityEndpoints, kind: 'healthy' | 'degraded', options: ZoneOptions,
): HostPicker | 'none' | undefined {
  const { zone } = options;
  if (zone?.local === undefined || zone.settings.routingPercent === 0) return undefined;
  const { settings, local, ownLocality, stats } = zone;
  stats.recalculated.inc();
  const plan = zonePlan(endpoints, local, ownLocality, settings, (why) => (
    why === 'too-small' ? stats.tooSmall : stats.localNotOk).inc());
  if (plan === undefined) return undefined;
  const whole = options.policy(endpoints[kind], options);
  if (inPanic(local, options.panicPercent)) {
    // Envoy fails only routing_enabled of them; who fails requests on purpose wants the others no better.
    return options.failOnPanic ? 'none' : new CountingPicker(whole, stats.localNotOk);
  }
  const pickers = endpoints.localities.map((locality) => (
    locality[kind].length === 0 ? whole : options.policy(locality[kind], options)));
  return new ZonePicker(whole, pickers, plan, zone, options.random);
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
  readonly #whole: HostPicker;
  readonly #pickers: readonly HostPicker[];
  readonly #plan: ZonePlan;
  readonly #routingPercent: number;
  readonly #stats: ZoneStats;
  readonly #random: Random;

  constructor(
    whole: HostPicker, pickers: readonly HostPicker[], plan: ZonePlan, { settings, stats }: ZoneRouting, random: Random,
  ) {
    this.#whole = whole;
    this.#pickers = pickers;
    this.#plan = plan;
    this.#routingPercent = settings.routingPercent;
    this.#stats = stats;
    this.#random = random;
  }

  choose(hash: Hash64 | undefined, attempt: number): Endpoint {
    const percent = this.#routingPercent;
    if (percent < 100 && randomIndex(this.#random, 100) >= percent) return this.#whole.choose(hash, attempt);
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
