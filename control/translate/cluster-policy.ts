// The parts of a cluster that a DestinationRule's policy sets: limits, panic, ejection, keep-alive.
import type { CircuitBreakers, Cluster, Thresholds } from '../../proxy/config/cluster.ts';
import { durationMs } from '../../proxy/config/duration.ts';
import type { OutlierDetection } from '../../proxy/config/outlier-detection.ts';
import type { OutlierDetection as OutlierSettings, TcpSettings } from '../model/traffic-policy.ts';
import type { PortPolicy } from './destination-policy.ts';
import { CONNECT_TIMEOUT, UNLIMITED } from './mesh-settings.ts';

type ConnectionParts = Pick<Cluster, 'connectTimeout' | 'circuitBreakers' | 'upstreamConnectionOptions'>;
type PolicyParts = ConnectionParts & Pick<Cluster, 'commonLbConfig' | 'outlierDetection'>;

export function clusterPolicy(policy: PortPolicy): PolicyParts {
  const { outlierDetection: outlier } = policy;
  return {
    ...connectionLimits(policy),
    // Panic (requests to endpoints known to be bad) is off, as in Istio.
    commonLbConfig: { healthyPanicThreshold: { value: outlier?.minHealthPercent ?? 0 } },
    ...(outlier !== undefined && { outlierDetection: outlierDetection(outlier) }),
  };
}

/** What holds towards an application too. */
export function connectionLimits(policy: Pick<PortPolicy, 'connectionPool' | 'retryBudget'>): ConnectionParts {
  const tcp = policy.connectionPool?.tcp;
  return {
    connectTimeout: tcp?.connectTimeout ?? CONNECT_TIMEOUT,
    circuitBreakers: circuitBreakers(policy),
    ...keepalive(tcp),
  };
}

function circuitBreakers(
  { connectionPool, retryBudget }: Pick<PortPolicy, 'connectionPool' | 'retryBudget'>,
): CircuitBreakers {
  const { tcp, http } = connectionPool ?? {};
  const thresholds: Thresholds = {
    maxConnections: tcp?.maxConnections ?? UNLIMITED,
    maxPendingRequests: http?.http1MaxPendingRequests ?? UNLIMITED,
    maxRequests: http?.http2MaxRequests ?? UNLIMITED,
    maxRetries: http?.maxRetries ?? UNLIMITED,
    trackRemaining: true,
    ...(retryBudget !== undefined && {
      retryBudget: {
        budgetPercent: { value: retryBudget.percent ?? 20 },
        minRetryConcurrency: retryBudget.minRetryConcurrency ?? 3,
      },
    }),
  };
  return { thresholds: [thresholds] };
}

/** A count of 0 turns that kind of ejection off; gateway errors count only when a number is given. */
function outlierDetection(settings: OutlierSettings): OutlierDetection {
  const { consecutive5xxErrors, consecutiveGatewayErrors, consecutiveLocalOriginFailures } = settings;
  const isOn = (count: number): number => (count > 0 ? 100 : 0);
  return {
    ...(consecutive5xxErrors !== undefined && {
      consecutive5xx: Math.max(1, consecutive5xxErrors),
      enforcingConsecutive5xx: isOn(consecutive5xxErrors),
    }),
    ...(consecutiveGatewayErrors !== undefined && {
      consecutiveGatewayFailure: Math.max(1, consecutiveGatewayErrors),
      enforcingConsecutiveGatewayFailure: isOn(consecutiveGatewayErrors),
    }),
    ...(settings.interval !== undefined && { interval: settings.interval }),
    ...(settings.baseEjectionTime !== undefined && { baseEjectionTime: settings.baseEjectionTime }),
    ...(settings.maxEjectionPercent !== undefined && { maxEjectionPercent: settings.maxEjectionPercent }),
    ...(settings.splitExternalLocalOriginErrors === true && {
      splitExternalLocalOriginErrors: true,
      ...(consecutiveLocalOriginFailures !== undefined && {
        consecutiveLocalOriginFailure: Math.max(1, consecutiveLocalOriginFailures),
        enforcingConsecutiveLocalOriginFailure: isOn(consecutiveLocalOriginFailures),
      }),
    }),
    // Proxies eject by success rate unless told not to.
    enforcingSuccessRate: 0,
    enforcingLocalOriginSuccessRate: 0,
  };
}

function keepalive(tcp: TcpSettings | undefined): Pick<Cluster, 'upstreamConnectionOptions'> {
  if (tcp?.tcpKeepalive === undefined) return {};
  const { time } = tcp.tcpKeepalive;
  const seconds = time === undefined ? undefined : Math.ceil((durationMs(time) ?? 0) / 1000);
  return { upstreamConnectionOptions: { tcpKeepalive: seconds === undefined ? {} : { keepaliveTime: seconds } } };
}
