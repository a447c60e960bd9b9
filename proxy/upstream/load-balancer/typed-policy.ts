// The table from the type of a load_balancing_policy's policy to what balances by it.
import { ConfigError } from '../../base/error.ts';
import { chosenPolicy } from '../../config/chosen-policy.ts';
import type { PolicyConfig } from '../../config/chosen-policy.ts';
import { msOr } from '../../config/duration.ts';
import type { LoadBalancingPolicy, LocalityLbConfig, PeakEwmaPolicy } from '../../config/load-balancing-policy.ts';
import { LEAST_REQUEST_POLICY_TYPE, MAGLEV_POLICY_TYPE, PEAK_EWMA_ALPHA_POLICY_TYPE, PEAK_EWMA_POLICY_TYPE,
  RANDOM_POLICY_TYPE, RING_HASH_POLICY_TYPE, ROUND_ROBIN_POLICY_TYPE, SUBSET_POLICY_TYPE,
  WRR_LOCALITY_POLICY_TYPE } from '../../config/type-url.ts';
import { peakEwma } from './peak-ewma.ts';
import type { HostPickerFactory } from './host-picker.ts';
import { leastRequestOf, maglevOf, NO_ZONES, ringHashOf, roundRobinOf, zonesOf } from './policy.ts';
import type { Balancing } from './policy.ts';
import { randomChoice } from './random.ts';
import { subsetSettings } from './subset-settings.ts';

/** Envoy's defaults of peak EWMA. */
const DECAY_MS = 10_000;
const DEFAULT_RTT_MS = 10;
const PENALTY = 1_000_000;

/** Of the first policy that is supported. Throws a ConfigError below `path`. */
export function typedBalancing(list: LoadBalancingPolicy, path: string): Balancing {
  const chosen = chosenPolicy(list);
  if (chosen === undefined) throw new ConfigError(path, 'none of its policies is supported');
  const [, i] = chosen.at;
  return balancingBy(chosen.config, `${path}.policies[${i}].typedExtensionConfig.typedConfig`);
}

function balancingBy(config: PolicyConfig, path: string): Balancing {
  switch (config['@type']) {
    case ROUND_ROBIN_POLICY_TYPE: return plain(roundRobinOf(config, path), config.localityLbConfig);
    case LEAST_REQUEST_POLICY_TYPE: return plain(leastRequestOf(config, path), config.localityLbConfig);
    case RANDOM_POLICY_TYPE: return plain(randomChoice, config.localityLbConfig);
    case RING_HASH_POLICY_TYPE: {
      const byHostname = (config.consistentHashingLbConfig ?? config).useHostnameForHashing ?? false;
      return byHash(ringHashOf(config, byHostname), config);
    }
    case MAGLEV_POLICY_TYPE: {
      const byHostname = config.consistentHashingLbConfig?.useHostnameForHashing ?? false;
      return byHash(maglevOf(config, byHostname), config);
    }
    case PEAK_EWMA_ALPHA_POLICY_TYPE: case PEAK_EWMA_POLICY_TYPE: return byLatency(config);
    case WRR_LOCALITY_POLICY_TYPE: {
      return { ...typedBalancing(config.endpointPickingPolicy, `${path}.endpointPickingPolicy`), byLocality: true };
    }
    case SUBSET_POLICY_TYPE: {
      const within = typedBalancing(config.subsetLbPolicy, `${path}.subsetLbPolicy`);
      return { ...within, subsets: subsetSettings(config) };
    }
  }
}

function plain(policy: HostPickerFactory, locality: LocalityLbConfig | undefined): Balancing {
  const byLocality = locality?.localityWeightedLbConfig !== undefined;
  const zones = zonesOf(locality?.zoneAwareLbConfig);
  return { policy, byHash: false, byLocality, ...zones, subsets: undefined, latencyDecayMs: undefined };
}

function byHash(policy: HostPickerFactory, locality: LocalityLbConfig): Balancing {
  return { ...plain(policy, locality), ...NO_ZONES, byHash: true };
}

function byLatency({ decayTime, defaultRtt, penaltyValue }: PeakEwmaPolicy): Balancing {
  const policy = peakEwma({ defaultMs: msOr(defaultRtt, DEFAULT_RTT_MS), penalty: penaltyValue ?? PENALTY });
  return { ...plain(policy, undefined), latencyDecayMs: msOr(decayTime, DECAY_MS) };
}
