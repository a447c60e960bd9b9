// When an endpoint that fails is left out for a while (envoy.config.cluster.v3.OutlierDetection).
import { bool, duration, uint32 } from './scalar.ts';
import { message, optional, Refusal, type Static } from './schema.ts';

const share = (description: string, snake?: string) => optional(uint32({ maximum: 100 }), description, snake);

export const OutlierDetection = message('envoy.config.cluster.v3.OutlierDetection', {
  consecutive5xx: optional(uint32(), 'Server errors in a row that eject an endpoint; default 5.', 'consecutive_5xx'),
  interval: optional(duration({ above: 0 }), 'Between looks at who returns, and at shares of failures; default 10s.'),
  baseEjectionTime: optional(duration({ above: 0 }), 'First time out; the nth is n times as long. Default 30s.'),
  maxEjectionTime: optional(duration({ above: 0 }), 'Longest time out; default 300s, or the base if that is longer.'),
  maxEjectionTimeJitter: optional(duration(), 'Up to so much is added to each time out; default 0s.'),
  maxEjectionPercent: share('Share of endpoints out at one time; default 10.'),
  alwaysEjectOneHost: optional(bool(), 'One may go whatever the share. Default false.'),
  enforcingConsecutive5xx: share('How often consecutive_5xx ejects; default 100.', 'enforcing_consecutive_5xx'),
  consecutiveGatewayFailure: optional(uint32(), '502, 503 and 504 in a row; default 5.'),
  enforcingConsecutiveGatewayFailure: share('How often consecutive_gateway_failure ejects; default 0.'),
  splitExternalLocalOriginErrors: optional(bool(), 'Connection failures are counted apart. Default false.'),
  consecutiveLocalOriginFailure: optional(uint32(), 'Connection failures in a row, where counted apart; default 5.'),
  enforcingConsecutiveLocalOriginFailure: share('How often consecutive_local_origin_failure ejects; default 100.'),
  successRateMinimumHosts: optional(uint32(), 'Fewer endpoints with enough requests are not compared; default 5.'),
  successRateRequestVolume: optional(uint32(), 'Requests of an interval that are enough; default 100.'),
  successRateStdevFactor: optional(uint32(), 'Thousandths of standard deviations that an endpoint may be below the '
    + 'mean; default 1900.'),
  enforcingSuccessRate: share('How often the success rate ejects; default 100.'),
  enforcingLocalOriginSuccessRate: share('The same for connecting, where counted apart; default 100.'),
  failurePercentageThreshold: share('Share of failures that ejects; default 85.'),
  failurePercentageMinimumHosts: optional(uint32(), 'Fewer endpoints with enough requests are left; default 5.'),
  failurePercentageRequestVolume: optional(uint32(), 'Requests of an interval that are enough; default 50.'),
  enforcingFailurePercentage: share('How often failure_percentage ejects; default 0.'),
  enforcingFailurePercentageLocalOrigin: share('The same for connecting, where counted apart; default 0.'),
  successfulActiveHealthCheckUnejectHost: optional(bool(), 'An endpoint returns as soon as a health check passes. '
    + 'Default true.'),
}, {
  refused: {
    'this is not supported': ['monitors', 'detect_degraded_hosts'],
  },
  check: ({ baseEjectionTime = '30s', maxEjectionTime }) => (
    maxEjectionTime !== undefined && Number.parseFloat(maxEjectionTime) < Number.parseFloat(baseEjectionTime)
      ? new Refusal('must not be below base_ejection_time', ['maxEjectionTime']) : undefined),
});
export interface OutlierDetection extends Static<typeof OutlierDetection> {}
