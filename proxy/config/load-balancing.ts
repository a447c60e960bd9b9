// How a cluster's policy is tuned (envoy.config.cluster.v3.Cluster's *LbConfig).
import { Percent, RuntimeDouble } from './percent.ts';
import { bool, duration, enumeration, string, uint32, uint64 } from './scalar.ts';
import { atMostOne, list, message, optional, Refusal, type Static } from './schema.ts';

export const SlowStartConfig = message('envoy.config.cluster.v3.Cluster.SlowStartConfig', {
  slowStartWindow: optional(duration(), 'How long an endpoint that has become healthy takes to its full weight; 0s: '
    + 'none.'),
  aggression: optional(RuntimeDouble, 'The share of the weight is (time / window) ^ (1 / this); default 1.'),
  minWeightPercent: optional(Percent, 'Least share of the weight; default 10.'),
});
export interface SlowStartConfig extends Static<typeof SlowStartConfig> {}

export const LeastRequestLbConfig = message('envoy.config.cluster.v3.Cluster.LeastRequestLbConfig', {
  choiceCount: optional(uint32({ minimum: 2 }), 'Endpoints drawn for each pick; default 2.'),
  activeRequestBias: optional(RuntimeDouble, 'How much active requests weigh among endpoints of different weight; '
    + 'default 1.'),
  slowStartConfig: optional(SlowStartConfig, 'Endpoints begin with less.'),
});
export interface LeastRequestLbConfig extends Static<typeof LeastRequestLbConfig> {}

export const RoundRobinLbConfig = message('envoy.config.cluster.v3.Cluster.RoundRobinLbConfig', {
  slowStartConfig: optional(SlowStartConfig, 'Endpoints begin with less.'),
});
export interface RoundRobinLbConfig extends Static<typeof RoundRobinLbConfig> {}

/** Envoy's largest ring and table. */
export const PLACES_MAX = 8_388_608;
export const TABLE_MAX = 5_000_011;

interface RingSizes {
  readonly minimumRingSize?: number;
  readonly maximumRingSize?: number;
}

export function checkRingSizes(sizes: RingSizes): Refusal | undefined {
  const { minimumRingSize: min = 1024, maximumRingSize: max = PLACES_MAX } = sizes;
  return min > max ? new Refusal(`must not be over maximum_ring_size (${max})`, ['minimumRingSize']) : undefined;
}

export function checkTableSize({ tableSize = 65_537 }: { tableSize?: number }): Refusal | undefined {
  return isPrime(tableSize) ? undefined : new Refusal(`${tableSize} is not a prime`, ['tableSize']);
}

export const RingHashLbConfig = message('envoy.config.cluster.v3.Cluster.RingHashLbConfig', {
  minimumRingSize: optional(uint64({ maximum: PLACES_MAX }), 'Places on the ring at least; default 1024.'),
  maximumRingSize: optional(uint64({ maximum: PLACES_MAX }), 'Places on the ring at most; default 8388608.'),
  hashFunction: optional(enumeration(['XX_HASH'], {
    refused: { MURMUR_HASH_2: 'the one hash is XX_HASH' }, numbers: { XX_HASH: 0, MURMUR_HASH_2: 1 },
  }), 'XX_HASH (default).'),
}, { check: checkRingSizes });
export interface RingHashLbConfig extends Static<typeof RingHashLbConfig> {}

export const MaglevLbConfig = message('envoy.config.cluster.v3.Cluster.MaglevLbConfig', {
  tableSize: optional(uint64({ maximum: TABLE_MAX }), 'Places of the table, a prime; default 65537.'),
}, { check: checkTableSize });
export interface MaglevLbConfig extends Static<typeof MaglevLbConfig> {}

function isPrime(number: number): boolean {
  if (number < 2) return false;
  for (let factor = 2; factor * factor <= number; factor++) if (number % factor === 0) return false;
  return true;
}

export const OriginalDstLbConfig = message('envoy.config.cluster.v3.Cluster.OriginalDstLbConfig', {
  useHttpHeader: optional(bool(), 'Requests name the address (ip:port) in a header. Whoever may send it reaches every '
    + 'address that this proxy reaches. Default false.'),
  httpHeaderName: optional(string(), 'That header; default x-envoy-original-dst-host.'),
  upstreamPortOverride: optional(uint32({ maximum: 65_535 }), 'The port, whatever port was named.'),
}, {
  refused: { 'there is no dynamic metadata': ['metadata_key'] },
  check: ({ useHttpHeader = false, httpHeaderName = '' }) => (useHttpHeader || httpHeaderName === '' ? undefined
    : new Refusal('needs use_http_header', ['httpHeaderName'])),
});
export interface OriginalDstLbConfig extends Static<typeof OriginalDstLbConfig> {}
const ZoneAwareLbConfig = message('envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig', {
  routingEnabled: optional(Percent, 'Share of the requests that prefer their proxy\'s zone; default 100.'),
  minClusterSize: optional(uint64(), 'With fewer healthy endpoints zones don\'t count; default 6.'),
  failTrafficOnPanic: optional(bool(), 'In panic no endpoint is used, instead of all. Default false.'),
});

const LocalityWeightedLbConfig = message('envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig', {});

const ConsistentHashingLbConfig = message('envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig', {
  useHostnameForHashing: optional(bool(), 'Endpoints are hashed by host name instead of address. Default false.'),
}, {
  refused: { 'the load of endpoints does not bound what a hash sends them': ['hash_balance_factor'] },
});

const HealthStatusSet = message('envoy.config.core.v3.HealthStatusSet', {
  statuses: optional(list(enumeration(['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'])), 'One '
    + 'that fails its checks or is ejected counts as UNHEALTHY.'),
});
export interface HealthStatusSet extends Static<typeof HealthStatusSet> {}

export const CommonLbConfig = message('envoy.config.cluster.v3.Cluster.CommonLbConfig', {
  healthyPanicThreshold: optional(Percent, 'With fewer healthy endpoints than this share all get requests; default '
    + '50, 0 never.'),
  zoneAwareLbConfig: optional(ZoneAwareLbConfig, 'Requests stay in their proxy\'s zone, where the bootstrap names a '
    + 'local_cluster_name; also without this field.'),
  localityWeightedLbConfig: optional(LocalityWeightedLbConfig, 'Localities get requests by their '
    + 'load_balancing_weight; those without one get none.'),
  overrideHostStatus: optional(HealthStatusSet, 'Health in which an endpoint keeps its stateful sessions; default '
    + 'UNKNOWN, HEALTHY and DEGRADED.'),
  consistentHashingLbConfig: optional(ConsistentHashingLbConfig, 'For RING_HASH and MAGLEV.'),
}, {
  refused: {
    'connections to endpoints that stay are kept': ['close_connections_on_host_set_change'],
  },
  warned: {
    'updates are applied at once': ['update_merge_window'],
    'endpoints count from their first moment': ['ignore_new_hosts_until_first_hc'],
  },
  oneOf: [atMostOne('zone_aware_lb_config', 'locality_weighted_lb_config')],
});
export interface CommonLbConfig extends Static<typeof CommonLbConfig> {}
