// The table from a cluster's lb_policy and its settings to the policy that balances it.
import { ConfigError } from '../../base/error.ts';
import type { Cluster } from '../../config/cluster.ts';
import { msOr } from '../../config/duration.ts';
import type { SlowStartConfig } from '../../config/load-balancing.ts';
import type { HostPickerFactory } from './host-picker.ts';
import { leastRequest } from './least-request.ts';
import { maglev } from './maglev.ts';
import { randomChoice } from './random.ts';
import { ringHash } from './ring-hash.ts';
import { roundRobin } from './round-robin.ts';
import type { SlowStart } from './slow-start.ts';

/** Envoy's defaults. */
const RING_MIN = 1024;
const RING_MAX = 8_388_608;
const TABLE_SIZE = 65_537;
const MIN_WEIGHT_PERCENT = 10;

/** Throws a ConfigError with the field's path. */
export function policyOf(config: Cluster): HostPickerFactory {
  const { leastRequestLbConfig: least, roundRobinLbConfig: rotation, ringHashLbConfig: ring, maglevLbConfig } = config;
  const byHostname = config.commonLbConfig?.consistentHashingLbConfig?.useHostnameForHashing ?? false;
  switch (config.lbPolicy ?? 'ROUND_ROBIN') {
    case 'ROUND_ROBIN': return roundRobin(slowStartOf(rotation?.slowStartConfig, 'roundRobinLbConfig'));
    case 'RANDOM': return randomChoice;
    // Requests name their endpoints: there is no list to choose from.
    case 'CLUSTER_PROVIDED': return randomChoice;
    case 'LEAST_REQUEST': return leastRequest({
      choiceCount: least?.choiceCount ?? 2,
      activeRequestBias: biasOf(least?.activeRequestBias),
      slowStart: slowStartOf(least?.slowStartConfig, 'leastRequestLbConfig'),
    });
    case 'RING_HASH': return ringHash({
      minSize: ring?.minimumRingSize ?? RING_MIN, maxSize: ring?.maximumRingSize ?? RING_MAX, byHostname,
    });
    case 'MAGLEV': return maglev({ tableSize: maglevLbConfig?.tableSize ?? TABLE_SIZE, byHostname });
  }
}

function biasOf(bias: { readonly defaultValue?: number } | undefined): number {
  const value = bias === undefined ? 1 : (bias.defaultValue ?? 0);
  if (value < 0) throw new ConfigError('leastRequestLbConfig.activeRequestBias', 'must not be negative');
  return value;
}

function slowStartOf(config: SlowStartConfig | undefined, at: string): SlowStart | undefined {
  const windowMs = msOr(config?.slowStartWindow, 0);
  if (config === undefined || windowMs === 0) return undefined;
  const { aggression: given, minWeightPercent: min } = config;
  const aggression = given === undefined ? 1 : (given.defaultValue ?? 0);
  if (aggression <= 0) throw new ConfigError(`${at}.slowStartConfig.aggression`, 'must be above 0');
  return { windowMs, aggression, minShare: (min === undefined ? MIN_WEIGHT_PERCENT : (min.value ?? 0)) / 100 };
}
