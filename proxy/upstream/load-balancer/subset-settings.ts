// How a cluster's endpoints are divided into subsets, from its lb_subset_config.
import { keysId } from '../../base/metadata-match.ts';
import type { LbMetadata } from '../../base/metadata-match.ts';
import type { LbSubsetConfig, LbSubsetSelector } from '../../config/subset.ts';

export type SubsetFallback = NonNullable<LbSubsetConfig['fallbackPolicy']>;

/** One set of keys: endpoints that have them all are divided by their values. */
export interface SubsetSelector {
  /** In order. */
  readonly keys: readonly string[];
  readonly keysId: string;
  readonly keySet: ReadonlySet<string>;
  /** A subset is its first endpoint, whatever its health. */
  readonly singleHost: boolean;
  /** Where there is no such subset; undefined: what the cluster does. */
  readonly fallback: SubsetFallback | 'KEYS_SUBSET' | undefined;
  /** What KEYS_SUBSET still asks for. */
  readonly fewerKeys: ReadonlySet<string>;
}

export interface SubsetSettings {
  readonly selectors: readonly SubsetSelector[];
  /** The first selector of each set of keys, whose fallback counts. */
  readonly byKeys: ReadonlyMap<string, SubsetSelector>;
  readonly fallback: SubsetFallback;
  readonly defaultSubset: LbMetadata;
  /** What a locality weighs in a subset: nothing, as in the whole, or in the share of it that is there. */
  readonly localityWeights: 'none' | 'whole' | 'scaled';
  /** Any endpoint, where the fallback has none. */
  readonly panicAny: boolean;
  readonly listAsAny: boolean;
  /** Requests may bring a list of what to ask for. */
  readonly fallbackList: boolean;
  /** Requests may ask for more keys than a selector has. */
  readonly redundantKeys: boolean;
}

/** Undefined where there are no subsets. */
export function subsetSettings(
  config: LbSubsetConfig & { readonly allowRedundantKeys?: boolean } | undefined,
): SubsetSettings | undefined {
  if (config === undefined) return undefined;
  const redundantKeys = config.allowRedundantKeys ?? false;
  const selectors = (config.subsetSelectors ?? []).map(selectorOf);
  // The longest that a request has all the keys of is found first.
  if (redundantKeys) selectors.sort((a, b) => b.keys.length - a.keys.length);
  const scaled = config.scaleLocalityWeight === true ? 'scaled' : 'whole';
  return {
    selectors,
    byKeys: new Map(selectors.map((selector) => [selector.keysId, selector] as const).toReversed()),
    fallback: config.fallbackPolicy ?? 'NO_FALLBACK',
    defaultSubset: config.defaultSubset ?? {},
    localityWeights: config.localityWeightAware === true ? scaled : 'none',
    panicAny: config.panicModeAny ?? false,
    listAsAny: config.listAsAny ?? false,
    fallbackList: config.metadataFallbackPolicy === 'FALLBACK_LIST',
    redundantKeys,
  };
}

function selectorOf(config: LbSubsetSelector): SubsetSelector {
  const { keys = [], fallbackPolicy = 'NOT_DEFINED', fallbackKeysSubset = [], singleHostPerSubset = false } = config;
  const sorted = [...new Set(keys)].toSorted();
  return {
    keys: sorted,
    keysId: keysId(sorted),
    keySet: new Set(sorted),
    singleHost: singleHostPerSubset,
    fallback: fallbackPolicy === 'NOT_DEFINED' ? undefined : fallbackPolicy,
    fewerKeys: new Set(fallbackKeysSubset),
  };
}
