// A ServiceEntry as services: one for each of its hosts.
import { isIP } from 'node:net';
import { parseCidr } from '../../proxy/base/cidr.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { ServiceEntryPort, ServiceEntrySpec, WorkloadEntrySpec } from '../model/service-entry.ts';
import type { WorkloadIndex } from './pod-workload.ts';
import { isWildcard } from './hostname.ts';
import { portProtocol, wordProtocol } from './port-protocol.ts';
import {
  exportedNamespaces, type MeshService, type Resolution, type ServiceEndpoint, type ServicePort,
} from './service.ts';
import { tlsModeOf, type Workload } from './workload.ts';

type Entry = MeshObject<'ServiceEntry'>;

export function entryServices(entry: Entry, workloads: WorkloadIndex): MeshService[] {
  const spec = entry.body.spec;
  const external = (spec.location ?? 'MESH_EXTERNAL') === 'MESH_EXTERNAL';
  const ports = spec.ports.map(entryPort).filter((port) => port.protocol !== 'udp');
  return spec.hosts.map((hostname) => ({
    hostname,
    name: hostname,
    namespace: entry.namespace,
    ports,
    resolution: resolutionOf(spec),
    external,
    exportTo: exportedNamespaces(spec.exportTo, entry.namespace),
    subjectAltNames: spec.subjectAltNames ?? [],
    endpoints: workloadsOf(entry, hostname, external, workloads).flatMap((workload) => endpointsAt(entry, workload)),
    addresses: (spec.addresses ?? []).flatMap(singleAddress),
    ranges: rangesOf(spec.addresses ?? []),
    autoAddresses: [],
    origin: entry.origin,
  }));
}

/** As Istio has it: with resolution NONE nobody could tell where the connection should go. */
export function wantsAddresses(entry: Entry, { hostname }: MeshService): boolean {
  const { addresses = [], resolution = 'NONE' } = entry.body.spec;
  return addresses.length === 0 && resolution !== 'NONE' && !isWildcard(hostname)
    && entry.labels.get('networking.istio.io/enable-autoallocate-ip') !== 'false';
}

const RESOLUTIONS = { STATIC: 'static', DNS: 'dns', DNS_ROUND_ROBIN: 'dns-round-robin' } as const;

/** Endpoints that are written hold for NONE too. */
function resolutionOf({ resolution = 'NONE', endpoints = [], workloadSelector }: ServiceEntrySpec): Resolution {
  if (resolution !== 'NONE') return RESOLUTIONS[resolution];
  return endpoints.length > 0 || workloadSelector !== undefined ? 'dns' : 'none';
}

function singleAddress(text: string): string[] {
  return isRange(text) ? [] : [text.split('/', 1)[0] ?? ''];
}

/** More than one address. */
export function isRange(text: string): boolean {
  const [address = '', bits] = text.split('/');
  return bits !== undefined && Number(bits) !== (isIP(address) === 6 ? 128 : 32);
}

/** All addresses are no range. */
function rangesOf(addresses: readonly string[]): readonly string[] {
  const ranges = addresses.filter(isRange).map((text) => parseCidr(text));
  return ranges.some(({ prefixLength }) => prefixLength === 0) ? [] : [...new Set(ranges.map(String))];
}

/** Entries of one namespace for one host add up: ports and endpoints; the rest is the first one's, as in Istio. */
export function mergedService(first: MeshService, more: MeshService): MeshService {
  const known = new Set(first.ports.map(({ number }) => number));
  const places = new Set(first.endpoints.map(placeOfEndpoint));
  return {
    ...first,
    ports: [...first.ports, ...more.ports.filter(({ number }) => !known.has(number))],
    endpoints: [...first.endpoints, ...more.endpoints.filter((endpoint) => !places.has(placeOfEndpoint(endpoint)))],
    addresses: [...new Set([...first.addresses, ...more.addresses])],
    ranges: [...new Set([...first.ranges, ...more.ranges])],
    subjectAltNames: [...new Set([...first.subjectAltNames, ...more.subjectAltNames])],
  };
}

function placeOfEndpoint({ address, port, servicePort }: ServiceEndpoint): string {
  return `${servicePort} ${address} ${port}`;
}

/** The protocol as it is written, else as the port is called. */
export function entryPort(port: ServiceEntryPort): ServicePort {
  const protocol = wordProtocol(port.protocol ?? '') ?? portProtocol(port.name, undefined).protocol;
  return { number: port.number, name: port.name, protocol };
}

function workloadsOf(entry: Entry, hostname: string, external: boolean, index: WorkloadIndex): Workload[] {
  const { endpoints, workloadSelector } = entry.body.spec;
  if (workloadSelector !== undefined) {
    const labels = new Map(Object.entries(workloadSelector.labels ?? {}));
    const found = [...index.entriesWith(entry.namespace, labels), ...index.podsWith(entry.namespace, labels)];
    return external ? found.map((workload) => ({ ...workload, tlsMode: 'disabled' })) : found;
  }
  if (endpoints !== undefined && endpoints.length > 0) return endpoints.map((spec) => inline(entry, spec, external));
  // Nobody can look up a wildcard.
  return entry.body.spec.resolution === 'STATIC' || isWildcard(hostname) ? []
    : [inline(entry, { address: hostname }, external)];
}

function inline(entry: Entry, spec: WorkloadEntrySpec, external: boolean): Workload {
  const labels = new Map(Object.entries(spec.labels ?? {}));
  return {
    name: '',
    namespace: entry.namespace,
    labels,
    serviceAccount: spec.serviceAccount ?? '',
    workloadName: entry.name,
    address: spec.address,
    ports: new Map(Object.entries(spec.ports ?? {})),
    tlsMode: external ? 'disabled' : tlsModeOf(labels, spec.serviceAccount !== undefined),
    locality: spec.locality ?? '',
    weight: spec.weight ?? 1,
    origin: entry.origin,
  };
}

/** A static service takes addresses only; names belong to DNS. */
function endpointsAt(entry: Entry, workload: Workload): ServiceEndpoint[] {
  const isStatic = entry.body.spec.resolution === 'STATIC';
  if (isStatic && isIP(workload.address) === 0) return [];
  return entry.body.spec.ports.map((port) => ({
    address: workload.address,
    port: workload.ports.get(port.name) ?? port.targetPort ?? port.number,
    servicePort: port.number,
    workload,
  }));
}
