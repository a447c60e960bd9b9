// Everything that one proxy is told, put together: pure, so that the same objects and node give the same resources.
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { ClusterLoadAssignment } from '../../proxy/config/endpoint.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import type { NameTable } from '../../proxy/config/name-table.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import type { Secret } from '../../proxy/config/tls.ts';
import { clientSecrets } from './client-tls.ts';
import { credentialSecrets } from './egress-credential.ts';
import { providerService } from './external-authorization.ts';
import { egressResources } from './egress-listener.ts';
import { meshPassthroughClusters } from './gateway-connection.ts';
import { loginSecrets } from './gateway-login.ts';
import { backendSecrets } from './gateway-api/backend-tls.ts';
import { listenerSecrets } from './gateway-api/listener-tls.ts';
import { gatewaySecrets } from './gateway-secret.ts';
import { gatewayResources } from './gateway.ts';
import { inboundListener } from './inbound-listener.ts';
import { applicationCluster, zipkinCluster } from './local-cluster.ts';
import { trustSecrets } from './mesh-trust.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { nameTable } from './name-table.ts';
import { withIngressGate } from './network-policy.ts';
import { serviceClusters, type OutboundCluster } from './outbound-cluster.ts';
import { outboundListener } from './outbound-listener.ts';
import { outboundRoutes } from './outbound-route.ts';
import type { ProxyNode } from './proxy-node.ts';
import { proxylessResources, type ApiListener, type ProxylessResources } from './proxyless.ts';
import { passthroughClusters } from './redirected-address.ts';
import { redirectedApplication, redirectedInbound } from './redirected-inbound.ts';
import { redirectedOutbound, redirectedRoutes } from './redirected-outbound.ts';
import { ScopeMemo } from './scope-memo.ts';
import type { Steps } from './scope-memo.ts';
import { knownMesh } from './sidecar-scope.ts';
import { workloadPorts, type WorkloadPort } from './workload-port.ts';

export interface ProxyResources {
  readonly listeners: readonly Listener[];
  /** Of a client without a proxy. */
  readonly apiListeners?: readonly ApiListener[];
  readonly clusters: readonly Cluster[];
  readonly routes: readonly RouteConfiguration[];
  readonly endpoints: readonly ClusterLoadAssignment[];
  /** Private keys are in them: only for a proxy whose certificate says who it is. */
  readonly secrets?: readonly Secret[];
  /** For its DNS proxy, if it has one. */
  readonly nameTables?: readonly NameTable[];
}

/** Translates one moment of the mesh; what several proxies share is made once. */
export class Translator {
  readonly #view: MeshView;
  readonly #clusters = new ScopeMemo<OutboundCluster[]>();
  readonly #routes = new ScopeMemo<RouteConfiguration>();
  readonly #names = new ScopeMemo<NameTable>();
  readonly #byPort = new ScopeMemo<RouteConfiguration[]>();
  readonly #proxyless = new ScopeMemo<ProxylessResources>();

  constructor(view: MeshView) {
    this.#view = view;
  }

  /** What takes long of resourcesFor(), in small steps. */
  * steps(node: ProxyNode): Steps<void> {
    if (node.proxyless) {
      yield* this.#proxyless.steps(node, (scope) => proxylessResources(this.#view, scope));
      return;
    }
    yield* this.#clusters.steps(node, (scope) => clustersOf(this.#view, scope));
    const { outboundListen, redirected } = node;
    if (outboundListen !== undefined) yield* this.#routes.steps(node, (scope) => outboundRoutes(this.#view, scope));
    if (redirected) yield* this.#byPort.steps(node, (scope) => redirectedRoutes(this.#view, scope));
  }

  resourcesFor(node: ProxyNode): ProxyResources {
    if (node.proxyless) return this.#proxyless.get(node, (scope) => proxylessResources(this.#view, scope));
    const resources = this.#resourcesFor(node);
    return node.dnsCapture ? { ...resources, nameTables: [this.#nameTable(node)] } : resources;
  }

  #resourcesFor(node: ProxyNode): ProxyResources {
    const passed = node.kind === 'router' ? meshPassthroughClusters(this.#view, node) : [];
    const known = [...this.#outboundClusters(node), ...passed];
    const outbound = [...known, ...this.#providerClusters(node, known)];
    const zipkin = node.zipkin ?? this.#view.settings.zipkin;
    const collector = zipkin === undefined ? [] : [zipkinCluster(zipkin)];
    const shared = [...outbound.map(({ cluster }) => cluster), ...collector];
    const endpoints = outbound.flatMap((made) => made.endpoints ?? []);
    if (node.kind === 'router') {
      const view = this.#view;
      const ofGateway = [
        ...gatewaySecrets(view, node), ...listenerSecrets(view, node), ...backendSecrets(view, node),
        ...clientSecrets(view, node), ...loginSecrets(view, node),
      ];
      const secrets = [...trustSecrets(view), ...ofGateway, ...credentialSecrets(view, node)];
      const { listeners, routes } = gatewayResources(this.#view, node);
      const gated = listeners.map((listener) => withIngressGate(this.#view, node, listener));
      return { listeners: gated, routes, clusters: shared, endpoints, secrets };
    }
    const ports = workloadPorts(this.#view, node);
    const inbound = node.redirected ? [redirectedInbound(this.#view, node, ports)]
      : ports.map((port) => withIngressGate(this.#view, node, inboundListener(this.#view, node, port)));
    const { outboundListen, redirected } = node;
    const out = outboundListen === undefined ? [] : [outboundListener(this.#view, node, outboundListen)];
    const egress = egressResources(this.#view, node);
    return {
      listeners: [...inbound, ...out, ...(redirected ? redirectedOutbound(this.#view, node) : []), ...egress.listeners],
      clusters: [...shared, ...applicationClusters(node, ports)],
      routes: [
        ...(outboundListen === undefined ? [] : [this.#outboundRoutes(node)]),
        ...(redirected ? this.#redirectedRoutes(node) : []), ...egress.routes,
      ],
      endpoints,
      secrets: [
        ...trustSecrets(this.#view), ...clientSecrets(this.#view, node), ...credentialSecrets(this.#view, node),
      ],
    };
  }

  #nameTable(node: ProxyNode): NameTable {
    return this.#names.get(node, (scope) => namesOf(this.#view, scope));
  }

  #outboundClusters(node: ProxyNode): OutboundCluster[] {
    return this.#clusters.get(node, (scope) => clustersOf(this.#view, scope));
  }

  #redirectedRoutes(node: ProxyNode): RouteConfiguration[] {
    return this.#byPort.get(node, (scope) => redirectedRoutes(this.#view, scope));
  }

  /** Those of the provider of CUSTOM policies, where the proxy knows its service from nothing else. */
  #providerClusters(node: ProxyNode, known: readonly OutboundCluster[]): OutboundCluster[] {
    const service = providerService(this.#view, node, known.map(({ cluster }) => cluster));
    return service === undefined ? [] : serviceClusters(this.#view, node, service);
  }

  #outboundRoutes(node: ProxyNode): RouteConfiguration {
    return this.#routes.get(node, (scope) => outboundRoutes(this.#view, scope));
  }
}

function* clustersOf(view: MeshView, scope: Scope): Steps<OutboundCluster[]> {
  const clusters: OutboundCluster[] = [];
  for (const service of knownMesh(view, scope).services) {
    clusters.push(...serviceClusters(view, scope, service));
    yield;
  }
  return clusters;
}

function applicationClusters({ redirected }: ProxyNode, ports: readonly WorkloadPort[]): Cluster[] {
  return redirected ? [...ports.map(redirectedApplication), ...passthroughClusters()] : ports.map(applicationCluster);
}

function* namesOf(view: MeshView, scope: Scope): Steps<NameTable> {
  yield;
  return nameTable(view, scope);
}
