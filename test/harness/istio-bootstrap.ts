// The bootstrap that Istio's agent writes for a sidecar or a gateway, in its shape, for Envoy and weft alike: what they
// are in the mesh, ADS from istiod over mutual TLS, and their certificate from `sds-grpc`.
import { pipeCluster, sdsTls } from './agent-mesh.ts';
import { ISTIOD_NAME, ISTIOD_PORTS } from './istiod.ts';

const HTTP_MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' };

export interface IstioNode {
  readonly name: string;
  readonly ip: string;
  readonly type: 'sidecar' | 'router';
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** More node metadata, such as WEFT_CA. */
  readonly metadata?: object;
}

export interface IstioBootstrapOptions {
  readonly node: IstioNode;
  readonly istiodIp: string;
  readonly adminPort: number;
  readonly delta: boolean;
  /** Unix socket of the SDS server. */
  readonly sds: string;
}

const address = (host: string, port: number): object => ({
  socket_address: { protocol: 'TCP', address: host, port_value: port } });

function localCluster(name: string, port: number): object {
  return {
    name, alt_stat_name: `${name};`, type: 'STATIC', connect_timeout: '0.250s', lb_policy: 'ROUND_ROBIN',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address('127.0.0.1', port) } }] }],
    },
  };
}

function localListener(port: number, path: string, cluster: string): object {
  const routes = [{ match: { prefix: path }, route: { cluster } }];
  return {
    name: `0.0.0.0_${port}`, address: address('0.0.0.0', port),
    ignore_global_conn_limit: true, bypass_overload_manager: true,
    filter_chains: [{
      filters: [{
        name: 'envoy.filters.network.http_connection_manager',
        typed_config: {
          '@type': `type.googleapis.com/${HTTP_MANAGER}`, codec_type: 'AUTO', stat_prefix: cluster,
          route_config: { virtual_hosts: [{ name: 'backend', domains: ['*'], routes }] },
          http_filters: [{ name: 'envoy.filters.http.router', typed_config: ROUTER }],
        },
      }],
    }],
  };
}

function adsCluster(istiodIp: string): object {
  const { load_assignment: _, ...rest } = pipeCluster('xds-grpc', '') as Record<string, unknown>;
  const { name, typed_config: context } = sdsTls('UpstreamTlsContext') as { name: string; typed_config: object };
  return {
    ...rest, alt_stat_name: 'xds-grpc;', type: 'STATIC', lb_policy: 'ROUND_ROBIN', max_requests_per_connection: 1,
    upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } },
    circuit_breakers: { thresholds: [{ priority: 'DEFAULT', max_connections: 100_000 }] },
    transport_socket: { name: `envoy.transport_sockets.${name}`, typed_config: { ...context, sni: ISTIOD_NAME } },
    load_assignment: {
      cluster_name: 'xds-grpc',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(istiodIp, ISTIOD_PORTS.secure) } }] }],
    },
  };
}

function nodeOf({ name, ip, type, namespace = 'default', labels = {}, metadata = {} }: IstioNode): object {
  return {
    id: `${type}~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`, cluster: `${name}.${namespace}`,
    locality: { region: 'region', zone: 'zone' },
    metadata: {
      ANNOTATIONS: { 'prometheus.io/scrape': 'true' }, CLUSTER_ID: 'Kubernetes', ENVOY_PROMETHEUS_PORT: 15_090,
      ENVOY_STATUS_PORT: 15_021, INSTANCE_IPS: ip, ISTIO_PROXY_SHA: 'unknown', ISTIO_VERSION: '1.31.0',
      INTERCEPTION_MODE: 'REDIRECT', LABELS: { app: name, ...labels }, MESH_ID: 'cluster.local', NAME: name,
      NAMESPACE: namespace, NODE_NAME: 'node', OWNER: `kubernetes://apis/apps/v1/namespaces/${namespace}/`
        + `deployments/${name}`, PILOT_SAN: [ISTIOD_NAME], SERVICE_ACCOUNT: name, WORKLOAD_NAME: name,
      PROXY_CONFIG: {
        binaryPath: '/usr/local/bin/envoy', configPath: './etc/istio/proxy', controlPlaneAuthPolicy: 'MUTUAL_TLS',
        discoveryAddress: `${ISTIOD_NAME}:15012`, drainDuration: '45s', proxyAdminPort: 15_000,
        serviceCluster: 'istio-proxy', statNameLength: 189, statusPort: 15_020, terminationDrainDuration: '5s',
      },
      ...metadata,
    },
  };
}

export function istioBootstrap({ node, istiodIp, adminPort, delta, sds }: IstioBootstrapOptions): object {
  const ads = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' };
  return {
    application_log_config: { log_format: { text_format: '%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t' } },
    node: nodeOf(node),
    layered_runtime: {
      layers: [
        { name: 'global config', static_layer: { 're2.max_program_size.error_level': '32768',
          'envoy.reloadable_features.http_reject_path_with_fragment': false } },
        { name: 'admin', admin_layer: {} },
      ],
    },
    bootstrap_extensions: [{
      name: 'envoy.bootstrap.internal_listener',
      typed_config: {
        '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
        type_url: 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
        value: { buffer_size_kb: 64 },
      },
    }],
    stats_config: {
      use_all_default_tags: false, stats_tags: [{ tag_name: 'cluster_name', regex: '^cluster(\\.(.+);)' }],
    },
    admin: { profile_path: '/var/lib/istio/data/envoy.prof', address: address(node.ip, adminPort) },
    dynamic_resources: {
      lds_config: ads, cds_config: ads,
      ads_config: {
        api_type: delta ? 'DELTA_GRPC' : 'GRPC', set_node_on_first_message_only: true, transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: {
      clusters: [
        localCluster('prometheus_stats', adminPort), localCluster('agent', 15_020),
        pipeCluster('sds-grpc', sds), adsCluster(istiodIp),
      ],
      listeners: [
        localListener(15_090, '/stats/prometheus', 'prometheus_stats'),
        localListener(15_021, '/healthz/ready', 'agent'),
      ],
    },
    cluster_manager: { enable_deferred_cluster_creation: true },
    deferred_stat_options: { enable_deferred_creation_stats: true },
  };
}
