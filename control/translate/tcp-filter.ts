// The TCP proxy that carries connections to the destinations of a rule, or to one cluster.
import { isIP } from 'node:net';
import type { NetworkFilter } from '../../proxy/config/listener.ts';
import type { TcpProxy } from '../../proxy/config/tcp-proxy.ts';
import { TCP_PROXY_TYPE } from '../../proxy/config/type-url.ts';
import type { TunnelSettings } from '../model/traffic-policy.ts';
import type { PortPolicy } from './destination-policy.ts';
import type { ConnectionTarget } from './tcp-route.ts';

/** Where bytes go, with the policy of the first destination, which is that of the connection (as in Istio). */
export interface TcpTarget extends ConnectionTarget {
  readonly policy: PortPolicy;
}

export function tcpProxy(
  statPrefix: string, { policy, ...target }: TcpTarget, logs: Pick<TcpProxy, 'accessLog'>,
): NetworkFilter {
  const { idleTimeout, maxConnectionDuration } = policy.connectionPool?.tcp ?? {};
  const hashesSource = policy.loadBalancer?.consistentHash?.useSourceIp === true;
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typedConfig: {
      '@type': TCP_PROXY_TYPE,
      statPrefix,
      ...target,
      ...(idleTimeout !== undefined && { idleTimeout }),
      ...(maxConnectionDuration !== undefined && { maxDownstreamConnectionDuration: maxConnectionDuration }),
      ...(policy.tunnel !== undefined && { tunnelingConfig: tunneling(policy.tunnel) }),
      ...(hashesSource && { hashPolicy: [{ sourceIp: {} }] }),
      ...logs,
    },
  };
}

function tunneling(tunnel: TunnelSettings): NonNullable<TcpProxy['tunnelingConfig']> {
  return { hostname: tunnelTarget(tunnel), ...(tunnel.protocol === 'POST' && { usePost: true }) };
}

/** What a proxy is asked to connect to. */
export function tunnelTarget({ targetHost, targetPort }: TunnelSettings): string {
  return `${isIP(targetHost) === 6 ? `[${targetHost}]` : targetHost}:${targetPort}`;
}
