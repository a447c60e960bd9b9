// The one listener that takes what comes to a workload by redirection: a chain for each of its ports, and passage for
// the others.
import { isIP } from 'node:net';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { FilterChain, Listener, NetworkFilter } from '../../proxy/config/listener.ts';
import { networkAuthorization } from './authorization.ts';
import { inboundListener, peerChains } from './inbound-listener.ts';
import { detection, ORIGINAL_DST, ORIGINAL_SRC, TLS_INSPECTOR } from './listener-filter.ts';
import { applicationCluster } from './local-cluster.ts';
import { meshTrust } from './mesh-trust.ts';
import type { MeshView } from './mesh-view.ts';
import { withIngressGate } from './network-policy.ts';
import { peerMode } from './peer-authentication.ts';
import type { ProxyNode } from './proxy-node.ts';
import {
  ANY_RANGE, anyAddress, FAMILIES, INBOUND_PORT, ownPortChain, ownSource, plainTcp,
} from './redirected-address.ts';
import { inboundPassthrough } from './resource-name.ts';
import type { WorkloadPort } from './workload-port.ts';

const NAME = 'virtualInbound';
/** Of ports that nobody wrote down: policies for certain ports have no bearing on them. */
const UNKNOWN_PORT = 0;
const UNKNOWN = { protocol: 'tcp' } as const;

export function redirectedInbound(view: MeshView, node: ProxyNode, ports: readonly WorkloadPort[]): Listener {
  const own = ports.flatMap((port) => {
    const { filterChains = [] } = withIngressGate(view, node, inboundListener(view, node, port));
    return filterChains.map((chain) => forPort(chain, port.port));
  });
  // Where the family of its caller is not that of the application, it is called as by REDIRECT.
  const origin = node.transparent ? [ORIGINAL_DST, ORIGINAL_SRC] : [ORIGINAL_DST];
  return {
    name: NAME,
    address: anyAddress(node, INBOUND_PORT),
    trafficDirection: 'INBOUND',
    ...(node.transparent && { transparent: true }),
    ...detection(view, node, origin),
    ...(!ports.some(({ protocol }) => protocol === 'auto') && { listenerFilters: [...origin, TLS_INSPECTOR] }),
    filterChains: [ownPortChain(view, node, 'SERVER', NAME, INBOUND_PORT), ...own, ...passage(view, node)],
  };
}

function forPort(chain: FilterChain, port: number): FilterChain {
  return { ...chain, filterChainMatch: { ...chain.filterChainMatch, destinationPort: port } };
}

/** Connections to other ports are the application's, under the same policies. */
function passage(view: MeshView, node: ProxyNode): FilterChain[] {
  const mode = peerMode(view.inventory, view.settings, node, UNKNOWN_PORT);
  return FAMILIES.flatMap((family) => {
    const cluster = inboundPassthrough(family);
    const filters: NetworkFilter[] = [...networkAuthorization(view, node), plainTcp(view, node, 'SERVER', cluster)];
    const chains = peerChains(mode, `${NAME}-ipv${family}`, filters, meshTrust(view), UNKNOWN);
    const listener = withIngressGate(view, node, {
      name: NAME, address: anyAddress(node, UNKNOWN_PORT), filterChains: chains,
    });
    return (listener.filterChains ?? []).map((chain) => (
      { ...chain, filterChainMatch: { ...chain.filterChainMatch, prefixRanges: [ANY_RANGE[family]] } }));
  });
}

/** The application is called at the address that its caller meant, from one that is not redirected. */
export function redirectedApplication(port: WorkloadPort): Cluster {
  const { host } = port.app;
  return { ...applicationCluster(port), upstreamBindConfig: ownSource(isIP(host) === 6 ? 6 : 4) };
}
