// Endpoints of clusters (envoy.config.endpoint.v3).
import { Address } from './address.ts';
import { Locality, Metadata } from './node.ts';
import { bool, enumeration, string, uint32 } from './scalar.ts';
import { exactlyOne, list, message, optional, required, type Static } from './schema.ts';

export const HealthCheckConfig = message('envoy.config.endpoint.v3.Endpoint.HealthCheckConfig', {
  portValue: optional(uint32({ maximum: 65_535 }), 'Port of its checks; default the cluster\'s alt_port, or its own.'),
  hostname: optional(string(), 'Authority of its checks.'),
  address: optional(Address, 'Where its checks go; default its own address.'),
  disableActiveHealthCheck: optional(bool(), 'It is not checked, and taken as healthy. Default false.'),
});
export interface HealthCheckConfig extends Static<typeof HealthCheckConfig> {}

export const Endpoint = message('envoy.config.endpoint.v3.Endpoint', {
  address: required(Address, 'An IP address; in clusters of type STRICT_DNS or LOGICAL_DNS a host name.'),
  hostname: optional(string(), 'For auto_host_rewrite and auto_host_sni.'),
  healthCheckConfig: optional(HealthCheckConfig, 'For health checks.'),
}, {
  refused: { 'an endpoint has one address': ['additional_addresses'] },
  warned: { 'the address is shown': ['observability_name'] },
});
export interface Endpoint extends Static<typeof Endpoint> {}

export const LbEndpoint = message('envoy.config.endpoint.v3.LbEndpoint', {
  endpoint: required(Endpoint, 'The address.'),
  healthStatus: optional(
    enumeration(['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED']),
    'UNHEALTHY, DRAINING and TIMEOUT get no requests, DEGRADED only where there is no other; default UNKNOWN is '
      + 'healthy.',
  ),
  metadata: optional(Metadata, 'filter_metadata.istio.workload names the workload, envoy.lb holds what subsets go by; '
    + 'its hash_key stands for the address in consistent hashing.'),
  loadBalancingWeight: optional(uint32({ minimum: 1 }), 'Its share; default 1.'),
}, {
  refused: { 'endpoints are given in place': ['endpoint_name'] },
  oneOf: [exactlyOne('endpoint', 'endpoint_name')],
});
export interface LbEndpoint extends Static<typeof LbEndpoint> {}

export const LocalityLbEndpoints = message('envoy.config.endpoint.v3.LocalityLbEndpoints', {
  locality: optional(Locality, 'Where they are.'),
  lbEndpoints: optional(list(LbEndpoint), 'The endpoints.'),
  loadBalancingWeight: optional(uint32({ minimum: 1 }), 'For locality_weighted_lb_config; none gets nothing then.'),
  priority: optional(uint32({ maximum: 128 }), 'What the healthy endpoints of a priority cannot carry goes to the next '
    + 'number; default 0, the first.'),
  metadata: optional(Metadata, 'Free-form.'),
}, {
  refused: {
    'endpoints are given in place': ['load_balancer_endpoints', 'leds_cluster_locality_config'],
  },
  warned: { 'Envoy does not honour it either': ['proximity'] },
});
export interface LocalityLbEndpoints extends Static<typeof LocalityLbEndpoints> {}

const LoadAssignmentPolicy = message('envoy.config.endpoint.v3.ClusterLoadAssignment.Policy', {
  overprovisioningFactor: optional(uint32({ minimum: 1 }), 'A priority is complete while this percent of its healthy '
    + 'endpoints are as many as all; default 140.'),
}, {
  refused: {
    'load is not dropped by configuration': ['drop_overloads'],
    'endpoints are kept until they are replaced': ['endpoint_stale_after'],
  },
  warned: { 'priorities are weighed by their number of endpoints': ['weighted_priority_health'] },
});

export const ClusterLoadAssignment = message('envoy.config.endpoint.v3.ClusterLoadAssignment', {
  clusterName: required(string({ minLength: 1 }), 'Cluster, or its eds_cluster_config.service_name.'),
  endpoints: optional(list(LocalityLbEndpoints), 'By locality.'),
  policy: optional(LoadAssignmentPolicy, 'Rules for all.'),
}, {
  refused: { 'endpoints are given in place': ['named_endpoints'] },
});
export interface ClusterLoadAssignment extends Static<typeof ClusterLoadAssignment> {}
