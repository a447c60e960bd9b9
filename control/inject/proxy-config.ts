// Istio's ProxyConfig, as a MeshConfig's defaultConfig and a pod's annotation proxy.istio.io/config write it.
import { bool, enumeration, string, uint32 } from '../../proxy/config/scalar.ts';
import { map, message, optional, Refusal, type Static } from '../../proxy/config/schema.ts';
import { goDuration, matching } from '../model/scalar.ts';

const hostPort = (): ReturnType<typeof matching> => (
  matching(/^(\[[0-9a-fA-F:.]+\]|[^:/\s[\]]+):[0-9]{1,5}$/, 'HOST:PORT'));
const port = (): ReturnType<typeof uint32> => uint32({ minimum: 1, maximum: 65_535 });

const GatewayTopology = message('istio.mesh.v1alpha1.Topology', {
  numTrustedProxies: optional(uint32({ maximum: 100 }), 'Proxies before a gateway that it believes.'),
}, {
  refused: {
    'client certificates of other proxies are not forwarded': ['forward_client_cert_details'],
    'gateways take no PROXY protocol by it': ['proxy_protocol'],
  },
});

const Tracing = message('istio.mesh.v1alpha1.Tracing', {
  zipkin: optional(message('istio.mesh.v1alpha1.Tracing.Zipkin', {
    address: optional(hostPort(), 'Where spans go, in place of the mesh\'s collector.'),
  }), 'A Zipkin v2 collector.'),
}, {
  warned: { 'a Telemetry says it': ['sampling', 'custom_tags', 'max_path_tag_length', 'enable_istio_tags'] },
  refused: {
    'an extensionProvider of the MeshConfig names it': [
      'lightstep', 'datadog', 'stackdriver', 'open_census_agent', 'tls_settings',
    ],
  },
});

const EMPTY_NAME = 'must be the name of an environment variable';

export const ProxyConfig = message('istio.mesh.v1alpha1.ProxyConfig', {
  concurrency: optional(uint32({ maximum: 1024 }), 'Worker threads; absent: by the CPU limit. 0: one a CPU.'),
  discoveryAddress: optional(hostPort(), 'The control plane, over TLS.'),
  configPath: optional(string({ minLength: 1 }), 'Folder of the bootstrap in the container. Default /etc/istio/proxy.'),
  drainDuration: optional(goDuration(), 'How long listeners that go away drain.'),
  terminationDrainDuration: optional(goDuration(), 'How long requests in flight have after SIGTERM. Default 5s.'),
  proxyAdminPort: optional(port(), 'The admin interface, on loopback. Default 15000.'),
  statusPort: optional(port(), 'Health, application probes, merged metrics. Default 15020.'),
  interceptionMode: optional(enumeration(['REDIRECT', 'TPROXY', 'NONE']),
    'How connections are led to the proxy. By TPROXY it has root\'s user and CAP_NET_ADMIN.'),
  holdApplicationUntilProxyStarts: optional(bool(), 'The application is started after the proxy.'),
  proxyMetadata: optional(map(string()), 'Environment of the proxy; ISTIO_META_ names become its metadata.'),
  meshId: optional(string(), 'Name of the mesh in metadata.'),
  tracing: optional(Tracing, 'Where spans go.'),
  gatewayTopology: optional(GatewayTopology, 'What is before a gateway.'),
}, {
  warned: {
    'the injector names the image': ['image'],
    'the proxy is found by its image': ['binary_path', 'proxy_bootstrap_template_path'],
    'Envoy and its agent have no use for it any more': [
      'service_cluster', 'tracing_service_name', 'discovery_refresh_delay', 'availability_zone', 'sds',
      'control_plane_auth_policy', 'stat_name_length', 'envoy_metrics_service', 'statsd_udp_address',
    ],
    'all statistics are kept': ['proxy_stats_matcher', 'extra_stat_tags', 'stats_compression'],
    'probes are the pod\'s': ['readiness_probe'],
    'access logs are flushed as they are written': ['file_flush_interval', 'file_flush_min_size_kb'],
  },
  refused: {
    'write tracing.zipkin.address': ['zipkin_address'],
    'the bootstrap is made by the proxy itself': ['custom_config_file', 'runtime_values'],
    'a Telemetry says it': ['envoy_access_log_service'],
    'keys stay in the proxy\'s memory': ['private_key_provider'],
    'a MeshConfig has caCertificates': ['ca_certificates_pem'],
    'it is not changed by it': ['proxy_headers'],
  },
  check: ({ proxyMetadata = {} }) => {
    const wrong = Object.keys(proxyMetadata).find((name) => !/^[A-Za-z_][A-Za-z0-9_]{0,255}$/.test(name));
    return wrong === undefined ? undefined : new Refusal(EMPTY_NAME, ['proxyMetadata', wrong]);
  },
});
export interface ProxyConfig extends Static<typeof ProxyConfig> {}

/** What stands nearer to the pod wins, field by field; metadata is put together by name. */
export function mergedProxyConfig(far: ProxyConfig, near: ProxyConfig): ProxyConfig {
  const proxyMetadata = { ...far.proxyMetadata, ...near.proxyMetadata };
  return { ...far, ...near, ...(Object.keys(proxyMetadata).length > 0 && { proxyMetadata }) };
}
