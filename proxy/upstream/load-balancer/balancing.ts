// How a cluster balances: by the first policy of its load_balancing_policy, or by lb_policy and its settings.
import { ConfigError } from '../../base/error.ts';
import type { Cluster } from '../../config/cluster.ts';
import type { HostPickerFactory } from './host-picker.ts';
import { leastRequestOf, maglevOf, NO_ZONES, ringHashOf, roundRobinOf, zonesOf } from './policy.ts';
import type { Balancing } from './policy.ts';
import { randomChoice } from './random.ts';
import { subsetSettings } from './subset-settings.ts';
import { typedBalancing } from './typed-policy.ts';

/** Throws a ConfigError with the field's path. */
export function balancingOf(config: Cluster): Balancing {
  const { loadBalancingPolicy, lbPolicy, commonLbConfig } = config;
  if (loadBalancingPolicy !== undefined) return typedBalancing(loadBalancingPolicy, 'loadBalancingPolicy');
  const byHash = lbPolicy === 'RING_HASH' || lbPolicy === 'MAGLEV';
  return {
    policy: policyOf(config),
    byHash,
    ...(byHash ? NO_ZONES : zonesOf(commonLbConfig?.zoneAwareLbConfig)),
    byLocality: commonLbConfig?.localityWeightedLbConfig !== undefined,
    subsets: hasSubsets(config) ? subsetSettings(config.lbSubsetConfig) : undefined,
    latencyDecayMs: undefined,
  };
}

/** Without a selector there are none, as in Envoy. */
function hasSubsets({ lbSubsetConfig }: Cluster): boolean {
  return (lbSubsetConfig?.subsetSelectors ?? []).length > 0;
}

function policyOf(config: Cluster): HostPickerFactory {
  const byHostname = config.commonLbConfig?.consistentHashingLbConfig?.useHostnameForHashing ?? false;
  switch (config.lbPolicy ?? 'ROUND_ROBIN') {
    case 'ROUND_ROBIN': return roundRobinOf(config.roundRobinLbConfig, 'roundRobinLbConfig');
    case 'RANDOM': return randomChoice;
    // Requests name their endpoints: there is no list to choose from.
    case 'CLUSTER_PROVIDED': return randomChoice;
    case 'LEAST_REQUEST': return leastRequestOf(config.leastRequestLbConfig, 'leastRequestLbConfig');
    case 'RING_HASH': return ringHashOf(config.ringHashLbConfig, byHostname);
    case 'MAGLEV': return maglevOf(config.maglevLbConfig, byHostname);
    case 'LOAD_BALANCING_POLICY_CONFIG': throw new ConfigError('loadBalancingPolicy', 'is needed');
  }
}
