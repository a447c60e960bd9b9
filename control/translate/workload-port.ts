// The ports that a proxy's own workload serves: those of its Sidecar, else found among the endpoints of all services.
import type { HostPort } from '../../proxy/base/host-port.ts';
import type { GatewayTls } from '../model/gateway.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { SidecarIngress } from '../model/sidecar.ts';
import type { ConnectionPoolSettings } from '../model/traffic-policy.ts';
import { isHttp, wordProtocol, type PortProtocol } from '../registry/port-protocol.ts';
import type { Registry } from '../registry/registry.ts';
import { portOf, type MeshService, type ServiceEndpoint } from '../registry/service.ts';
import { destinationPolicy } from './destination-policy.ts';
import type { MeshView } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';
import { sidecarFor } from './sidecar-scope.ts';

/** One port that the sidecar takes over. The first service that is served there names it. */
export interface WorkloadPort {
  readonly address: string;
  readonly port: number;
  readonly service: MeshService;
  readonly servicePort: number;
  readonly protocol: PortProtocol;
  /** Where the application listens. */
  readonly app: HostPort;
  /** In place of the mesh's, where that is off. */
  readonly tls?: GatewayTls;
  /** Limits towards the application. */
  readonly connectionPool?: ConnectionPoolSettings;
}

interface Candidate {
  readonly service: MeshService;
  readonly endpoint: ServiceEndpoint;
}

export function workloadPorts(view: MeshView, node: ProxyNode): WorkloadPort[] {
  const sidecar = sidecarFor(view, node);
  const { ingress = [], inboundConnectionPool } = sidecar?.body.spec ?? {};
  const own = servicePorts(view.registry, node);
  const ports = sidecar === undefined || ingress.length === 0 ? own
    : ingress.flatMap((listener) => ingressPort(listener, sidecar, node, own) ?? []);
  return ports.map((port) => {
    const pool = port.connectionPool ?? inboundConnectionPool
      ?? destinationPolicy(view, port.service, node).forPort(port.servicePort).connectionPool;
    return pool === undefined ? port : { ...port, connectionPool: pool };
  });
}

/** A listener that a Sidecar asks for; the service that is served there, if there is one, still names it. */
function ingressPort(
  { port, bind, defaultEndpoint, tls, connectionPool }: SidecarIngress, sidecar: MeshObject<'Sidecar'>, node: ProxyNode,
  own: readonly WorkloadPort[],
): WorkloadPort | undefined {
  const [first = '0.0.0.0'] = node.addresses;
  const address = bind ?? first;
  const known = own.find((candidate) => candidate.port === port.number);
  const app = defaultEndpoint === undefined ? node.appPorts.get(port.number) ?? { host: LOCAL, port: port.number }
    : endpointOf(defaultEndpoint, first);
  if (!node.redirected && app.host === address && app.port === port.number) return undefined;
  return {
    address, port: port.number, app,
    service: known?.service ?? namelessService(sidecar),
    servicePort: known?.servicePort ?? port.number,
    protocol: wordProtocol(port.protocol) ?? 'tcp',
    ...(tls !== undefined && { tls }),
    ...(connectionPool !== undefined && { connectionPool }),
  };
}

const LOCAL = '127.0.0.1';

/** Its form was checked. Every address is that of the workload. */
function endpointOf(text: string, own: string): HostPort {
  const at = text.lastIndexOf(':');
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  return { host: host === '0.0.0.0' || host === '::' ? own : host, port: Number(text.slice(at + 1)) };
}

/** Stands where no service has the port: Istio names it after the Sidecar. */
function namelessService({ name, namespace, origin }: MeshObject<'Sidecar'>): MeshService {
  return {
    hostname: `${name}.${namespace}`, name, namespace, origin, ports: [], resolution: 'static', external: false,
    exportTo: undefined, subjectAltNames: [], endpoints: [],
    addresses: [],
    ranges: [],
    autoAddresses: [],
  };
}

function servicePorts(registry: Registry, node: ProxyNode): WorkloadPort[] {
  const ports = new Map<string, WorkloadPort>();
  for (const { service, endpoint } of ownEndpoints(registry, node)) {
    const { address, port, servicePort } = endpoint;
    const declared = portOf(service, servicePort);
    const app = node.appPorts.get(port) ?? { host: node.redirected ? address : LOCAL, port };
    const key = `${address} ${port}`;
    // The application cannot stand at the very address that the sidecar binds.
    const clashes = !node.redirected && app.host === address && app.port === port;
    if (declared === undefined || ports.has(key) || clashes) continue;
    ports.set(key, { address, port, service, servicePort, protocol: declared.protocol, app });
  }
  return [...ports.values()].sort((a, b) => a.port - b.port || (a.address < b.address ? -1 : 1));
}

/** By address; where workloads share one (ports on 127.0.0.1), by the ports that the proxy claims, and by name. */
function ownEndpoints(registry: Registry, node: ProxyNode): Candidate[] {
  const found: Candidate[] = [];
  for (const service of registry.services) {
    if (service.resolution !== 'static') continue;
    for (const endpoint of service.endpoints) {
      if (endpoint.workload.namespace !== node.namespace || !node.addresses.includes(endpoint.address)) continue;
      if (node.appPorts.size > 0 && !node.appPorts.has(endpoint.port)) continue;
      found.push({ service, endpoint });
    }
  }
  // Of each address by itself: the same workload may be written down once for IPv4 and once for IPv6.
  const isNamed = ({ endpoint }: Candidate): boolean => endpoint.workload.name === node.podName;
  const shared = new Set(found.filter(isNamed).map(({ endpoint }) => endpoint.address));
  return found.filter((candidate) => isNamed(candidate) || !shared.has(candidate.endpoint.address));
}

/** Or may, as its first bytes say. */
export function mayCarryHttp(port: Pick<WorkloadPort, 'protocol'>): boolean {
  return port.protocol === 'auto' || carriesHttp(port);
}

export function carriesHttp({ protocol }: Pick<WorkloadPort, 'protocol'>): boolean {
  return isHttp(protocol);
}
