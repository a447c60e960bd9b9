// Clusters that belong to one proxy: its application, and the collector of its spans.
import { isIP } from 'node:net';
import type { HostPort } from '../../proxy/base/host-port.ts';
import type { Cluster } from '../../proxy/config/cluster.ts';
import { isHttp2 } from '../registry/port-protocol.ts';
import { connectionLimits } from './cluster-policy.ts';
import { inboundCluster, ZIPKIN_CLUSTER } from './resource-name.ts';
import { upstreamProtocol, type UpstreamVersion } from './upstream-protocol.ts';
import { mayCarryHttp, type WorkloadPort } from './workload-port.ts';

export function applicationCluster(port: WorkloadPort): Cluster {
  const { service, connectionPool } = port;
  return {
    ...addressed(inboundCluster(port.port), port.app),
    ...connectionLimits({ ...(connectionPool !== undefined && { connectionPool }) }),
    ...(mayCarryHttp(port) && {
      typedExtensionProtocolOptions: upstreamProtocol(applicationVersion(port), connectionPool),
    }),
    metadata: {
      filterMetadata: {
        istio: { services: [{ host: service.hostname, name: service.name, namespace: service.namespace }] },
      },
    },
  };
}

function applicationVersion({ protocol, connectionPool }: WorkloadPort): UpstreamVersion {
  if (protocol === 'auto' || connectionPool?.http?.useClientProtocol === true) return 'client';
  return isHttp2(protocol) ? 'http2' : 'http';
}

export function zipkinCluster(collector: HostPort): Cluster {
  return { ...addressed(ZIPKIN_CLUSTER, collector), connectTimeout: '1s' };
}

function addressed(name: string, { host, port }: HostPort): Cluster {
  const address = { socketAddress: { address: host, portValue: port } };
  return {
    name,
    type: isIP(host) === 0 ? 'STRICT_DNS' : 'STATIC',
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] },
  };
}
