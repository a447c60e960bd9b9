// Where a collector is reached from the supervisor: the first endpoint of its cluster, as configuration has it.
import { joinHostPort } from '../base/host-port.ts';
import type { SocketAddress } from '../config/address.ts';
import type { Cluster } from '../config/cluster.ts';
import type { ClusterLoadAssignment } from '../config/endpoint.ts';
import type { ConfigStore } from './config-store.ts';
import { upstreamTls } from '../config/upstream-tls.ts';

/** `http://host:port` of a cluster, or why there is none. */
export type CollectorAddress = { readonly url: string } | { readonly missing: string };

export function collectorAddress(store: ConfigStore, name: string): CollectorAddress {
  const cluster = store.get('cluster', name)?.resource as Cluster | undefined;
  if (cluster === undefined) return { missing: `there is no cluster ${name}` };
  if (upstreamTls(cluster.transportSocket) !== undefined) {
    return { missing: `cluster ${name} uses TLS, which span export does not speak` };
  }
  const first = firstEndpoint(store, cluster, name);
  if (first === undefined) return { missing: `cluster ${name} has no endpoint` };
  return { url: `http://${joinHostPort(first.address, first.portValue)}` };
}

/** Of a cluster by this name, as discovery has it, or as it says itself. */
export function firstEndpoint(store: ConfigStore, cluster: Cluster, name: string): SocketAddress | undefined {
  const service = cluster.edsClusterConfig?.serviceName ?? '';
  const discovered = store.get('endpoints', service === '' ? name : service)?.resource;
  const assignment = (discovered as ClusterLoadAssignment | undefined) ?? cluster.loadAssignment;
  const endpoints = assignment?.endpoints?.flatMap(({ lbEndpoints = [] }) => lbEndpoints);
  return endpoints?.[0]?.endpoint.address.socketAddress;
}
