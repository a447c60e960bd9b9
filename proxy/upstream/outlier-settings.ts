// Outlier detection's configuration with Envoy's defaults filled in: durations in milliseconds. Immutable.
import { msOr } from '../config/duration.ts';
import type { OutlierDetection as Config } from '../config/outlier-detection.ts';

/** Ways to fail in a row. */
export type FailureKind = 'consecutive_5xx' | 'consecutive_gateway_failure' | 'consecutive_local_origin_failure';

/** Ways to fail more than others, or too much, over an interval. */
export type ShareKind = 'success_rate' | 'local_origin_success_rate' | 'failure_percentage'
  | 'local_origin_failure_percentage';

export type EjectionKind = FailureKind | ShareKind;

export const EJECTION_KINDS: readonly EjectionKind[] = [
  'consecutive_5xx', 'consecutive_gateway_failure', 'consecutive_local_origin_failure', 'success_rate',
  'local_origin_success_rate', 'failure_percentage', 'local_origin_failure_percentage',
];

/** Whose requests are enough, and how many of such endpoints. */
export interface Sample {
  readonly endpointsMin: number;
  readonly requestsMin: number;
}

export interface OutlierSettings {
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly jitterMs: number;
  readonly maxEjectionPercent: number;
  readonly ejectsOneAlways: boolean;
  /** How many in a row; 0 is never. */
  readonly inARow: Readonly<Record<FailureKind, number>>;
  /** In what share of the cases an endpoint is really ejected. */
  readonly enforcingPercent: Readonly<Record<EjectionKind, number>>;
  readonly successRate: Sample & { readonly stdevFactor: number };
  readonly failurePercentage: Sample & { readonly thresholdPercent: number };
  /** Connection failures and timeouts are a kind of their own instead of a 503 or 504. */
  readonly splitsLocal: boolean;
  /** An active health check that passes ends an ejection. */
  readonly checkReturns: boolean;
}

/** Undefined: nothing is ejected. */
export function outlierSettings(config: Config | undefined): OutlierSettings | undefined {
  if (config === undefined) return undefined;
  const baseEjectionMs = msOr(config.baseEjectionTime, 30_000);
  return {
    intervalMs: msOr(config.interval, 10_000),
    baseEjectionMs,
    maxEjectionMs: Math.max(baseEjectionMs, msOr(config.maxEjectionTime, 300_000)),
    jitterMs: msOr(config.maxEjectionTimeJitter, 0),
    maxEjectionPercent: config.maxEjectionPercent ?? 10,
    ejectsOneAlways: config.alwaysEjectOneHost ?? false,
    inARow: {
      consecutive_5xx: config.consecutive5xx ?? 5,
      consecutive_gateway_failure: config.consecutiveGatewayFailure ?? 5,
      consecutive_local_origin_failure: config.consecutiveLocalOriginFailure ?? 5,
    },
    enforcingPercent: enforcing(config),
    successRate: {
      endpointsMin: config.successRateMinimumHosts ?? 5,
      requestsMin: config.successRateRequestVolume ?? 100,
      stdevFactor: (config.successRateStdevFactor ?? 1900) / 1000,
    },
    failurePercentage: {
      endpointsMin: config.failurePercentageMinimumHosts ?? 5,
      requestsMin: config.failurePercentageRequestVolume ?? 50,
      thresholdPercent: config.failurePercentageThreshold ?? 85,
    },
    splitsLocal: config.splitExternalLocalOriginErrors ?? false,
    checkReturns: config.successfulActiveHealthCheckUnejectHost ?? true,
  };
}

function enforcing(config: Config): OutlierSettings['enforcingPercent'] {
  return {
    consecutive_5xx: config.enforcingConsecutive5xx ?? 100,
    consecutive_gateway_failure: config.enforcingConsecutiveGatewayFailure ?? 0,
    consecutive_local_origin_failure: config.enforcingConsecutiveLocalOriginFailure ?? 100,
    success_rate: config.enforcingSuccessRate ?? 100,
    local_origin_success_rate: config.enforcingLocalOriginSuccessRate ?? 100,
    failure_percentage: config.enforcingFailurePercentage ?? 0,
    local_origin_failure_percentage: config.enforcingFailurePercentageLocalOrigin ?? 0,
  };
}
