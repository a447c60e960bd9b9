// The bootstrap of a sidecar in a pod whose connections are redirected.
import { HOST_IP, type Pod } from './pod-network.ts';

/** The authority for its certificate, and what it shows there. */
export interface PodCredentials {
  readonly address: string;
  readonly token: string;
  readonly rootFile: string;
}

const address = (host: string, port: number): unknown => ({ socket_address: { address: host, port_value: port } });

/** A workload named as its pod, in namespace default. */
export function redirectedBootstrap({ name, ip }: Pod, { address: ca, token, rootFile }: PodCredentials): unknown {
  return {
    node: {
      id: `sidecar~${ip}~${name}.default~default.svc.cluster.local`, cluster: `${name}.default`,
      metadata: {
        NAMESPACE: 'default', NAME: name, SERVICE_ACCOUNT: name, LABELS: { app: name }, INSTANCE_IPS: ip,
        INTERCEPTION_MODE: 'REDIRECT',
        WEFT_CA: { address: ca, token_file: token, root_file: rootFile, trust_domain: 'cluster.local' },
      },
    },
    admin: { address: address(ip, 15_000) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC', transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' }, lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [{
        name: 'xds-grpc', type: 'STATIC', connect_timeout: '1s',
        load_assignment: {
          cluster_name: 'xds-grpc',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(HOST_IP, 15_010) } }] }],
        },
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
            explicit_http_config: { http2_protocol_options: {} },
          },
        },
      }],
    },
  };
}
