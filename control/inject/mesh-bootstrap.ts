// The Envoy v3 bootstrap of a proxy of the mesh: who it is, where its control plane is; nothing else is written there.
import type { HostPort } from '../../proxy/base/host-port.ts';

export interface BootstrapIdentity {
  readonly type: 'sidecar' | 'router';
  readonly ip: string;
  readonly name: string;
  readonly namespace: string;
  /** DNS suffix of the namespace's services. */
  readonly domain: string;
  readonly cluster: string;
  /** `region/zone`, '' when unknown. */
  readonly locality?: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface BootstrapMesh {
  readonly xds: HostPort;
  /** Names by one of which the control plane must show itself over TLS; absent: plaintext. */
  readonly controlNames?: readonly ControlName[];
  readonly admin: HostPort;
  readonly listeners?: readonly unknown[];
  readonly clusters?: readonly unknown[];
}

/** A name of a certificate. */
export interface ControlName {
  readonly type: 'URI' | 'DNS' | 'IP_ADDRESS';
  readonly name: string;
}

/** JSON; YAML readers read it too. */
export function meshBootstrap(identity: BootstrapIdentity, mesh: BootstrapMesh): object {
  const { type, ip, name, namespace, domain, cluster, locality = '', metadata } = identity;
  const [region, zone] = locality.split('/');
  const { xds, controlNames, admin, listeners = [], clusters = [] } = mesh;
  return {
    node: {
      id: `${type}~${ip}~${name}.${namespace}~${domain}`, cluster,
      ...(locality !== '' && { locality: { region, zone } }),
      metadata,
    },
    admin: { address: socketAddress(admin) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC', transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
      lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      ...(listeners.length > 0 && { listeners }),
      clusters: [controlNames === undefined ? xdsCluster(xds) : securedCluster(xds, controlNames), ...clusters],
    },
  };
}

export function socketAddress({ host, port }: HostPort): unknown {
  return { socket_address: { address: host, port_value: port } };
}

/** A cluster of one address: STATIC, or by name. */
export function singleCluster(name: string, address: HostPort): Record<string, unknown> {
  const endpoint = { endpoint: { address: socketAddress(address) } };
  return {
    name,
    type: /^[0-9.]+$|:/.test(address.host) ? 'STATIC' : 'STRICT_DNS',
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  };
}

function xdsCluster(xds: HostPort): Record<string, unknown> {
  return {
    ...singleCluster('xds-grpc', xds),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

/** The proxy shows who it is, with the certificate that its agent has: so it is given its Secrets. */
function securedCluster(xds: HostPort, names: readonly ControlName[]): unknown {
  return {
    ...xdsCluster(xds),
    transport_socket: {
      name: 'tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        ...sniOf(xds.host),
        common_tls_context: {
          tls_certificate_sds_secret_configs: [agentSecret('default')],
          combined_validation_context: {
            default_validation_context: {
              match_typed_subject_alt_names: names.map(({ type, name }) => (
                { san_type: type, matcher: { exact: name } })),
            },
            validation_context_sds_secret_config: agentSecret('ROOTCA'),
          },
          alpn_protocols: ['h2'],
        },
      },
    },
  };
}

function sniOf(host: string): object {
  return /^[0-9.]+$|:/.test(host) ? {} : { sni: host };
}

/** Answered inside the process. */
function agentSecret(name: string): object {
  return {
    name,
    sds_config: {
      api_config_source: {
        api_type: 'GRPC', transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
      resource_api_version: 'V3',
    },
  };
}
