// Balancing by extension: Cluster.load_balancing_policy, of whose list the first policy that is known counts.
import { checkRingSizes, checkTableSize, PLACES_MAX, TABLE_MAX } from './load-balancing.ts';
import { Percent, RuntimeDouble } from './percent.ts';
import { bool, double, duration, enumeration, string, uint32, uint64 } from './scalar.ts';
import { any, atMostOne, list, message, optional, recursive, required, type Schema,
  type Static } from './schema.ts';
import { checkSelector, SELECTOR_FIELDS, subsetFields } from './subset.ts';

const PREFIX = 'envoy.extensions.load_balancing_policies';

export const TypedSlowStartConfig = message(`${PREFIX}.common.v3.SlowStartConfig`, {
  slowStartWindow: optional(duration(), 'How long an endpoint that has become healthy takes to its full weight; 0s: '
    + 'none.'),
  aggression: optional(RuntimeDouble, 'The share of the weight is (time / window) ^ (1 / this); default 1.'),
  minWeightPercent: optional(Percent, 'Least share of the weight; default 10.'),
});

const ForceLocalZone = message(`${PREFIX}.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone`, {
  minSize: optional(uint32(), 'With fewer healthy endpoints in the zone it has no effect; default 1.'),
});

export const ZoneAwareLbConfig = message(`${PREFIX}.common.v3.LocalityLbConfig.ZoneAwareLbConfig`, {
  routingEnabled: optional(Percent, 'Share of the requests that prefer their proxy\'s zone; default 100.'),
  minClusterSize: optional(uint64(), 'With fewer healthy endpoints zones don\'t count; default 6.'),
  failTrafficOnPanic: optional(bool(), 'In panic no endpoint is used, instead of all. Default false.'),
  forceLocalityDirectRouting: optional(bool(), 'Old: as an empty force_local_zone.'),
  forceLocalZone: optional(ForceLocalZone, 'All requests stay in the zone, whatever its share of the endpoints.'),
  localityBasis: optional(enumeration(['HEALTHY_HOSTS_NUM', 'HEALTHY_HOSTS_WEIGHT']), 'What shares of zones are '
    + 'counted in; default HEALTHY_HOSTS_NUM.'),
});
export interface ZoneAwareLbConfig extends Static<typeof ZoneAwareLbConfig> {}

const LocalityWeighted = message(`${PREFIX}.common.v3.LocalityLbConfig.LocalityWeightedLbConfig`, {});

export const LocalityLbConfig = message(`${PREFIX}.common.v3.LocalityLbConfig`, {
  zoneAwareLbConfig: optional(ZoneAwareLbConfig, 'Requests stay in their proxy\'s zone, where the bootstrap names a '
    + 'local_cluster_name; also without this field.'),
  localityWeightedLbConfig: optional(LocalityWeighted, 'Localities get requests by their load_balancing_weight.'),
}, {
  oneOf: [atMostOne('zone_aware_lb_config', 'locality_weighted_lb_config')],
});
export interface LocalityLbConfig extends Static<typeof LocalityLbConfig> {}

export const RoundRobinPolicy = message(`${PREFIX}.round_robin.v3.RoundRobin`, {
  slowStartConfig: optional(TypedSlowStartConfig, 'Endpoints begin with less.'),
  localityLbConfig: optional(LocalityLbConfig, 'How localities count; default: they don\'t.'),
});

export const LeastRequestPolicy = message(`${PREFIX}.least_request.v3.LeastRequest`, {
  choiceCount: optional(uint32({ minimum: 2 }), 'Endpoints drawn for each pick; default 2.'),
  activeRequestBias: optional(RuntimeDouble, 'How much active requests weigh among endpoints of different weight; '
    + 'default 1.'),
  slowStartConfig: optional(TypedSlowStartConfig, 'Endpoints begin with less.'),
  localityLbConfig: optional(LocalityLbConfig, 'How localities count; default: they don\'t.'),
  selectionMethod: optional(enumeration(['N_CHOICES', 'FULL_SCAN']), 'FULL_SCAN looks at all endpoints of equal '
    + 'weight. Default N_CHOICES.'),
}, {
  warned: { 'selection_method says it': ['enable_full_scan'] },
});

export const RandomPolicy = message(`${PREFIX}.random.v3.Random`, {
  localityLbConfig: optional(LocalityLbConfig, 'How localities count; default: they don\'t.'),
});

export const TypedHashingConfig = message(`${PREFIX}.common.v3.ConsistentHashingLbConfig`, {
  useHostnameForHashing: optional(bool(), 'Endpoints are hashed by host name instead of address. Default false.'),
}, {
  refused: {
    'the load of endpoints does not bound what a hash sends them': ['hash_balance_factor'],
    'routes say what is hashed': ['hash_policy'],
  },
});

export const RingHashPolicy = message(`${PREFIX}.ring_hash.v3.RingHash`, {
  hashFunction: optional(enumeration(['DEFAULT_HASH', 'XX_HASH'], {
    refused: { MURMUR_HASH_2: 'the one hash is XX_HASH' }, numbers: { DEFAULT_HASH: 0, XX_HASH: 1, MURMUR_HASH_2: 2 },
  }), 'XX_HASH is the default.'),
  minimumRingSize: optional(uint64({ minimum: 1, maximum: PLACES_MAX }), 'Places on the ring at least; default 1024.'),
  maximumRingSize: optional(uint64({ maximum: PLACES_MAX }), 'Places on the ring at most; default 8388608.'),
  useHostnameForHashing: optional(bool(), 'Old; where consistent_hashing_lb_config is absent.'),
  consistentHashingLbConfig: optional(TypedHashingConfig, 'How endpoints are hashed.'),
  localityWeightedLbConfig: optional(LocalityWeighted, 'Localities have places by their load_balancing_weight.'),
}, {
  refused: { 'the load of endpoints does not bound what a hash sends them': ['hash_balance_factor'] },
  check: checkRingSizes,
});

export const MaglevPolicy = message(`${PREFIX}.maglev.v3.Maglev`, {
  tableSize: optional(uint64({ maximum: TABLE_MAX }), 'Places of the table, a prime; default 65537.'),
  consistentHashingLbConfig: optional(TypedHashingConfig, 'How endpoints are hashed.'),
  localityWeightedLbConfig: optional(LocalityWeighted, 'Localities have places by their load_balancing_weight.'),
}, { check: checkTableSize });

const PEAK_EWMA = {
  decayTime: optional(duration({ above: 0 }), 'Time constant of an endpoint\'s mean time to first byte; default 10s.'),
  defaultRtt: optional(duration({ above: 0 }), 'What endpoints have before they are measured; default 0.010s.'),
  penaltyValue: optional(double({ exclusiveMinimum: 0 }), 'Cost of an endpoint that has requests and has answered '
    + 'none; default 1000000.'),
};
const PEAK_EWMA_OPTIONS = {
  warned: { 'each response counts at once': ['aggregation_interval', 'max_samples_per_host'] },
} as const;
export const PeakEwmaPolicy = message(`${PREFIX}.peak_ewma.v3alpha.PeakEwma`, PEAK_EWMA, PEAK_EWMA_OPTIONS);
export interface PeakEwmaPolicy extends Static<typeof PeakEwmaPolicy> {}
/** Its name since it is one of Envoy's own extensions. */
export const PeakEwmaV3Policy = message(`${PREFIX}.peak_ewma.v3.PeakEwma`, PEAK_EWMA, PEAK_EWMA_OPTIONS);

const SubsetSelector = message(`${PREFIX}.subset.v3.Subset.LbSubsetSelector`, SELECTOR_FIELDS,
  { check: checkSelector });

const ANOTHER = recursive<LoadBalancingPolicy>((): Schema => LoadBalancingPolicy);

export const SubsetPolicy = message(`${PREFIX}.subset.v3.Subset`, {
  ...subsetFields(SubsetSelector),
  allowRedundantKeys: optional(bool(), 'A request may ask for more keys than a selector has: the longest selector '
    + 'whose keys it all has counts. Default false.'),
  subsetLbPolicy: required(ANOTHER, 'The policy within a subset.'),
});
export interface SubsetPolicy extends Static<typeof SubsetPolicy> {}

export const WrrLocalityPolicy = message(`${PREFIX}.wrr_locality.v3.WrrLocality`, {
  endpointPickingPolicy: required(ANOTHER, 'The policy within a locality; localities get requests by their '
    + 'load_balancing_weight.'),
});

export const TypedPolicy = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(any('load balancing policy', [RoundRobinPolicy, LeastRequestPolicy, RandomPolicy,
    RingHashPolicy, MaglevPolicy, PeakEwmaPolicy, PeakEwmaV3Policy, SubsetPolicy, WrrLocalityPolicy],
  { '*': 'it is not supported, and the next of the list counts' }), 'The policy.'),
});
export interface TypedPolicy extends Static<typeof TypedPolicy> {}

const Policy = message('envoy.config.cluster.v3.LoadBalancingPolicy.Policy', {
  typedExtensionConfig: optional(TypedPolicy, 'One policy; one that is not supported is passed over.'),
});

export const LoadBalancingPolicy = message('envoy.config.cluster.v3.LoadBalancingPolicy', {
  policies: optional(list(Policy), 'The first that is supported counts.'),
});
export interface LoadBalancingPolicy extends Static<typeof LoadBalancingPolicy> {}
