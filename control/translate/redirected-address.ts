// Where a sidecar takes redirected connections, and where those go that no service is there for.
import type { Address } from '../../proxy/config/address.ts';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { FilterChain, NetworkFilter } from '../../proxy/config/listener.ts';
import { TCP_PROXY_TYPE } from '../../proxy/config/type-url.ts';
import { OWN_SOURCE } from '../inject/redirect-rules.ts';
import type { Family } from '../inject/redirect-rules.ts';
import { CONNECT_TIMEOUT } from './mesh-settings.ts';
import type { MeshView } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';
import { BLACK_HOLE_CLUSTER, inboundPassthrough, PASSTHROUGH_CLUSTER } from './resource-name.ts';
import { connectionLogs, type TelemetryMode } from './telemetry.ts';
import { upstreamProtocol } from './upstream-protocol.ts';

/** Ports of Istio's init container. */
export const OUTBOUND_PORT = 15_001;
export const INBOUND_PORT = 15_006;

export const FAMILIES: readonly Family[] = [4, 6];
export const ANY_RANGE: Readonly<Record<Family, { readonly addressPrefix: string; readonly prefixLen: number }>> = {
  4: { addressPrefix: '0.0.0.0', prefixLen: 0 }, 6: { addressPrefix: '::', prefixLen: 0 },
};

/** All addresses of the workload: those of IPv6 where it has any. */
export function anyAddress({ addresses }: ProxyNode, port: number): Address {
  if (!addresses.some((address) => address.includes(':'))) return at('0.0.0.0', port);
  return { socketAddress: { address: '::', portValue: port, ipv4Compat: true } };
}

export function at(address: string, port: number): Address {
  return { socketAddress: { address, portValue: port } };
}

/** A connection carried as it is to a cluster that knows nothing of services. */
export function plainTcp(view: MeshView, node: ProxyNode, mode: TelemetryMode, cluster: string): NetworkFilter {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typedConfig: {
      '@type': TCP_PROXY_TYPE, statPrefix: cluster, cluster, ...connectionLogs(view, node, mode),
    },
  };
}

/** What is sent to the sidecar's own port was not redirected: it would come back for ever. */
export function ownPortChain(
  view: MeshView, node: ProxyNode, mode: TelemetryMode, name: string, port: number,
): FilterChain {
  return {
    name: `${name}-blackhole`,
    filterChainMatch: { destinationPort: port },
    filters: [plainTcp(view, node, mode, BLACK_HOLE_CLUSTER)],
  };
}

/** Clusters that every redirected sidecar has. */
export function passthroughClusters(): Cluster[] {
  return [
    { name: BLACK_HOLE_CLUSTER, type: 'STATIC', connectTimeout: CONNECT_TIMEOUT },
    toDestination(PASSTHROUGH_CLUSTER),
    ...FAMILIES.map((family) => ({
      ...toDestination(inboundPassthrough(family)),
      upstreamBindConfig: ownSource(family),
    })),
  ];
}

function toDestination(name: string): Cluster {
  return {
    name, type: 'ORIGINAL_DST', lbPolicy: 'CLUSTER_PROVIDED', connectTimeout: CONNECT_TIMEOUT,
    typedExtensionProtocolOptions: upstreamProtocol('client', undefined),
  };
}

/** By it the kernel tells what the sidecar sends to its application from what the application calls. */
export function ownSource(family: Family): NonNullable<Cluster['upstreamBindConfig']> {
  return { sourceAddress: { address: OWN_SOURCE[family], portValue: 0 } };
}
