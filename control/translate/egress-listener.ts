// Listeners that a Sidecar's egress entries ask for: each for the services among its hosts that have its port.
import type { FilterChain, Listener } from '../../proxy/config/listener.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import type { SidecarEgress, SidecarPort } from '../model/sidecar.ts';
import { isHttp, wordProtocol } from '../registry/port-protocol.ts';
import type { MeshService } from '../registry/service.ts';
import { destinationPolicy } from './destination-policy.ts';
import { meshConnection } from './gateway-api/mesh-route.ts';
import { sniMatch, TLS_INSPECTOR } from './listener-filter.ts';
import type { MeshView } from './mesh-view.ts';
import { httpListener } from './outbound-listener.ts';
import { outboundTable } from './outbound-route.ts';
import type { ProxyNode } from './proxy-node.ts';
import { listenerName, outboundCluster } from './resource-name.ts';
import { MESH_GATEWAY } from './rule-scope.ts';
import { egressOf, importedMesh, type KnownMesh } from './sidecar-scope.ts';
import { tcpProxy } from './tcp-filter.ts';
import { connectionWay } from './tcp-route.ts';
import { connectionLogs } from './telemetry.ts';
import { BLOCK_ALL } from './unknown-host.ts';
import { VirtualServiceIndex } from './virtual-service.ts';

const BIND_DEFAULT = '127.0.0.1';

export interface EgressResources {
  readonly listeners: Listener[];
  readonly routes: RouteConfiguration[];
}

export function egressResources(view: MeshView, node: ProxyNode): EgressResources {
  const made: EgressResources = { listeners: [], routes: [] };
  const taken = new Set<string>();
  for (const egress of egressOf(view, node) ?? []) {
    const { port, bind = BIND_DEFAULT } = egress;
    const name = listenerName(bind, port?.number ?? 0);
    // Of several for one address the first holds.
    if (port === undefined || taken.has(name)) continue;
    taken.add(name);
    const mesh = meshAt(importedMesh(view, node, [egress]), port);
    const at = { host: bind, port: port.number };
    if (speaksHttp(port)) {
      made.listeners.push(httpListener(view, node, at, name, mesh));
      made.routes.push(outboundTable(view, node, name, mesh, BLOCK_ALL, port.number));
    } else {
      made.listeners.push(...bytesListener(view, node, { egress, port, name, mesh }));
    }
  }
  return made;
}

function speaksHttp({ protocol }: SidecarPort): boolean {
  return isHttp(wordProtocol(protocol) ?? 'tcp');
}

/** The services that have the port, and of them that port alone. */
function meshAt({ services, virtualServices }: KnownMesh, { number, protocol }: SidecarPort): KnownMesh {
  const wantsHttp = speaksHttp({ number, protocol });
  const having = services.flatMap((service) => {
    const ports = service.ports.filter((port) => port.number === number && isHttp(port.protocol) === wantsHttp);
    return ports.length === 0 ? [] : [{ ...service, ports }];
  });
  return { services: having, virtualServices };
}

interface BytesParts {
  readonly egress: SidecarEgress;
  readonly port: SidecarPort;
  readonly name: string;
  readonly mesh: KnownMesh;
}

/** TLS is told apart by its server name; other bytes say nothing, and are for the first service. */
function bytesListener(view: MeshView, node: ProxyNode, { egress, port, name, mesh }: BytesParts): Listener[] {
  const isTls = wordProtocol(port.protocol) === 'tls';
  const rules = new VirtualServiceIndex(view, mesh.virtualServices);
  const services = isTls ? mesh.services : mesh.services.slice(0, 1);
  if (services.length === 0) return [];
  return [{
    name,
    address: { socketAddress: { address: egress.bind ?? BIND_DEFAULT, portValue: port.number } },
    trafficDirection: 'OUTBOUND',
    ...(isTls && { listenerFilters: [TLS_INSPECTOR] }),
    filterChains: services.map((service) => serviceChain(view, node, { service, port, rules, isTls })),
  }];
}

interface ChainParts {
  readonly service: MeshService;
  readonly port: Pick<SidecarPort, 'number'>;
  readonly rules: VirtualServiceIndex;
  readonly isTls: boolean;
}

/** Chooses by server name where the port carries TLS. */
export function serviceChain(
  view: MeshView, node: ProxyNode, { service, port, rules, isTls }: ChainParts,
): FilterChain {
  const { hostname } = service;
  const object = rules.forHost(hostname);
  const table = { scope: node, gateway: MESH_GATEWAY, port: port.number };
  const own = { cluster: outboundCluster(port.number, '', hostname) };
  const way = meshConnection(view, node, service, port.number)
    ?? (object === undefined ? undefined : connectionWay(view, object, hostname, isTls, table));
  const to = way?.target ?? own;
  const policy = way?.policy ?? destinationPolicy(view, service, node).forPort(port.number);
  return {
    name: `${hostname}:${port.number}`,
    ...(isTls && sniMatch([hostname])),
    filters: [tcpProxy(own.cluster, { ...to, policy }, connectionLogs(view, node, 'CLIENT'))],
  };
}
