// How a cluster's endpoints are chosen, from a DestinationRule's loadBalancer.
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { LoadBalancerSettings, Warmup } from '../model/traffic-policy.ts';
import { hashBalancing } from './consistent-hash.ts';
import type { PortPolicy } from './destination-policy.ts';

type BalancingParts = Pick<Cluster, 'lbPolicy' | 'leastRequestLbConfig' | 'roundRobinLbConfig' | 'commonLbConfig'>;

/** Stands after the cluster's other policy: with shares by locality it says commonLbConfig whole. */
export function balancing({ loadBalancer, outlierDetection }: PortPolicy, isWeft: boolean): BalancingParts {
  const { enabled = true, distribute } = loadBalancer?.localityLbSetting ?? {};
  const byPolicy = endpointPolicy(loadBalancer, isWeft);
  if (!enabled || distribute === undefined) return byPolicy;
  const commonLbConfig: object = {
    healthyPanicThreshold: { value: outlierDetection?.minHealthPercent ?? 0 }, localityWeightedLbConfig: {},
  };
  return { ...byPolicy, commonLbConfig };
}

function endpointPolicy(settings: LoadBalancerSettings | undefined, isWeft: boolean): BalancingParts {
  const { simple, consistentHash, warmup } = settings ?? {};
  if (consistentHash !== undefined) return hashBalancing(consistentHash);
  const slow: object = warmup === undefined ? {} : { slowStartConfig: slowStart(warmup, isWeft) };
  if (simple === 'RANDOM') return { lbPolicy: simple };
  if (simple === 'ROUND_ROBIN') return { lbPolicy: simple, ...(warmup !== undefined && { roundRobinLbConfig: slow }) };
  return { lbPolicy: 'LEAST_REQUEST', ...(warmup !== undefined && { leastRequestLbConfig: slow }) };
}

/** Envoy's aggression must have a key of its runtime, which weft has not. */
export function slowStart({ duration, minimumPercent = 10, aggression }: Warmup, isWeft: boolean): object {
  const key = isWeft ? {} : { runtimeKey: 'warmup.aggression' };
  return {
    slowStartWindow: duration,
    minWeightPercent: { value: minimumPercent },
    ...(aggression !== undefined && aggression !== 1 && { aggression: { defaultValue: aggression, ...key } }),
  };
}
