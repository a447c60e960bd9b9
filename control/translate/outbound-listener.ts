// Listeners by which an application calls out over HTTP: an explicit HTTP proxy (Istio's proxyHttpPort), or a port.
import type { HostPort } from '../../proxy/base/host-port.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import { credentialFilters } from './egress-credential.ts';
import { httpFilters } from './http-filter.ts';
import { httpManager } from './http-manager.ts';
import { isOnDemand } from './lazy-scope.ts';
import type { MeshView } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';
import { HTTP_PROXY_ROUTES, listenerName } from './resource-name.ts';
import { commonMesh, type KnownMesh } from './sidecar-scope.ts';
import { telemetry } from './telemetry.ts';

export function outboundListener(view: MeshView, node: ProxyNode, at: HostPort): Listener {
  return httpListener(view, node, at, HTTP_PROXY_ROUTES, commonMesh(view, node));
}

/** `routes` is the name of a table. `isDetected`: the same clusters carry other bytes too. */
export function httpListener(
  view: MeshView, node: ProxyNode, { host, port }: HostPort, routes: string, mesh: KnownMesh,
  isDetected = false,
): Listener {
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
        filters: httpFilters({
          authorization: [], credentials: credentialFilters(view, node), isWeft: node.isWeft,
          grpcWeb: speaksGrpcWeb(mesh), saysHttp: isDetected, onDemand: node.lazy && isOnDemand(routes),
        }),
        routes,
        ...telemetry(view, node, 'CLIENT'),
      })],
    }],
  };
}

/** One listener is for all services: with one of gRPC-Web among them it takes browsers' calls. */
function speaksGrpcWeb({ services }: KnownMesh): boolean {
  return services.some(({ ports }) => ports.some(({ protocol }) => protocol === 'grpc-web'));
}
