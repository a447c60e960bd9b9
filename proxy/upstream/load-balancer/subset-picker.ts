// The picker of a cluster with subsets: by what a request's route asks of endpoints, a picker over those that have it.
import type { MetadataMatch } from '../../base/metadata-match.ts';
import type { Counter } from '../../telemetry/stats.ts';
import type { Endpoint, PickContext, PickResult } from '../upstream.ts';
import type { Picker } from './picker.ts';
import type { Subset, SubsetIndex, SubsetMember } from './subset-index.ts';
import type { SubsetFallback, SubsetSelector, SubsetSettings } from './subset-settings.ts';

/** cluster.<name>.lb_subsets_*: picks by where they were made. */
export interface SubsetPickStats {
  readonly selected: Counter;
  readonly fallback: Counter;
  readonly fallbackPanic: Counter;
}

/** Pickers of subsets are made when they are first asked, and live as long as this one: until health changes. */
export class SubsetPicker<E extends Endpoint & SubsetMember> implements Picker {
  readonly #index: SubsetIndex<E>;
  readonly #settings: SubsetSettings;
  readonly #build: (endpoints: readonly E[]) => Picker;
  readonly #stats: SubsetPickStats;
  readonly #pickers = new Map<Subset<E>, Picker>();
  readonly #any: Subset<E>;

  constructor(
    index: SubsetIndex<E>, settings: SubsetSettings, build: (endpoints: readonly E[]) => Picker, stats: SubsetPickStats,
  ) {
    this.#index = index;
    this.#settings = settings;
    this.#build = build;
    this.#stats = stats;
    this.#any = { endpoints: index.all, single: undefined };
  }

  pick(context: PickContext | undefined): PickResult {
    const match = context?.wishes.metadataMatch;
    if (match === undefined || !this.#settings.fallbackList) return this.#pickBy(match, context);
    const alternatives = match.alternatives();
    let picked: PickResult = 'unavailable';
    for (let i = 0; i < alternatives.length && picked === 'unavailable'; i++) {
      picked = this.#pickBy(alternatives[i], context);
    }
    return picked;
  }

  #pickBy(given: MetadataMatch | undefined, context: PickContext | undefined): PickResult {
    if (given === undefined) return this.#fallBack(context);
    const match = this.#settings.redundantKeys ? this.#withoutRedundant(given) : given;
    const subset = this.#index.find(match);
    if (subset !== undefined) {
      this.#stats.selected.inc();
      return this.#pickOf(subset, context);
    }
    const selector = this.#settings.byKeys.get(match.keysId);
    return selector?.fallback === undefined ? this.#fallBack(context) : this.#fallBackBy(selector, match, context);
  }

  #fallBackBy(selector: SubsetSelector, match: MetadataMatch, context: PickContext | undefined): PickResult {
    if (selector.fallback === 'KEYS_SUBSET') return this.#pickBy(match.only(selector.fewerKeys), context);
    return this.#pickByPolicy(selector.fallback!, context);
  }

  #fallBack(context: PickContext | undefined): PickResult {
    const { fallback, panicAny } = this.#settings;
    // Without a fallback there is no panic either, as in Envoy.
    if (fallback === 'NO_FALLBACK') return 'unavailable';
    const picked = this.#pickByPolicy(fallback, context);
    if (picked !== 'unavailable') {
      this.#stats.fallback.inc();
      return picked;
    }
    const any = panicAny ? this.#pickOf(this.#any, context) : picked;
    if (any !== 'unavailable') this.#stats.fallbackPanic.inc();
    return any;
  }

  #pickByPolicy(fallback: SubsetFallback, context: PickContext | undefined): PickResult {
    switch (fallback) {
      case 'NO_FALLBACK': return 'unavailable';
      case 'ANY_ENDPOINT': return this.#pickOf(this.#any, context);
      case 'DEFAULT_SUBSET': return this.#pickOf(this.#index.defaults, context);
    }
  }

  #pickOf(subset: Subset<E>, context: PickContext | undefined): PickResult {
    if (subset.single !== undefined) return subset.single;
    let picker = this.#pickers.get(subset);
    if (picker === undefined) this.#pickers.set(subset, picker = this.#build(subset.endpoints));
    return picker.pick(context);
  }

  #withoutRedundant(match: MetadataMatch): MetadataMatch {
    const { selectors } = this.#settings;
    for (let i = 0; i < selectors.length; i++) {
      const { keySet, keys } = selectors[i]!;
      if (keys.length > 0 && hasAll(match, keys)) return match.only(keySet);
    }
    return match;
  }
}

function hasAll(match: MetadataMatch, keys: readonly string[]): boolean {
  for (let i = 0; i < keys.length; i++) if (!match.has(keys[i]!)) return false;
  return true;
}
