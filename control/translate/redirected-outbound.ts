// The listeners that take what an application calls by redirection: one for each port of HTTP or TLS in the mesh, one
// for each address of another service, and one for all the rest.
import type { FilterChain, Listener } from '../../proxy/config/listener.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import type { Steps } from '../model/steps.ts';
import { isBytes, isHttp } from '../registry/port-protocol.ts';
import type { MeshService, ServicePort } from '../registry/service.ts';
import { serviceChain } from './egress-listener.ts';
import { detection, PLAIN_HTTP, TLS_INSPECTOR } from './listener-filter.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { clientAddresses } from './name-table.ts';
import { httpListener } from './outbound-listener.ts';
import { DIRECT_RESPONSE_BYTES_MAX } from './http-route.ts';
import { serviceRoutes, tableSteps } from './outbound-route.ts';
import type { ProxyNode } from './proxy-node.ts';
import { cidrRange } from './rbac-match.ts';
import { anyAddress, at, OUTBOUND_PORT, ownPortChain, plainTcp } from './redirected-address.ts';
import { listenerName, portRoutes } from './resource-name.ts';
import { commonMesh, type KnownMesh } from './sidecar-scope.ts';
import { HTTP_PORT, unknownCluster, unknownHost } from './unknown-host.ts';
import { VirtualServiceIndex } from './virtual-service.ts';

const NAME = 'virtualOutbound';
const ANY = '0.0.0.0';

interface Served {
  readonly service: MeshService;
  readonly port: ServicePort;
}

interface Outbound {
  readonly view: MeshView;
  readonly node: ProxyNode;
  readonly mesh: KnownMesh;
  readonly rules: VirtualServiceIndex;
}

export function redirectedOutbound(view: MeshView, node: ProxyNode): Listener[] {
  const mesh = commonMesh(view, node);
  const outbound: Outbound = { view, node, mesh, rules: new VirtualServiceIndex(view, mesh.virtualServices) };
  const everywhere = new Map<number, Served[]>();
  const listeners = new Map<string, Listener>();
  for (const served of servedPorts(mesh)) {
    const { number, protocol } = served.port;
    const addresses = isHttp(protocol) ? [] : clientAddresses(served.service, node);
    for (const address of addresses) {
      const name = listenerName(address, number);
      // Of several services for one address the first holds.
      if (!listeners.has(name)) listeners.set(name, addressListener(outbound, served, address));
    }
    const isRanged = isBytes(protocol) && served.service.ranges.length > 0;
    if (addresses.length === 0 || isRanged) everywhere.set(number, [...everywhere.get(number) ?? [], served]);
  }
  const ports = [...everywhere].map(([port, served]) => portListener(outbound, port, served));
  return [restListener(outbound), ...ports, ...listeners.values()];
}

/** One table for each port of HTTP, and one for each service's port that may be of HTTP. */
export function* redirectedRoutes(view: MeshView, scope: Scope): Steps<RouteConfiguration[]> {
  const mesh = commonMesh(view, scope);
  const ports = new Set(servedPorts(mesh).filter(({ port }) => isHttp(port.protocol)).map(({ port }) => port.number));
  const tables: RouteConfiguration[] = [];
  for (const port of ports) {
    const { services, virtualServices } = mesh;
    const having = services.flatMap((service) => {
      const own = service.ports.filter(({ number, protocol }) => number === port && isHttp(protocol));
      return own.length === 0 ? [] : [{ ...service, ports: own }];
    });
    // Hosts that only rules know are those of `http://host/`.
    const rulePort = port === HTTP_PORT ? port : undefined;
    const unknown = unknownHost(view, scope);
    const known = { services: having, virtualServices };
    tables.push(yield* tableSteps(view, scope, portRoutes(port), known, unknown, rulePort));
  }
  return [...tables, ...detectedTables(view, scope, mesh)];
}

function servedPorts({ services }: KnownMesh): Served[] {
  return services.flatMap((service) => service.ports.filter(({ protocol }) => protocol !== 'udp')
    .map((port) => ({ service, port })));
}

function addressListener({ view, node, rules }: Outbound, { service, port }: Served, address: string): Listener {
  // Whatever name it says, the address says which service is meant.
  const { filterChainMatch: _, ...chain } = serviceChain(view, node, { service, port, rules, isTls: isTls(port) });
  const parts = {
    name: listenerName(address, port.number), address: at(address, port.number), bindToPort: false,
    trafficDirection: 'OUTBOUND',
  } as const;
  if (port.protocol !== 'auto') return { ...parts, filterChains: [chain] };
  const to = { host: address, port: port.number };
  const mesh = { services: [service], virtualServices: [] };
  const http = httpListener(view, node, to, detectedRoutes(service, port), mesh, true).filterChains ?? [];
  return {
    ...parts, ...detection(view, node),
    filterChains: http.map((one): FilterChain => ({ ...one, filterChainMatch: PLAIN_HTTP })),
    defaultFilterChain: chain,
  };
}

/** Whatever host a request says, it is for the service whose address was called. */
function detectedTables(view: MeshView, scope: Scope, mesh: KnownMesh): RouteConfiguration[] {
  const rules = new VirtualServiceIndex(view, mesh.virtualServices);
  return servedPorts(mesh).filter(({ port }) => port.protocol === 'auto').map(({ service, port }) => ({
    name: detectedRoutes(service, port),
    virtualHosts: [{
      name: detectedRoutes(service, port), domains: ['*'], includeRequestAttemptCount: true,
      routes: serviceRoutes(view, scope, service, port, rules),
    }],
    validateClusters: false,
    maxDirectResponseBodySizeBytes: DIRECT_RESPONSE_BYTES_MAX,
  }));
}

/** As Istio calls the tables of such ports. */
function detectedRoutes({ hostname }: MeshService, { number }: ServicePort): string {
  return `${hostname}:${number}`;
}

/** Told apart by their first bytes: TLS by its server name, then HTTP; the rest as if there were no service. */
function portListener(outbound: Outbound, port: number, served: readonly Served[]): Listener {
  const { view, node, mesh, rules } = outbound;
  const web = served.filter(({ port: own }) => isHttp(own.protocol));
  const secure = served.filter(({ port: own }) => isTls(own));
  const bytes = served.filter(({ port: own }) => isBytes(own.protocol));
  const any = bytes.find(({ service }) => service.ranges.length === 0);
  const inspects = web.length > 0 || secure.length > 0;
  const to = { host: ANY, port };
  const http = web.length === 0 ? [] : httpListener(view, node, to, portRoutes(port), mesh).filterChains ?? [];
  const chain = any === undefined ? restChain(outbound) : serviceChain(view, node, { ...any, rules, isTls: false });
  return {
    name: listenerName(ANY, port),
    address: anyAddress(node, port),
    bindToPort: false,
    trafficDirection: 'OUTBOUND',
    ...(inspects && { listenerFilters: [TLS_INSPECTOR], continueOnListenerFiltersTimeout: true }),
    filterChains: [
      ...http.map((one): FilterChain => ({ ...one, filterChainMatch: { transportProtocol: 'raw_buffer' } })),
      ...secure.map((one) => serviceChain(view, node, { ...one, rules, isTls: true })),
      ...rangeChains(outbound, bytes),
    ],
    defaultFilterChain: chain,
  };
}

/** The longest range that has the address says which service is meant; of several for one the first holds. */
function rangeChains({ view, node, rules }: Outbound, served: readonly Served[]): FilterChain[] {
  const taken = new Set<string>();
  return served.flatMap((one) => {
    const own = one.service.ranges.filter((range) => !taken.has(range));
    for (const range of own) taken.add(range);
    if (own.length === 0) return [];
    const chain = serviceChain(view, node, { ...one, rules, isTls: false });
    return [{ ...chain, filterChainMatch: { prefixRanges: own.map(cidrRange) } }];
  });
}

function restListener(outbound: Outbound): Listener {
  const { view, node } = outbound;
  return {
    name: NAME,
    address: anyAddress(node, OUTBOUND_PORT),
    useOriginalDst: true,
    trafficDirection: 'OUTBOUND',
    filterChains: [ownPortChain(view, node, 'CLIENT', NAME, OUTBOUND_PORT)],
    defaultFilterChain: restChain(outbound),
  };
}

function restChain({ view, node }: Outbound): FilterChain {
  const cluster = unknownCluster(view, node);
  return { name: `${NAME}-unknown`, filters: [plainTcp(view, node, 'CLIENT', cluster)] };
}

function isTls({ protocol }: ServicePort): boolean {
  return protocol === 'tls';
}
