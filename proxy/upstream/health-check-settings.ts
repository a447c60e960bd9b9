// Active health checks of a cluster, compiled: times in milliseconds, and the exchange that a check is.
import { ConfigError } from '../base/error.ts';
import { msOr } from '../config/duration.ts';
import type { HeaderValueOption } from '../config/header-value-option.ts';
import type { HealthCheck } from '../config/health-check.ts';
import { ALPN } from './alpn-pool.ts';
import type { HealthExchange } from './health-exchange.ts';
import { grpcExchange } from './health-grpc.ts';
import { httpExchange } from './health-http.ts';

export interface HealthCheckSettings {
  readonly timeoutMs: number;
  readonly initialJitterMs: number;
  /** Time to the next check, by what is known of the endpoint, and while the cluster has carried nothing yet. */
  readonly intervals: Readonly<Record<'healthy' | 'unhealthy' | 'healthyEdge' | 'unhealthyEdge', number>>;
  readonly idleIntervals: Readonly<Record<'healthy' | 'unhealthy', number>>;
  readonly jitterMs: number;
  /** Of an interval. */
  readonly jitterShare: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  readonly altPort: number | undefined;
  readonly reuses: boolean;
  /** Offered where the transport socket names none. */
  readonly alpn: readonly string[];
  /** Undefined: a connection is enough. */
  readonly exchange: HealthExchange | undefined;
  readonly key: string;
}

/** Envoy's default for no_traffic_interval. */
const NO_TRAFFIC_MS = 60_000;

/** Undefined without health checks. Throws a ConfigError below `healthChecks`. */
export function healthCheckSettings(
  checks: readonly HealthCheck[] | undefined, cluster: string,
): HealthCheckSettings | undefined {
  const check = checks?.[0];
  if (check === undefined) return undefined;
  const exchange = exchangeOf(check, cluster);
  return {
    ...timesOf(check),
    healthyThreshold: check.healthyThreshold,
    unhealthyThreshold: check.unhealthyThreshold,
    altPort: check.altPort,
    reuses: check.reuseConnection ?? true,
    alpn: check.tlsOptions?.alpnProtocols ?? (exchange === undefined ? [] : [ALPN[exchange.protocol]]),
    exchange,
    key: JSON.stringify(check),
  };
}

function timesOf(check: HealthCheck) {
  const healthy = msOr(check.interval, 0);
  const unhealthy = msOr(check.unhealthyInterval, healthy);
  const idle = msOr(check.noTrafficInterval, NO_TRAFFIC_MS);
  return {
    timeoutMs: msOr(check.timeout, 0),
    initialJitterMs: msOr(check.initialJitter, 0),
    intervals: {
      healthy, unhealthy,
      healthyEdge: msOr(check.healthyEdgeInterval, healthy),
      unhealthyEdge: msOr(check.unhealthyEdgeInterval, unhealthy),
    },
    idleIntervals: { healthy: msOr(check.noTrafficHealthyInterval, idle), unhealthy: idle },
    jitterMs: msOr(check.intervalJitter, 0),
    jitterShare: (check.intervalJitterPercent ?? 0) / 100,
  };
}

function exchangeOf(
  { httpHealthCheck: http, grpcHealthCheck: grpc }: HealthCheck, cluster: string,
): HealthExchange | undefined {
  if (http !== undefined) {
    const path = 'healthChecks[0].httpHealthCheck';
    return httpExchange(http, cluster, fieldsOf(http.requestHeadersToAdd, `${path}.requestHeadersToAdd`), path);
  }
  if (grpc === undefined) return undefined;
  return grpcExchange(grpc, cluster, fieldsOf(grpc.initialMetadata, 'healthChecks[0].grpcHealthCheck.initialMetadata'));
}

/** What each hop makes anew (RFC 9110 section 7.6.1), and what the exchange says itself. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['connection', 'content-length', 'expect', 'host', 'keep-alive',
  'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'content-type', 'user-agent']);

/** Names and values in turn. */
function fieldsOf(options: readonly HeaderValueOption[] | undefined, path: string): string[] {
  return (options ?? []).flatMap(({ header: { key, value = '' } }, i) => {
    const name = key.toLowerCase();
    const at = `${path}[${i}].header`;
    const isOwn = name.startsWith(':') || OWN_FIELDS.has(name);
    if (isOwn) throw new ConfigError(`${at}.key`, `checks say ${name} themselves`);
    if (value.replaceAll('%%', '').includes('%')) throw new ConfigError(`${at}.value`, 'checks have no operators');
    return [name, value.replaceAll('%%', '%')];
  });
}
