// Subsets of a cluster's endpoints by their metadata (envoy.config.cluster.v3.Cluster.LbSubsetConfig).
import { bool, enumeration, string, struct } from './scalar.ts';
import { list, message, optional, Refusal, type Static } from './schema.ts';
import type { MessageSchema } from './schema.ts';

interface SelectorParts {
  readonly keys?: readonly string[];
  readonly fallbackPolicy?: string;
  readonly fallbackKeysSubset?: readonly string[];
}

/** Envoy's rules. */
export function checkSelector(selector: SelectorParts): Refusal | undefined {
  const { keys = [], fallbackPolicy, fallbackKeysSubset: fewer = [] } = selector;
  if (fallbackPolicy !== 'KEYS_SUBSET') return undefined;
  const at = ['fallbackKeysSubset'];
  if (fewer.length === 0) return new Refusal('is needed for KEYS_SUBSET', at);
  const other = fewer.find((key) => !keys.includes(key));
  if (other !== undefined) return new Refusal(`'${other}' is not one of the selector's keys`, at);
  return new Set(fewer).size < new Set(keys).size ? undefined : new Refusal('must be fewer than the keys', at);
}

export const SELECTOR_FIELDS = {
  keys: optional(list(string()), 'Endpoints with the same values of these keys are a subset.'),
  fallbackPolicy: optional(enumeration(['NOT_DEFINED', 'NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET', 'KEYS_SUBSET']),
    'For requests that ask for these keys where no endpoint has the values; default the cluster\'s.'),
  fallbackKeysSubset: optional(list(string()), 'What KEYS_SUBSET still asks for.'),
  singleHostPerSubset: optional(bool(), 'A subset is its first endpoint, whatever its health. Default false.'),
};

const SELECTOR = 'envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector';
export const LbSubsetSelector = message(SELECTOR, SELECTOR_FIELDS, { check: checkSelector });
export interface LbSubsetSelector extends Static<typeof LbSubsetSelector> {}

/** The same in both places where subsets are configured, but for the selector's name. */
export function subsetFields<Name extends string>(selector: MessageSchema<Name, LbSubsetSelector>) {
  return {
    fallbackPolicy: optional(enumeration(['NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET']),
      'For requests that ask for no subset, or for one that is not there. Default NO_FALLBACK: none healthy.'),
    defaultSubset: optional(struct(), 'What DEFAULT_SUBSET asks of endpoints; empty: nothing.'),
    subsetSelectors: optional(list(selector), 'Sets of keys by which there are subsets; none: there are none.'),
    localityWeightAware: optional(bool(), 'Localities count in a subset by their weights. Default false.'),
    scaleLocalityWeight: optional(bool(), 'Weights of localities shrink to the share of their endpoints in a subset. '
      + 'Default false.'),
    panicModeAny: optional(bool(), 'Where the fallback has no endpoint either, any gets the request. Default false.'),
    listAsAny: optional(bool(), 'An endpoint whose value is a list has each of its values. Default false.'),
    metadataFallbackPolicy: optional(enumeration(['METADATA_NO_FALLBACK', 'FALLBACK_LIST']),
      'FALLBACK_LIST: the fallback_list of a request\'s metadata holds values to ask for in turn.'),
  };
}

export const LbSubsetConfig = message('envoy.config.cluster.v3.Cluster.LbSubsetConfig', subsetFields(LbSubsetSelector));
export interface LbSubsetConfig extends Static<typeof LbSubsetConfig> {}
