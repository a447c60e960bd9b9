// Everything that one proxy is told, put together: pure, so that the same objects and node give the same resources.
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { ClusterLoadAssignment } from '../../proxy/config/endpoint.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import { egressResources } from './egress-listener.ts';
import { meshPassthroughClusters } from './gateway-connection.ts';
import { gatewayResources } from './gateway.ts';
import { inboundListener } from './inbound-listener.ts';
import { applicationCluster, zipkinCluster } from './local-cluster.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { serviceClusters, type OutboundCluster } from './outbound-cluster.ts';
import { outboundListener } from './outbound-listener.ts';
import { outboundRoutes } from './outbound-route.ts';
import type { ProxyNode } from './proxy-node.ts';
import { knownMesh } from './sidecar-scope.ts';
import { workloadPorts } from './workload-port.ts';

export interface ProxyResources {
  readonly listeners: readonly Listener[];
  readonly clusters: readonly Cluster[];
  readonly routes: readonly RouteConfiguration[];
  readonly endpoints: readonly ClusterLoadAssignment[];
}

/** Translates one moment of the mesh; what several proxies share is made once. */
export class Translator {
  readonly #view: MeshView;
  readonly #clusters = new Map<string, OutboundCluster[]>();
  readonly #routes = new Map<string, RouteConfiguration>();

  constructor(view: MeshView) {
    this.#view = view;
  }

  resourcesFor(node: ProxyNode): ProxyResources {
    const passed = node.kind === 'router' ? meshPassthroughClusters(this.#view, node) : [];
    const outbound = [...this.#outboundClusters(node), ...passed];
    const zipkin = node.zipkin ?? this.#view.settings.zipkin;
    const collector = zipkin === undefined ? [] : [zipkinCluster(zipkin)];
    const shared = [...outbound.map(({ cluster }) => cluster), ...collector];
    const endpoints = outbound.flatMap((made) => made.endpoints ?? []);
    if (node.kind === 'router') {
      return { ...gatewayResources(this.#view, node), clusters: shared, endpoints };
    }
    const ports = workloadPorts(this.#view, node);
    const inbound = ports.map((port) => inboundListener(this.#view, node, port));
    const { outboundListen } = node;
    const out = outboundListen === undefined ? [] : [outboundListener(this.#view, node, outboundListen)];
    const egress = egressResources(this.#view, node);
    return {
      listeners: [...inbound, ...out, ...egress.listeners],
      clusters: [...shared, ...ports.map(applicationCluster)],
      routes: [...(outboundListen === undefined ? [] : [this.#outboundRoutes(node)]), ...egress.routes],
      endpoints,
    };
  }

  #outboundClusters(node: ProxyNode): OutboundCluster[] {
    return remember(this.#clusters, scopeKey(node), () =>
      knownMesh(this.#view, node).services.flatMap((service) => serviceClusters(this.#view, node, service)));
  }

  #outboundRoutes(node: ProxyNode): RouteConfiguration {
    return remember(this.#routes, scopeKey(node), () => outboundRoutes(this.#view, node));
  }
}

/** Proxies with equal keys see the same services in the same way. */
function scopeKey(scope: Scope): string {
  const { namespace, labels, isWeft, isGateway = false, locality = '' } = scope;
  const sorted = [...labels].sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify([namespace, isWeft, isGateway, locality, sorted]);
}

function remember<T>(cache: Map<string, T>, key: string, make: () => T): T {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const made = make();
  cache.set(key, made);
  return made;
}
