// The subsets of one cluster: the index of its endpoints by metadata, its figures, and pickers over it.
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import { subsetLevels } from './host-sets.ts';
import type { HostSets } from './host-sets.ts';
import type { PriorityEndpoints } from './load-balancer/locality.ts';
import type { Picker } from './load-balancer/picker.ts';
import { SubsetIndex } from './load-balancer/subset-index.ts';
import { SubsetPicker } from './load-balancer/subset-picker.ts';
import type { SubsetPickStats } from './load-balancer/subset-picker.ts';
import type { SubsetSettings } from './load-balancer/subset-settings.ts';

export class ClusterSubsets {
  readonly #stats: SubsetStats;
  /** This worker tells how many subsets there are, which is the same in all. */
  readonly #tells: boolean;
  #settings: SubsetSettings;
  #index: SubsetIndex<UpstreamEndpoint>;

  constructor(settings: SubsetSettings, stats: Stats, scope: StatScope, tells: boolean) {
    this.#settings = settings;
    this.#stats = new SubsetStats(stats, scope);
    this.#tells = tells;
    this.#index = new SubsetIndex([], settings);
  }

  /** Settings or endpoints changed. */
  update(settings: SubsetSettings, endpoints: Iterable<UpstreamEndpoint>): void {
    const before = this.#index;
    this.#settings = settings;
    this.#index = new SubsetIndex(endpoints, settings);
    if (this.#tells) this.#stats.tell(before, this.#index);
  }

  picker(whole: HostSets, build: (levels: readonly PriorityEndpoints[]) => Picker): Picker {
    const { localityWeights } = this.#settings;
    const buildOf = (endpoints: readonly UpstreamEndpoint[]): Picker => (
      build(subsetLevels(endpoints, whole, localityWeights)));
    return new SubsetPicker(this.#index, this.#settings, buildOf, this.#stats);
  }

  close(): void {
    this.update(this.#settings, []);
  }
}

/** With Envoy's names; there each thread counts subsets, here one does. */
class SubsetStats implements SubsetPickStats {
  readonly selected: Counter;
  readonly fallback: Counter;
  readonly fallbackPanic: Counter;
  readonly #created: Counter;
  readonly #removed: Counter;
  readonly #active: Gauge;
  readonly #duplicates: Gauge;
  /** weft's own. */
  readonly #overflows: Gauge;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, `lb_subsets_${name}`));
    this.selected = counter('selected');
    this.fallback = counter('fallback');
    this.fallbackPanic = counter('fallback_panic');
    this.#created = counter('created');
    this.#removed = counter('removed');
    this.#active = stats.gauge(statName(scope, 'lb_subsets_active'));
    this.#overflows = stats.gauge(statName(scope, 'lb_subsets_overflow'));
    this.#duplicates = stats.gauge(statName(scope, 'lb_subsets_single_host_per_subset_duplicate'));
  }

  tell(before: SubsetIndex<UpstreamEndpoint>, now: SubsetIndex<UpstreamEndpoint>): void {
    let kept = 0;
    for (const id of now.ids) if (before.has(id)) kept++;
    this.#created.add(now.size - kept);
    this.#removed.add(before.size - kept);
    this.#active.set(now.size);
    this.#duplicates.set(now.duplicates);
    this.#overflows.set(now.overflows);
  }
}
