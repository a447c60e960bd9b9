// The listeners that take a workload's traffic: mutual TLS by PeerAuthentication, authorization, then the application.
import type { FilterChain, Listener, NetworkFilter } from '../../proxy/config/listener.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import { TCP_PROXY_TYPE } from '../../proxy/config/type-url.ts';
import { httpCustom, networkCustom } from './external-authorization.ts';
import { httpAuthorization, networkAuthorization } from './authorization.ts';
import { httpFilters } from './http-filter.ts';
import { httpManager } from './http-manager.ts';
import { timeouts } from './http-route.ts';
import { detection, MESH_HTTP, MESH_TCP, PLAIN_HTTP, TLS_INSPECTOR } from './listener-filter.ts';
import { meshTrust, type MeshTrust } from './mesh-trust.ts';
import type { MeshView } from './mesh-view.ts';
import { peerMode, type PeerMode } from './peer-authentication.ts';
import { openApiFilters } from './openapi.ts';
import type { ProxyNode } from './proxy-node.ts';
import { tokenFilters } from './request-authentication.ts';
import { inboundCluster, listenerName } from './resource-name.ts';
import { ANY_PATH } from './route-match.ts';
import { INBOUND_RETRY } from './route-retry.ts';
import { telemetry } from './telemetry.ts';
import { gatewayTls, meshServerTls } from './tls-context.ts';
import { carriesHttp, type WorkloadPort } from './workload-port.ts';

export function inboundListener(view: MeshView, node: ProxyNode, port: WorkloadPort): Listener {
  const name = listenerName(port.address, port.port);
  const mode = peerMode(view.inventory, view.settings, node, port.port);
  if (port.protocol === 'auto') return detectedListener(view, node, port, name, mode);
  const filters = carriesHttp(port) ? httpFiltersOf(view, node, port, name) : tcpFilters(view, node, port);
  return {
    name,
    address: { socketAddress: { address: port.address, portValue: port.port } },
    trafficDirection: 'INBOUND',
    ...(mode === 'PERMISSIVE' && { listenerFilters: [TLS_INSPECTOR] }),
    filterChains: peerChains(mode, name, filters, meshTrust(view), port),
  };
}

/** PERMISSIVE tells the two apart by the first bytes; opaque ports take TLS for the mesh's only where it says so. */
export function peerChains(
  mode: PeerMode, name: string, filters: NetworkFilter[], trust: MeshTrust,
  port: Pick<WorkloadPort, 'tls' | 'protocol'>,
): FilterChain[] {
  const isHttp = carriesHttp(port);
  const transportSocket = meshServerTls(trust);
  if (mode === 'STRICT') return [{ name, filters, transportSocket }];
  if (mode === 'DISABLE') {
    const { tls } = port;
    return [{ name, filters, ...(tls !== undefined && { transportSocket: gatewayTls(tls, trust, isHttp) }) }];
  }
  const secured: FilterChain = {
    name,
    filterChainMatch: { transportProtocol: 'tls', ...(!isHttp && { applicationProtocols: ['istio'] }) },
    filters,
    transportSocket,
  };
  const plain: FilterChain = {
    name: `${name}_plaintext`,
    ...(isHttp && { filterChainMatch: { transportProtocol: 'raw_buffer' } }),
    filters,
  };
  return [secured, plain];
}

/** HTTP and other bytes on one port: as the handshake says, or the first line. */
function detectedListener(
  view: MeshView, node: ProxyNode, port: WorkloadPort, name: string, mode: PeerMode,
): Listener {
  const [http, bytes] = [httpFiltersOf(view, node, port, name), tcpFilters(view, node, port)];
  const transportSocket = meshServerTls(meshTrust(view));
  const strict = mode === 'STRICT';
  const secured: FilterChain[] = [
    { name, filterChainMatch: MESH_HTTP, filters: http, transportSocket },
    { name: `${name}_tcp`, filterChainMatch: strict ? ANY_TLS : MESH_TCP, filters: bytes, transportSocket },
  ];
  const plain: FilterChain[] = [
    { name: `${name}_plaintext`, filterChainMatch: PLAIN_HTTP, filters: http },
    // Each transport by itself: a chain for both would lose to those for one before ALPN is looked at.
    { name: `${name}_plaintext_tcp`, filterChainMatch: ANY_PLAIN, filters: bytes },
    { name: `${name}_tls_passthrough`, filterChainMatch: ANY_TLS, filters: bytes },
  ];
  return {
    name,
    address: { socketAddress: { address: port.address, portValue: port.port } },
    trafficDirection: 'INBOUND',
    ...detection(view, node),
    filterChains: [...(mode === 'DISABLE' ? [] : secured), ...(strict ? [] : plain)],
  };
}

const ANY_TLS = { transportProtocol: 'tls' } as const;
const ANY_PLAIN = { transportProtocol: 'raw_buffer' } as const;

function httpFiltersOf(view: MeshView, node: ProxyNode, port: WorkloadPort, name: string): NetworkFilter[] {
  return [httpManager({
    role: 'inbound',
    statPrefix: `inbound_${name}`,
    filters: httpFilters({
      custom: httpCustom(view, node), tokens: tokenFilters(view, node, false),
      authorization: httpAuthorization(view, node), apis: openApiFilters(view, node), isWeft: node.isWeft,
      grpcWeb: port.protocol === 'grpc-web',
    }),
    routes: inboundRoutes(port),
    ...telemetry(view, node, 'SERVER'),
  })];
}

function inboundRoutes(port: WorkloadPort): RouteConfiguration {
  const cluster = inboundCluster(port.port);
  return {
    name: cluster,
    virtualHosts: [{
      name: `inbound|http|${port.port}`,
      domains: ['*'],
      routes: [{
        name: 'default',
        match: ANY_PATH,
        route: { cluster, ...timeouts(undefined), retryPolicy: INBOUND_RETRY },
        decorator: { operation: `${port.service.hostname}:${port.servicePort}/*` },
      }],
    }],
    validateClusters: false,
  };
}

function tcpFilters(view: MeshView, node: ProxyNode, port: WorkloadPort): NetworkFilter[] {
  const cluster = inboundCluster(port.port);
  return [
    ...networkCustom(view, node),
    ...networkAuthorization(view, node),
    { name: 'envoy.filters.network.tcp_proxy', typedConfig: { '@type': TCP_PROXY_TYPE, statPrefix: cluster, cluster } },
  ];
}
