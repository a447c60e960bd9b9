// The file that a proxy starts with (envoy.config.bootstrap.v3).
import { AccessLog } from './access-log.ts';
import { Address } from './address.ts';
import { Cluster } from './cluster.ts';
import { ApiConfigSource, ConfigSource } from './config-source.ts';
import { Listener } from './listener.ts';
import { Node } from './node.ts';
import { string } from './scalar.ts';
import { any, list, message, optional, required, type Static } from './schema.ts';
import { Secret } from './tls.ts';
import { TracingProvider } from './tracing.ts';

export const Admin = message('envoy.config.bootstrap.v3.Admin', {
  address: optional(Address, 'Where the admin interface listens; absent: there is none. It shows everything: '
    + 'loopback or a '
    + 'unix socket only.'),
  accessLog: optional(list(AccessLog), 'Logs of requests to it.'),
}, {
  refused: {
    'raw socket options cannot be set': ['socket_options'],
    'all paths are served': ['allow_paths'],
  },
  warned: {
    'use access_log': ['access_log_path'],
    'there is no CPU profiler': ['profile_path'],
    'weft\'s own limits hold': ['ignore_global_conn_limit'],
  },
});
export interface Admin extends Static<typeof Admin> {}

export const StaticResources = message('envoy.config.bootstrap.v3.Bootstrap.StaticResources', {
  listeners: optional(list(Listener), 'Listeners.'),
  clusters: optional(list(Cluster), 'Clusters; those of xDS, SDS and tracing must be here.'),
  secrets: optional(list(Secret), 'Secrets that contexts ask for by name.'),
});
export interface StaticResources extends Static<typeof StaticResources> {}

export const DynamicResources = message('envoy.config.bootstrap.v3.Bootstrap.DynamicResources', {
  ldsConfig: optional(ConfigSource, 'Listeners by xDS.'),
  cdsConfig: optional(ConfigSource, 'Clusters by xDS.'),
  adsConfig: optional(ApiConfigSource, 'The one stream that { ads: {} } means.'),
}, {
  refused: { 'xdstp:// resource names are not supported': ['lds_resources_locator', 'cds_resources_locator'] },
});
export interface DynamicResources extends Static<typeof DynamicResources> {}

export const Tracing = message('envoy.config.trace.v3.Tracing', {
  http: optional(TracingProvider, 'For connection managers whose tracing names no provider.'),
});
export interface Tracing extends Static<typeof Tracing> {}

export const ClusterManager = message('envoy.config.bootstrap.v3.ClusterManager', {
  localClusterName: optional(string(), 'Static cluster of the proxies that send as this one does: with it requests '
    + 'prefer endpoints of their own zone.'),
}, {
  warned: {
    'ejections are counted, not logged': ['outlier_detection'],
    'each cluster has its own': ['upstream_bind_config'],
    'load is not reported': ['load_stats_config'],
    'it is for Envoy\'s own working': ['enable_deferred_cluster_creation'],
  },
});

const BootstrapExtension = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(any('bootstrap extension', [], {
    'envoy.extensions.bootstrap.internal_listener.v3.InternalListener': 'there are no internal listeners',
    'istio.workload.BootstrapExtension': 'workloads are known by certificates and by headers of their proxies',
  }), 'Which extension.'),
});

export const Bootstrap = message('envoy.config.bootstrap.v3.Bootstrap', {
  node: optional(Node, 'Who this proxy is.'),
  staticResources: optional(StaticResources, 'Resources in this file.'),
  dynamicResources: optional(DynamicResources, 'Resources by xDS.'),
  admin: optional(Admin, 'The admin interface.'),
  tracing: optional(Tracing, 'Who gets spans by default.'),
  clusterManager: optional(ClusterManager, 'What holds for all clusters.'),
  bootstrapExtensions: optional(list(BootstrapExtension), 'Extensions that are there before any configuration.'),
}, {
  refused: {
    'overload is handled by weft\'s own limits': ['overload_manager'],
    'health is not discovered': ['hds_config'],
    'headers are called x-envoy-': ['header_prefix'],
    'names are resolved by the system': ['use_tcp_for_dns_lookups', 'dns_resolution_config',
      'typed_dns_resolver_config'],
    'extensions of this kind are not supported': ['fatal_actions', 'default_socket_interface',
      'certificate_provider_instances', 'xds_delegate_extension', 'xds_config_tracker_extension', 'listener_manager'],
    'say where from in each place': ['config_sources', 'default_config_source'],
    'stats are read from the admin interface': ['stats_sinks'],
  },
  warned: {
    'there is no runtime; default values always hold': ['layered_runtime'],
    'all stats are kept, with Envoy\'s default tags': ['stats_config'],
    'stats are read when they are asked for': ['stats_flush_interval', 'stats_flush_on_admin',
      'stats_eviction_interval',
      'deferred_stat_options', 'enable_dispatcher_stats', 'stats_server_version_override'],
    'weft watches its workers by itself': ['watchdog', 'watchdogs'],
    'it is for Envoy\'s own working': ['flags_path', 'inline_headers', 'perf_tracing_file_path',
      'grpc_async_client_manager_config', 'memory_allocator_manager', 'enable_worker_cpu_affinity',
        'node_context_params'],
    'RE2 is the only engine': ['default_regex_engine'],
    'the log has weft\'s form': ['application_log_config'],
  },
});
export interface Bootstrap extends Static<typeof Bootstrap> {}
