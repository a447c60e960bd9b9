// The listener by which an application calls out: an explicit HTTP proxy (Istio's proxyHttpPort).
import type { HostPort } from '../../proxy/base/host-port.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import { httpFilters } from './http-filter.ts';
import { httpManager } from './http-manager.ts';
import type { MeshView } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';
import { HTTP_PROXY_ROUTES, listenerName } from './resource-name.ts';
import { knownMesh } from './sidecar-scope.ts';
import { telemetry } from './telemetry.ts';

export function outboundListener(view: MeshView, node: ProxyNode, { host, port }: HostPort): Listener {
  const name = listenerName(host, port);
  return {
    name,
    address: { socketAddress: { address: host, portValue: port } },
    trafficDirection: 'OUTBOUND',
    filterChains: [{
      name,
      filters: [httpManager({
        role: 'outbound',
        statPrefix: `outbound_${name}`,
        filters: httpFilters({ authorization: [], isWeft: node.isWeft, grpcWeb: speaksGrpcWeb(view, node) }),
        routes: HTTP_PROXY_ROUTES,
        ...telemetry(view, node, 'CLIENT'),
      })],
    }],
  };
}

/** One listener is for all services: with one of gRPC-Web among them it takes browsers' calls. */
function speaksGrpcWeb(view: MeshView, node: ProxyNode): boolean {
  return knownMesh(view, node).services.some(({ ports }) => ports.some(({ protocol }) => protocol === 'grpc-web'));
}
