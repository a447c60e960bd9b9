// How a cluster prefers endpoints near the proxy, from its zone_aware_lb_config.
import type { ZoneAwareLbConfig } from '../../config/load-balancing-policy.ts';

export interface ZoneSettings {
  /** Share of the picks that look at zones (routing_enabled). Envoy's default 100. */
  readonly routingPercent: number;
  /** Healthy endpoints below which zones don't count. Envoy's default 6. */
  readonly minClusterSize: number;
  /** With so many healthy endpoints nearby all requests stay there; undefined: only what is the zone's share. */
  readonly nearMin: number | undefined;
  /** Shares of zones are sums of weights, not numbers of endpoints (locality_basis). Default false. */
  readonly byWeight: boolean;
}

/** Holds where the proxy has a local cluster, also without any such config, as in Envoy. */
export function zoneSettings(config: ZoneAwareLbConfig = {}): ZoneSettings {
  const { routingEnabled, minClusterSize = 6, forceLocalZone, forceLocalityDirectRouting = false } = config;
  return {
    routingPercent: routingEnabled === undefined ? 100 : Math.round(routingEnabled.value ?? 0),
    minClusterSize,
    nearMin: forceLocalZone === undefined && !forceLocalityDirectRouting ? undefined : (forceLocalZone?.minSize ?? 1),
    byWeight: config.localityBasis === 'HEALTHY_HOSTS_WEIGHT',
  };
}
