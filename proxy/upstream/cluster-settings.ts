// A cluster's configuration with its defaults filled in: durations in milliseconds, policy as a factory. Immutable.
import type { Cluster as ClusterConfig, Thresholds } from '../config/cluster.ts';
import type { UpstreamProtocolOptions } from '../config/http-protocol-options.ts';
import { LIMITS } from '../config/limits.ts';
import type { Percent } from '../config/percent.ts';
import { HTTP_PROTOCOL_OPTIONS } from '../config/type-url.ts';
import type { BreakerLimits } from './circuit-breaker.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import { connectionSettings } from './connection-settings.ts';
import { healthCheckSettings } from './health-check-settings.ts';
import type { HealthCheckSettings } from './health-check-settings.ts';
import type { HealthStatus } from './load-assignment.ts';
import { balancingOf } from './load-balancer/balancing.ts';
import type { Balancing } from './load-balancer/policy.ts';
import { originalDstSettings } from './original-dst-settings.ts';
import type { OriginalDstSettings } from './original-dst-settings.ts';
import { outlierSettings } from './outlier-settings.ts';
import type { OutlierSettings } from './outlier-settings.ts';

/** How a cluster learns its endpoints: from its own configuration, from the supervisor's resolver, or by EDS. */
export type Discovery = 'static' | 'dns' | 'eds';

export interface ClusterSettings extends Balancing {
  readonly name: string;
  readonly statName: string;
  readonly discovery: Discovery;
  /** Its one endpoint is the same wherever its name leads (LOGICAL_DNS). */
  readonly logical: boolean;
  /** The name under which its endpoints come. */
  readonly assignmentName: string;
  /** Endpoints are named by requests and connections (type ORIGINAL_DST). */
  readonly originalDst: OriginalDstSettings | undefined;
  readonly panicPercent: number;
  /** Health in which an endpoint may be asked for by name. */
  readonly overrideStatuses: ReadonlySet<HealthStatus>;
  readonly breaker: BreakerLimits;
  /** For requests of priority HIGH. */
  readonly highBreaker: BreakerLimits;
  /** Its figures are shown from the start. */
  readonly limitsHigh: boolean;
  /** Connections to one endpoint are limited, and so counted. */
  readonly limitsHosts: boolean;
  readonly connection: ConnectionSettings;
  readonly outliers: OutlierSettings | undefined;
  readonly healthCheck: HealthCheckSettings | undefined;
}

/** Throws a ConfigError with the field's path. */
export function clusterSettings(config: ClusterConfig): ClusterSettings {
  return {
    name: config.name,
    statName: config.altStatName || config.name,
    discovery: discoveryOf(config),
    logical: config.type === 'LOGICAL_DNS',
    assignmentName: config.edsClusterConfig?.serviceName || config.name,
    ...balancingOf(config),
    originalDst: originalDstSettings(config),
    panicPercent: percentOr(config.commonLbConfig?.healthyPanicThreshold, PANIC_PERCENT),
    overrideStatuses: new Set(config.commonLbConfig?.overrideHostStatus?.statuses ?? OVERRIDE_STATUSES),
    breaker: breakerLimits(config, 'DEFAULT'),
    highBreaker: breakerLimits(config, 'HIGH'),
    limitsHigh: thresholdsOf(config, 'HIGH') !== undefined,
    limitsHosts: config.circuitBreakers?.perHostThresholds?.some((one) => one.maxConnections !== undefined) ?? false,
    connection: connectionSettings(config, protocolOptions(config)),
    // Where clients name the endpoints nobody chooses by health, in Envoy neither.
    outliers: config.type === 'ORIGINAL_DST' ? undefined : outlierSettings(config.outlierDetection),
    healthCheck: healthCheckSettings(config.healthChecks, config.name),
  };
}

/** Envoy's default for override_host_status. */
const OVERRIDE_STATUSES: readonly HealthStatus[] = ['UNKNOWN', 'HEALTHY', 'DEGRADED'];

/** Envoy's default for healthy_panic_threshold. */
const PANIC_PERCENT = 50;

function discoveryOf({ type = 'STATIC' }: ClusterConfig): Discovery {
  if (type === 'EDS') return 'eds';
  return type === 'STRICT_DNS' || type === 'LOGICAL_DNS' ? 'dns' : 'static';
}

function percentOr(percent: Percent | undefined, fallback: number): number {
  return percent === undefined ? fallback : (percent.value ?? 0);
}

function thresholdsOf({ circuitBreakers }: ClusterConfig, wanted: 'DEFAULT' | 'HIGH'): Thresholds | undefined {
  return circuitBreakers?.thresholds?.find(({ priority = 'DEFAULT' }) => priority === wanted);
}

function breakerLimits(config: ClusterConfig, wanted: 'DEFAULT' | 'HIGH'): BreakerLimits {
  const thresholds = thresholdsOf(config, wanted);
  const perHost = config.circuitBreakers?.perHostThresholds;
  const budget = thresholds?.retryBudget;
  return {
    connections: thresholds?.maxConnections ?? LIMITS.clusterConnectionsMax,
    connectionsPerHost: perHost?.find(({ priority = 'DEFAULT' }) => priority === wanted)?.maxConnections,
    pending: thresholds?.maxPendingRequests ?? LIMITS.clusterPendingMax,
    requests: thresholds?.maxRequests ?? LIMITS.clusterRequestsMax,
    retries: thresholds?.maxRetries ?? LIMITS.clusterRetriesMax,
    retryBudget: budget === undefined ? undefined : {
      share: percentOr(budget.budgetPercent, LIMITS.retryBudgetPercent) / 100,
      min: budget.minRetryConcurrency ?? LIMITS.retryConcurrencyMin,
    },
    trackRemaining: thresholds?.trackRemaining ?? false,
  };
}

function protocolOptions(config: ClusterConfig): UpstreamProtocolOptions {
  return config.typedExtensionProtocolOptions?.[HTTP_PROTOCOL_OPTIONS] ?? {};
}
