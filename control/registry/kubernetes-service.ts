// A Kubernetes Service with its endpoints: from Endpoints, EndpointSlices, pods, or workload entries.
import { isIP } from 'node:net';
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject, Origin } from '../model/mesh-object.ts';
import { servingEndpoints, slicesOf, type SlicedEndpoint } from './endpoint-slice.ts';
import { serviceHost } from './hostname.ts';
import type { WorkloadIndex } from './pod-workload.ts';
import { localityOf } from './node-locality.ts';
import { portProtocol } from './port-protocol.ts';
import { routedProtocol } from './routed-port.ts';
import { exportedNamespaces, type MeshService, type ServiceEndpoint, type ServicePort } from './service.ts';
import { opaquePortsOf, type Workload } from './workload.ts';

interface Parts {
  readonly service: MeshObject<'Service'>;
  readonly workloads: WorkloadIndex;
  readonly inventory: Inventory;
}

type PortSpec = NonNullable<MeshObject<'Service'>['body']['spec']['ports']>[number];

/** Where an endpoint address says which pod it is. */
interface AddressRef {
  readonly ip: string;
  readonly nodeName?: string;
  readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly namespace?: string };
}

export function kubernetesService(parts: Parts, domain: string): MeshService {
  const { service } = parts;
  const endpoints = isExternalName(service) ? externalEndpoints(service) : endpointsOf(parts);
  const opaque = opaquePorts(parts, endpoints);
  const exportTo = service.annotations.get('networking.istio.io/exportTo')?.split(',').map((name) => name.trim());
  return {
    hostname: serviceHost(service.name, service.namespace, domain),
    name: service.name,
    namespace: service.namespace,
    ports: (service.body.spec.ports ?? []).map((port) => servicePort(parts, port, opaque))
      .filter((port) => port.protocol !== 'udp'),
    resolution: isExternalName(service) ? 'dns' : 'static',
    external: isExternalName(service),
    exportTo: exportedNamespaces(exportTo, service.namespace),
    subjectAltNames: [],
    endpoints,
    addresses: [...new Set([service.body.spec.clusterIP ?? '', ...service.body.spec.clusterIPs ?? []])]
      .filter((address) => isIP(address) !== 0),
    ranges: [],
    autoAddresses: [],
    origin: service.origin,
  };
}

/** Nobody has given it a virtual address, nor said that it shall have none: there is no Kubernetes behind it. */
export function wantsAddresses({ body }: MeshObject<'Service'>): boolean {
  return body.spec.clusterIP === undefined && (body.spec.clusterIPs ?? []).length === 0;
}

/**
 * Ports that are carried as they are, whatever they are called: the service's, else its namespace's, and those that a
 * workload behind them says so of.
 */
function opaquePorts({ service, inventory }: Parts, endpoints: readonly ServiceEndpoint[]): ReadonlySet<number> {
  const said = opaquePortsOf(service.annotations)
    ?? opaquePortsOf(inventory.get('Namespace', '', service.namespace)?.annotations) ?? new Set<number>();
  const ofWorkloads = endpoints.filter(({ workload, port }) => workload.opaquePorts?.has(port) === true);
  return ofWorkloads.length === 0 ? said : new Set([...said, ...ofWorkloads.map(({ servicePort: port }) => port)]);
}

/** A port that says nothing speaks what routes to it do. */
function servicePort({ service, inventory }: Parts, port: PortSpec, opaque: ReadonlySet<number>): ServicePort {
  const name = port.name ?? '';
  const { protocol, declared } = portProtocol(name, port.appProtocol, port.protocol);
  if (protocol !== 'udp' && opaque.has(port.port)) return { number: port.port, name, protocol: 'tcp' };
  const routed = declared ? undefined : routedProtocol(inventory, service.namespace, service.name, port.port);
  return { number: port.port, name, protocol: routed ?? protocol };
}

/** Whether it is only another name of a host. */
export function isExternalName({ body: { spec } }: MeshObject<'Service'>): boolean {
  return spec.type === 'ExternalName' && spec.externalName !== undefined;
}

/** The host by its name, on the ports that the service has. */
function externalEndpoints(service: MeshObject<'Service'>): ServiceEndpoint[] {
  const { ports = [], externalName: address = '' } = service.body.spec;
  const workload = bareWorkload(service, address, service.origin);
  return ports.map(({ port }) => ({ address, port, servicePort: port, workload }));
}

/** Written endpoints hold; without any, the selector finds pods. Workload entries are found in any case. */
function endpointsOf(parts: Parts): ServiceEndpoint[] {
  const { service, workloads } = parts;
  const written = writtenEndpoints(parts);
  const selector = new Map(Object.entries(service.body.spec.selector ?? {}));
  if (selector.size === 0) return written ?? [];
  const notReadyToo = service.body.spec.publishNotReadyAddresses === true;
  const pods = written === undefined ? workloads.podsWith(service.namespace, selector, notReadyToo) : [];
  const selected = [...pods, ...workloads.entriesWith(service.namespace, selector)];
  return [...(written ?? []), ...selected.flatMap((workload) => workloadEndpoints(parts, workload))];
}

/** Undefined when the service has neither Endpoints nor EndpointSlices. */
function writtenEndpoints(parts: Parts): ServiceEndpoint[] | undefined {
  const { service, inventory } = parts;
  const plain = inventory.get('Endpoints', service.namespace, service.name);
  const slices = slicesOf(inventory, service);
  if (plain === undefined && slices === undefined) return undefined;
  const endpoints = slices === undefined ? plainEndpoints(parts, plain)
    : servingEndpoints(service, slices).flatMap((endpoint) => sliceEndpoints(parts, endpoint));
  return dedupe(endpoints);
}

function plainEndpoints(parts: Parts, object: MeshObject<'Endpoints'> | undefined): ServiceEndpoint[] {
  const notReadyToo = parts.service.body.spec.publishNotReadyAddresses === true;
  return (object?.body.subsets ?? []).flatMap((subset) => {
    const addresses = [...(subset.addresses ?? []), ...(notReadyToo ? subset.notReadyAddresses ?? [] : [])];
    return addresses.flatMap((address) => addressEndpoints(parts, address, subset.ports ?? [], object!.origin));
  });
}

/** Topology hints are not read: which endpoint is near is the locality settings' to say, for each client alike. */
function sliceEndpoints(parts: Parts, { endpoint, slice }: SlicedEndpoint): ServiceEndpoint[] {
  const { addresses, targetRef, nodeName } = endpoint;
  return addresses.flatMap((ip) => {
    const address = { ip, ...(targetRef !== undefined && { targetRef }), ...(nodeName !== undefined && { nodeName }) };
    return addressEndpoints(parts, address, slice.body.ports ?? [], slice.origin);
  });
}

interface NumberedPort {
  readonly name?: string;
  readonly port: number;
}

/** An endpoint port belongs to the service port of the same name; nameless to nameless. */
function addressEndpoints(
  parts: Parts, address: AddressRef, ports: readonly NumberedPort[], origin: Origin,
): ServiceEndpoint[] {
  const workload = addressWorkload(parts, address, origin);
  return (parts.service.body.spec.ports ?? []).flatMap((servicePortSpec) => {
    const port = ports.find(({ name = '' }) => name === (servicePortSpec.name ?? ''));
    return port === undefined ? []
      : [{ address: address.ip, port: port.port, servicePort: servicePortSpec.port, workload }];
  });
}

function addressWorkload({ service, workloads, inventory }: Parts, address: AddressRef, origin: Origin): Workload {
  const { ip, targetRef } = address;
  const isPod = targetRef?.name !== undefined && (targetRef.kind ?? 'Pod') === 'Pod';
  const namespace = targetRef?.namespace ?? service.namespace;
  const pod = isPod ? workloads.pod(namespace, targetRef.name ?? '') : workloads.podAt(service.namespace, ip);
  if (pod !== undefined) return pod;
  return {
    ...bareWorkload(service, ip, origin),
    name: isPod ? targetRef.name ?? '' : '',
    locality: localityOf(inventory, address.nodeName, new Map()),
  };
}

/** Of an address that no pod has. */
function bareWorkload(service: MeshObject<'Service'>, address: string, origin: Origin): Workload {
  return {
    name: '',
    namespace: service.namespace,
    labels: new Map(),
    serviceAccount: '',
    workloadName: service.name,
    address,
    ports: new Map(),
    tlsMode: 'disabled',
    locality: '',
    weight: 1,
    origin,
  };
}

/** A selected workload serves each port at its own port of that name, else at targetPort. */
function workloadEndpoints({ service }: Parts, workload: Workload): ServiceEndpoint[] {
  return (service.body.spec.ports ?? []).flatMap((port) => {
    const target = port.targetPort ?? port.port;
    const named = workload.ports.get(port.name ?? '');
    const number = named ?? (typeof target === 'number' ? target : workload.ports.get(target));
    return number === undefined ? []
      : [{ address: workload.address, port: number, servicePort: port.port, workload }];
  });
}

function dedupe(endpoints: readonly ServiceEndpoint[]): ServiceEndpoint[] {
  const seen = new Map<string, ServiceEndpoint>();
  for (const endpoint of endpoints) {
    const key = `${endpoint.servicePort} ${endpoint.address} ${endpoint.port}`;
    if (!seen.has(key)) seen.set(key, endpoint);
  }
  return [...seen.values()];
}
