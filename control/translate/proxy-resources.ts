// Everything that one proxy is told, put together: pure, so that the same objects and node give the same resources.
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { ClusterLoadAssignment } from '../../proxy/config/endpoint.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import type { NameTable } from '../../proxy/config/name-table.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import type { Secret } from '../../proxy/config/tls.ts';
import type { Steps } from '../model/steps.ts';
import type { MeshService } from '../registry/service.ts';
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
import { clustersWithin, emptyTable, HostCatalogs, isOnDemand } from './lazy-scope.ts';
import type { HostsOnDemand } from './lazy-scope.ts';
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
import { ScopeMemo, type MakeSteps } from './scope-memo.ts';
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
  /** Of a lazy sidecar: what comes when it is asked for. */
  readonly onDemand?: HostsOnDemand;
}

/** Translates one moment of the mesh; what several proxies share is made once. */
export class Translator {
  readonly #view: MeshView;
  readonly #clusters: ScopeMemo<ServiceClusters>;
  readonly #routes: ScopeMemo<RouteConfiguration>;
  readonly #names = new ScopeMemo<NameTable>();
  readonly #byPort: ScopeMemo<RouteConfiguration[]>;
  readonly #catalogs = new HostCatalogs();
  readonly #proxyless = new ScopeMemo<ProxylessResources>();

  /**
   * `before`: of a mesh that differs from this one in nothing but the endpoints of services. Its route tables hold, and
   * the clusters of those services that are the same object.
   */
  constructor(view: MeshView, before?: Translator) {
    this.#view = view;
    this.#clusters = new ScopeMemo(before === undefined ? undefined : before.#clusters);
    this.#routes = new ScopeMemo(before === undefined ? undefined : before.#routes);
    this.#byPort = new ScopeMemo(before === undefined ? undefined : before.#byPort);
  }

  /** What takes long of resourcesFor(), in small steps. */
  * steps(node: ProxyNode): Steps<void> {
    if (node.proxyless) {
      yield* this.#proxyless.steps(node, (scope) => proxylessResources(this.#view, scope));
      return;
    }
    yield* this.#clusters.steps(node, (scope, known) => clustersOf(this.#view, scope, known));
    const { outboundListen, redirected } = node;
    if (outboundListen !== undefined) yield* this.#routes.steps(node, this.#makeRoutes);
    if (redirected) yield* this.#byPort.steps(node, this.#makeByPort);
  }

  resourcesFor(node: ProxyNode): ProxyResources {
    if (node.proxyless) return this.#proxyless.get(node, (scope) => proxylessResources(this.#view, scope));
    const resources = this.#resourcesFor(node);
    return node.dnsCapture ? { ...resources, nameTables: [this.#nameTable(node)] } : resources;
  }

  #resourcesFor(node: ProxyNode): ProxyResources {
    const passed = node.kind === 'router' ? meshPassthroughClusters(this.#view, node) : [];
    const known = [...this.#outboundClusters(node), ...passed];
    const providers = this.#providerClusters(node, known);
    const zipkin = node.zipkin ?? this.#view.settings.zipkin;
    const collector = zipkin === undefined ? [] : [zipkinCluster(zipkin)];
    if (node.lazy) return this.#lazyResources(node, [...providers, ...collector.map(alone)]);
    const shared = withEndpoints([...known, ...providers, ...collector.map(alone)]);
    if (node.kind === 'router') return { ...this.#gatewayResources(node), ...shared };
    return this.#sidecarResources(node, shared);
  }

  #gatewayResources(node: ProxyNode): Omit<ProxyResources, 'clusters' | 'endpoints'> {
    const view = this.#view;
    const ofGateway = [
      ...gatewaySecrets(view, node), ...listenerSecrets(view, node), ...backendSecrets(view, node),
      ...clientSecrets(view, node), ...loginSecrets(view, node),
    ];
    const secrets = [...trustSecrets(view), ...ofGateway, ...credentialSecrets(view, node)];
    const { listeners, routes } = gatewayResources(view, node);
    return { listeners: listeners.map((listener) => withIngressGate(view, node, listener)), routes, secrets };
  }

  #sidecarResources(node: ProxyNode, shared: Pick<ProxyResources, 'clusters' | 'endpoints'>): ProxyResources {
    const ports = workloadPorts(this.#view, node);
    const inbound = node.redirected ? [redirectedInbound(this.#view, node, ports)]
      : ports.map((port) => withIngressGate(this.#view, node, inboundListener(this.#view, node, port)));
    const { outboundListen, redirected } = node;
    const out = outboundListen === undefined ? [] : [outboundListener(this.#view, node, outboundListen)];
    const egress = egressResources(this.#view, node);
    return {
      listeners: [...inbound, ...out, ...(redirected ? redirectedOutbound(this.#view, node) : []), ...egress.listeners],
      clusters: [...shared.clusters, ...applicationClusters(node, ports)],
      routes: [
        ...(outboundListen === undefined ? [] : [this.#outboundRoutes(node)]),
        ...(redirected ? this.#redirectedRoutes(node) : []), ...egress.routes,
      ],
      endpoints: shared.endpoints,
      secrets: [
        ...trustSecrets(this.#view), ...clientSecrets(this.#view, node), ...credentialSecrets(this.#view, node),
      ],
    };
  }

  readonly #makeRoutes: MakeSteps<RouteConfiguration> = (scope, known) => (
    known === undefined ? outboundRoutes(this.#view, scope) : unchanged(known));

  readonly #makeByPort: MakeSteps<RouteConfiguration[]> = (scope, known) => (
    known === undefined ? redirectedRoutes(this.#view, scope) : unchanged(known));

  /** Of the clusters it is told those that something names which is not asked for. */
  #lazyResources(node: ProxyNode, others: readonly OutboundCluster[]): ProxyResources {
    const known = this.#catalogs.clusters(this.#serviceClusters(node));
    const all = this.#sidecarResources(node, withEndpoints(others));
    const tables = all.routes.filter(({ name = '' }) => isOnDemand(name));
    const fixed = all.routes.filter(({ name = '' }) => !isOnDemand(name));
    const needed = withEndpoints([...clustersWithin([all.listeners, fixed], known)]);
    return {
      ...all,
      routes: [...tables.map(emptyTable), ...fixed],
      clusters: [...needed.clusters, ...all.clusters],
      endpoints: [...needed.endpoints, ...all.endpoints],
      onDemand: this.#catalogs.hosts(tables, known),
    };
  }

  #nameTable(node: ProxyNode): NameTable {
    return this.#names.get(node, (scope) => namesOf(this.#view, scope));
  }

  #outboundClusters(node: ProxyNode): OutboundCluster[] {
    return [...this.#serviceClusters(node).values()].flat();
  }

  #serviceClusters(node: ProxyNode): ServiceClusters {
    return this.#clusters.get(node, (scope, known) => clustersOf(this.#view, scope, known));
  }

  #redirectedRoutes(node: ProxyNode): RouteConfiguration[] {
    return this.#byPort.get(node, this.#makeByPort);
  }

  /** Those of the provider of CUSTOM policies, where the proxy knows its service from nothing else. */
  #providerClusters(node: ProxyNode, known: readonly OutboundCluster[]): OutboundCluster[] {
    const service = providerService(this.#view, node, known.map(({ cluster }) => cluster));
    return service === undefined ? [] : serviceClusters(this.#view, node, service);
  }

  #outboundRoutes(node: ProxyNode): RouteConfiguration {
    return this.#routes.get(node, this.#makeRoutes);
  }
}

type ServiceClusters = ReadonlyMap<MeshService, readonly OutboundCluster[]>;

function* clustersOf(view: MeshView, scope: Scope, before?: ServiceClusters): Steps<ServiceClusters> {
  const clusters = new Map<MeshService, readonly OutboundCluster[]>();
  for (const service of knownMesh(view, scope).services) {
    clusters.set(service, before?.get(service) ?? serviceClusters(view, scope, service));
    yield;
  }
  return clusters;
}

function* unchanged<T>(made: T): Steps<T> {
  yield;
  return made;
}

function withEndpoints(made: readonly OutboundCluster[]): Pick<ProxyResources, 'clusters' | 'endpoints'> {
  return { clusters: made.map(({ cluster }) => cluster), endpoints: made.flatMap(({ endpoints }) => endpoints ?? []) };
}

function alone(cluster: Cluster): OutboundCluster {
  return { cluster, endpoints: undefined };
}

function applicationClusters({ redirected }: ProxyNode, ports: readonly WorkloadPort[]): Cluster[] {
  return redirected ? [...ports.map(redirectedApplication), ...passthroughClusters()] : ports.map(applicationCluster);
}

function* namesOf(view: MeshView, scope: Scope): Steps<NameTable> {
  yield;
  return nameTable(view, scope);
}
