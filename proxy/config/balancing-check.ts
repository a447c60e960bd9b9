// What of a cluster's balancing goes together, by Envoy's rules.
import { chosenPolicy } from './chosen-policy.ts';
import type { CommonLbConfig } from './load-balancing.ts';
import type { LoadBalancingPolicy } from './load-balancing-policy.ts';
import { Refusal } from './schema.ts';
import { SUBSET_POLICY_TYPE } from './type-url.ts';

/** What of a cluster says how it balances. */
export interface BalancingParts {
  readonly lbPolicy?: string;
  readonly loadBalancingPolicy?: LoadBalancingPolicy;
  readonly lbSubsetConfig?: object;
  readonly commonLbConfig?: CommonLbConfig;
}

/** Of common_lb_config. */
const PARTS = ['zoneAwareLbConfig', 'localityWeightedLbConfig', 'consistentHashingLbConfig'] as const;

/** A policy by extension stands for all that says the same. */
export function checkBalancing(cluster: BalancingParts): Refusal | undefined {
  const { lbPolicy, loadBalancingPolicy: policy, lbSubsetConfig, commonLbConfig: common = {} } = cluster;
  const at = ['loadBalancingPolicy'];
  if (policy === undefined) {
    return lbPolicy === 'LOAD_BALANCING_POLICY_CONFIG' ? new Refusal(`is needed for lb_policy ${lbPolicy}`, at)
      : undefined;
  }
  if (lbSubsetConfig !== undefined) return new Refusal('cannot be combined with lb_subset_config', at);
  const part = PARTS.find((key) => key in common);
  if (part !== undefined) return new Refusal('belongs in load_balancing_policy', ['commonLbConfig', part]);
  return checkPolicies(policy)?.under(...at);
}

/** One of the list is supported, and subsets have no subsets. */
function checkPolicies(policy: LoadBalancingPolicy): Refusal | undefined {
  const chosen = chosenPolicy(policy);
  if (chosen === undefined) return new Refusal('none of its policies is supported', ['policies']);
  if (chosen.config['@type'] !== SUBSET_POLICY_TYPE) return undefined;
  const within = chosenPolicy(chosen.config.subsetLbPolicy);
  if (within === undefined || within.config['@type'] !== SUBSET_POLICY_TYPE) return undefined;
  return new Refusal('subsets of subsets are not supported', [...chosen.at, 'subsetLbPolicy', ...within.at]);
}
