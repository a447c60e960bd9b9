// Meshes of any size as values: clusters by EDS, their endpoints, a virtual host for each, and a listener.
import type { SnapshotInput } from '../../control/push/snapshot.ts';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { ClusterLoadAssignment, LbEndpoint } from '../../proxy/config/endpoint.ts';
import type { VirtualHost } from '../../proxy/config/route.ts';
import { edsCluster, listenerOn } from '../../test/harness/xds-mesh.ts';
import { HOST } from '../load/load.ts';

export interface MeshSize {
  readonly clusters: number;
  /** Of each cluster. */
  readonly endpoints: number;
}

/** The ports between which requests go. */
export interface MeshPorts {
  readonly listener: number;
  readonly upstream: number;
}

const ENDPOINT_PORT = 8080;

/** The cluster of the requests that are measured: they must not notice all the others. */
const PROBED = 'probed';

/** Requests for HOST are answered; nobody listens at the endpoints of all others. */
export function meshOf(size: MeshSize, ports: MeshPorts): SnapshotInput {
  const numbers = Array.from({ length: size.clusters }, (_, i) => i);
  return {
    clusters: [edsCluster(PROBED), ...numbers.map(clusterOf)],
    endpoints: [probedEndpoint(ports.upstream), ...numbers.map((i) => endpointsOf(i, size.endpoints))],
    listeners: [listenerOn(ports.listener)],
    routes: [{ name: 'r', virtualHosts: [hostOf(PROBED, [HOST]), ...numbers.map(virtualHostOf)] }],
  };
}

/** The same mesh after one endpoint was added to its first cluster. */
export function withMoreEndpoints(mesh: SnapshotInput, size: MeshSize): SnapshotInput {
  const [probed, _first, ...others] = mesh.endpoints ?? [];
  return { ...mesh, endpoints: [probed!, endpointsOf(0, size.endpoints + 1), ...others] };
}

/** The same mesh after a virtual host was added, whose cluster was there. */
export function withMoreRoutes(mesh: SnapshotInput): SnapshotInput {
  const [table] = mesh.routes ?? [];
  const hosts = [...(table?.virtualHosts ?? []), hostOf(nameOf(0), ['added.example.com'])];
  return { ...mesh, routes: [{ ...table!, virtualHosts: hosts }] };
}

function nameOf(i: number): string {
  return `outbound|9080||svc-${i}.shop.svc.cluster.local`;
}

function clusterOf(i: number): Cluster {
  return edsCluster(nameOf(i));
}

function virtualHostOf(i: number): VirtualHost {
  return hostOf(nameOf(i), [`svc-${i}.shop.svc.cluster.local`, `svc-${i}.shop`, `svc-${i}`]);
}

function hostOf(cluster: string, domains: readonly string[]): VirtualHost {
  return { name: domains[0]!, domains: [...domains], routes: [{ match: { prefix: '/' }, route: { cluster } }] };
}

/** 127.0.0.0/8 has room for them. */
function endpointsOf(i: number, count: number): ClusterLoadAssignment {
  const lbEndpoints = Array.from({ length: count }, (_, k) => endpointAt(`127.${1 + (i >> 8)}.${i & 255}.${k + 1}`));
  return { clusterName: nameOf(i), endpoints: [{ lbEndpoints }] };
}

function probedEndpoint(port: number): ClusterLoadAssignment {
  return { clusterName: PROBED, endpoints: [{ lbEndpoints: [endpointAt('127.0.0.1', port)] }] };
}

function endpointAt(address: string, portValue: number = ENDPOINT_PORT): LbEndpoint {
  return { endpoint: { address: { socketAddress: { address, portValue } } } };
}
