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
export function sidecarBootstrap(
  workload: Workload, mesh: MeshAddresses, tokenFile: string, auditFolder: string,
): unknown {
  const { pod, name, namespace, locality, isGateway } = workload;
  const [region, zone] = locality.split('/');
  const type = isGateway ? 'router' : 'sidecar';
  return {
    node: {
      id: `${type}~${pod.ip}~${name}.${namespace}~${namespace}.svc.${TRUST_DOMAIN}`,
      cluster: `${workload.app}.${namespace}`,
      ...(locality !== '' && { locality: { region, zone } }),
      metadata: { ...metadataOf(workload, mesh, tokenFile), WEFT_AUDIT: { folder: auditFolder } },
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
    static_resources: { clusters: [isGateway ? securedCluster(mesh.ca) : xdsCluster(mesh.xds)] },
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
      ? workload.place === 'egress'
        ? { WEFT_GATEWAY_LISTEN: pod.ip, WEFT_GATEWAY_PORTS: { 80: pod.inboundPort, 443: pod.appPort } }
        : { WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: mesh.gatewayPorts }
      : {
        WEFT_OUTBOUND_LISTEN: `${pod.ip}:${pod.outboundPort}`,
        WEFT_APP_PORTS: { [pod.inboundPort]: `${pod.ip}:${pod.appPort}` },
      }),
  };
}

/** Gateways show who they are, with the certificate that their agent has: so they are given their Secrets. */
function securedCluster(secure: HostPort): object {
  const secret = (name: string): object => ({
    name,
    sds_config: {
      api_config_source: {
        api_type: 'GRPC', transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
      resource_api_version: 'V3',
    },
  });
  const control = `spiffe://${TRUST_DOMAIN}/ns/weft-system/sa/weft-control`;
  return {
    ...xdsCluster(secure),
    transport_socket: {
      name: 'tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        common_tls_context: {
          tls_certificate_sds_secret_configs: [secret('default')],
          combined_validation_context: {
            default_validation_context: {
              match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: control } }],
            },
            validation_context_sds_secret_config: secret('ROOTCA'),
          },
          alpn_protocols: ['h2'],
        },
      },
    },
  };
}

function xdsCluster(xds: HostPort): object {
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
