// Policies from their settings, which are the same ones in lb_policy's *_lb_config and in load_balancing_policy.
import { ConfigError } from '../../base/error.ts';
import { msOr } from '../../config/duration.ts';
import type { LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig, SlowStartConfig } from
  '../../config/load-balancing.ts';
import type { ZoneAwareLbConfig } from '../../config/load-balancing-policy.ts';
import type { HostPickerFactory } from './host-picker.ts';
import { leastRequest } from './least-request.ts';
import { maglev } from './maglev.ts';
import { ringHash } from './ring-hash.ts';
import { roundRobin } from './round-robin.ts';
import type { SlowStart } from './slow-start.ts';
import type { SubsetSettings } from './subset-settings.ts';
import { zoneSettings } from './zone-settings.ts';
import type { ZoneSettings } from './zone-settings.ts';

/** How a cluster balances, whichever way it says so. */
export interface Balancing {
  readonly policy: HostPickerFactory;
  /** The policy goes by a request's hash. */
  readonly byHash: boolean;
  /** Localities count by their weights. */
  readonly byLocality: boolean;
  /** Undefined for policies by hash, to which zones are all the same. */
  readonly zone: ZoneSettings | undefined;
  /** In panic no endpoint is used (fail_traffic_on_panic). */
  readonly failOnPanic: boolean;
  /** Undefined: requests are not told apart by metadata. */
  readonly subsets: SubsetSettings | undefined;
  /** Time constant of the mean latency that the policy goes by; undefined: nobody measures. */
  readonly latencyDecayMs: number | undefined;
}

export const NO_ZONES = { zone: undefined, failOnPanic: false };

export function zonesOf(config: ZoneAwareLbConfig | undefined): Pick<Balancing, 'zone' | 'failOnPanic'> {
  return { zone: zoneSettings(config), failOnPanic: config?.failTrafficOnPanic ?? false };
}

/** Envoy's defaults. */
const RING_MIN = 1024;
const RING_MAX = 8_388_608;
const TABLE_SIZE = 65_537;
const MIN_WEIGHT_PERCENT = 10;

interface SlowStarting {
  readonly slowStartConfig?: SlowStartConfig;
}

/** Throws a ConfigError with the field's path, below `path`; so do the others. */
export function roundRobinOf(config: SlowStarting | undefined, path: string): HostPickerFactory {
  return roundRobin(slowStartOf(config?.slowStartConfig, path));
}

export function leastRequestOf(
  config: LeastRequestLbConfig & { readonly selectionMethod?: 'N_CHOICES' | 'FULL_SCAN' } | undefined, path: string,
): HostPickerFactory {
  return leastRequest({
    choiceCount: config?.choiceCount ?? 2,
    fullScan: config?.selectionMethod === 'FULL_SCAN',
    activeRequestBias: biasOf(config?.activeRequestBias, path),
    slowStart: slowStartOf(config?.slowStartConfig, path),
  });
}

export function ringHashOf(
  config: Pick<RingHashLbConfig, 'minimumRingSize' | 'maximumRingSize'> | undefined, byHostname: boolean,
): HostPickerFactory {
  return ringHash({
    minSize: config?.minimumRingSize ?? RING_MIN, maxSize: config?.maximumRingSize ?? RING_MAX, byHostname,
  });
}

export function maglevOf(config: MaglevLbConfig | undefined, byHostname: boolean): HostPickerFactory {
  return maglev({ tableSize: config?.tableSize ?? TABLE_SIZE, byHostname });
}

function biasOf(bias: { readonly defaultValue?: number } | undefined, path: string): number {
  const value = bias === undefined ? 1 : (bias.defaultValue ?? 0);
  if (value < 0) throw new ConfigError(`${path}.activeRequestBias`, 'must not be negative');
  return value;
}

function slowStartOf(config: SlowStartConfig | undefined, path: string): SlowStart | undefined {
  const windowMs = msOr(config?.slowStartWindow, 0);
  if (config === undefined || windowMs === 0) return undefined;
  const { aggression: given, minWeightPercent: min } = config;
  const aggression = given === undefined ? 1 : (given.defaultValue ?? 0);
  if (aggression <= 0) throw new ConfigError(`${path}.slowStartConfig.aggression`, 'must be above 0');
  return { windowMs, aggression, minShare: (min === undefined ? MIN_WEIGHT_PERCENT : (min.value ?? 0)) / 100 };
}
