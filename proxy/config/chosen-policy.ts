// Which policy of a load_balancing_policy counts: the first, as those that are not supported are dropped by then.
import type { LoadBalancingPolicy, TypedPolicy } from './load-balancing-policy.ts';
import { SUBSET_POLICY_TYPE, WRR_LOCALITY_POLICY_TYPE } from './type-url.ts';

export type PolicyConfig = TypedPolicy['typedConfig'];

export interface ChosenPolicy {
  readonly config: PolicyConfig;
  /** Its path below the list. */
  readonly at: readonly (string | number)[];
}

/** Undefined where there is none; one that holds another needs a supported one. */
export function chosenPolicy(list: LoadBalancingPolicy): ChosenPolicy | undefined {
  for (const [i, { typedExtensionConfig }] of (list.policies ?? []).entries()) {
    const config = typedExtensionConfig?.typedConfig;
    if (config === undefined) continue;
    const within = innerPolicy(config);
    if (within !== undefined && chosenPolicy(within) === undefined) continue;
    return { config, at: ['policies', i, 'typedExtensionConfig', 'typedConfig'] };
  }
  return undefined;
}

/** What a policy that divides endpoints has within its parts. */
function innerPolicy(config: PolicyConfig): LoadBalancingPolicy | undefined {
  switch (config['@type']) {
    case SUBSET_POLICY_TYPE: return config.subsetLbPolicy;
    case WRR_LOCALITY_POLICY_TYPE: return config.endpointPickingPolicy;
    default: return undefined;
  }
}
