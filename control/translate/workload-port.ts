// The ports that a proxy's own workload serves, found among the endpoints of all services.
import type { HostPort } from '../../proxy/base/host-port.ts';
import { isHttp, type PortProtocol } from '../registry/port-protocol.ts';
import type { Registry } from '../registry/registry.ts';
import { portOf, type MeshService, type ServiceEndpoint } from '../registry/service.ts';
import type { ProxyNode } from './proxy-node.ts';

/** One port that the sidecar takes over. The first service that is served there names it. */
export interface WorkloadPort {
  readonly address: string;
  readonly port: number;
  readonly service: MeshService;
  readonly servicePort: number;
  readonly protocol: PortProtocol;
  /** Where the application listens. */
  readonly app: HostPort;
}

interface Candidate {
  readonly service: MeshService;
  readonly endpoint: ServiceEndpoint;
}

export function workloadPorts(registry: Registry, node: ProxyNode): WorkloadPort[] {
  const ports = new Map<string, WorkloadPort>();
  for (const { service, endpoint } of ownEndpoints(registry, node)) {
    const { address, port, servicePort } = endpoint;
    const declared = portOf(service, servicePort);
    const app = node.appPorts.get(port) ?? { host: '127.0.0.1', port };
    const key = `${address} ${port}`;
    // The application cannot stand at the very address that the sidecar takes.
    if (declared === undefined || ports.has(key) || (app.host === address && app.port === port)) continue;
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
  const named = found.filter(({ endpoint }) => endpoint.workload.name === node.podName);
  return named.length > 0 ? named : found;
}

export function carriesHttp({ protocol }: WorkloadPort): boolean {
  return isHttp(protocol);
}
