// Where a proxy has its certificates and roots from: its own agent, or the control plane.
import type { ConfigSource } from '../../proxy/config/config-source.ts';
import type { SdsSecretConfig } from '../../proxy/config/tls.ts';
import { SDS_CLUSTER } from './resource-name.ts';

/** By SDS from the sidecar's own agent. */
export function sds(name: string): SdsSecretConfig {
  const sdsConfig: ConfigSource = {
    apiConfigSource: {
      apiType: 'GRPC',
      transportApiVersion: 'V3',
      grpcServices: [{ envoyGrpc: { clusterName: SDS_CLUSTER } }],
    },
    initialFetchTimeout: '0s',
    resourceApiVersion: 'V3',
  };
  return { name, sdsConfig };
}

/** By ADS: the control plane has the Secrets of gateways itself. */
export function ads(name: string): SdsSecretConfig {
  return { name, sdsConfig: { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' } };
}
