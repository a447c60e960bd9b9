// The Envoy v3 bootstrap of a demo sidecar: who it is, where its control plane and its certificate authority are.
import type { HostPort } from '../../proxy/base/host-port.ts';
import type { Workload } from './workloads.ts';
import { TRUST_DOMAIN } from './workloads.ts';

/** Addresses of the mesh's servers, and this workload's credentials. */
export interface MeshAddresses {
  readonly xds: HostPort;
  readonly ca: HostPort;
  readonly rootFile: string;
  /** Zipkin v2 collectors that get the spans as well (`--zipkin`). */
  readonly extraCollectors: readonly string[];
  /** Where the gateway takes requests for a Gateway's port. */
  readonly gatewayPorts: Readonly<Record<number, number>>;
}

/** A JSON bootstrap; YAML readers read it too. */
export function sidecarBootstrap(workload: Workload, mesh: MeshAddresses, tokenFile: string): unknown {
  const { pod, name, namespace, locality, isGateway } = workload;
  const [region, zone] = locality.split('/');
  const type = isGateway ? 'router' : 'sidecar';
  return {
    node: {
      id: `${type}~${pod.ip}~${name}.${namespace}~${namespace}.svc.${TRUST_DOMAIN}`,
      cluster: `${workload.app}.${namespace}`,
      ...(locality !== '' && { locality: { region, zone } }),
      metadata: metadataOf(workload, mesh, tokenFile),
    },
    admin: { address: socketAddress({ host: pod.ip, port: pod.adminPort }) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC', transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
      lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: { clusters: [xdsCluster(mesh.xds)] },
  };
}

function metadataOf(workload: Workload, mesh: MeshAddresses, tokenFile: string): Record<string, unknown> {
  const { pod, app, version, name, serviceAccount, isGateway } = workload;
  return {
    NAMESPACE: workload.namespace,
    NAME: name,
    WORKLOAD_NAME: workload.deployment,
    SERVICE_ACCOUNT: serviceAccount,
    LABELS: isGateway ? { app, istio: app, version } : { app, version },
    CLUSTER_ID: 'Kubernetes',
    MESH_ID: TRUST_DOMAIN,
    INSTANCE_IPS: pod.ip,
    INTERCEPTION_MODE: 'NONE',
    WEFT_CA: {
      address: `${mesh.ca.host}:${mesh.ca.port}`, token_file: tokenFile, root_file: mesh.rootFile,
      trust_domain: TRUST_DOMAIN,
    },
    ...(mesh.extraCollectors.length > 0 && { WEFT_ZIPKIN: mesh.extraCollectors }),
    ...(isGateway
      ? { WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: mesh.gatewayPorts }
      : {
        WEFT_OUTBOUND_LISTEN: `${pod.ip}:${pod.outboundPort}`,
        WEFT_APP_PORTS: { [pod.inboundPort]: `${pod.ip}:${pod.appPort}` },
      }),
  };
}

function xdsCluster(xds: HostPort): unknown {
  return {
    name: 'xds-grpc',
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: 'xds-grpc', endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(xds) } }] }],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

function socketAddress({ host, port }: HostPort): unknown {
  return { socket_address: { address: host, port_value: port } };
}
