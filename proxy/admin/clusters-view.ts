// /clusters: every cluster with its limits and endpoints, and what the workers counted for each endpoint.
import type { Cluster, Thresholds } from '../config/cluster.ts';
import type { ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints } from '../config/endpoint.ts';
import type { Locality } from '../config/node.ts';
import type { AdminResponse } from './admin-response.ts';
import { json, text } from './admin-response.ts';
import type { AdminSource, DumpResource } from './admin-source.ts';

/** Envoy's defaults of circuit_breakers. */
const LIMITS = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 } as const;
type Limit = keyof typeof LIMITS;
const LIMIT_NAMES: readonly (readonly [Limit, string])[] = [
  ['maxConnections', 'max_connections'], ['maxPendingRequests', 'max_pending_requests'],
  ['maxRequests', 'max_requests'], ['maxRetries', 'max_retries'],
];

/** Figures of an endpoint, in Envoy's order. */
const FIGURES = [
  'cx_active', 'cx_connect_fail', 'cx_total', 'rq_active', 'rq_error', 'rq_success', 'rq_timeout', 'rq_total',
] as const;
const GAUGES: ReadonlySet<string> = new Set(['cx_active', 'rq_active']);

interface EndpointView {
  readonly address: string;
  readonly ip: string;
  readonly port: number | undefined;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality;
  readonly health: string;
  readonly edsHealth: string;
  readonly figures: readonly (readonly [name: string, value: number])[];
}

interface ClusterView {
  readonly name: string;
  readonly observabilityName: string;
  readonly edsServiceName: string;
  readonly addedViaApi: boolean;
  readonly limits: readonly (readonly [priority: string, limits: Readonly<Record<Limit, number>>])[];
  readonly endpoints: readonly EndpointView[];
}

export function clustersResponse(source: AdminSource, query: URLSearchParams): AdminResponse {
  const { clusters, endpoints } = source.config();
  const assignments = new Map(endpoints.map(({ name, resource }) => [name, resource as ClusterLoadAssignment]));
  const views = clusters.map((cluster) => clusterView(cluster, assignments, (flat) => source.readStat(flat)));
  if (query.get('format') === 'json') return json({ cluster_statuses: views.map(clusterJson) });
  return text(views.map(clusterText).join(''));
}

type ReadStat = (flat: string) => number;

function clusterView(
  { name, resource, origin }: DumpResource, assignments: ReadonlyMap<string, ClusterLoadAssignment>, read: ReadStat,
): ClusterView {
  const cluster = resource as Cluster;
  const stats = cluster.altStatName === undefined || cluster.altStatName === '' ? name : cluster.altStatName;
  const service = cluster.edsClusterConfig?.serviceName ?? '';
  const assignment = assignments.get(service === '' ? name : service) ?? cluster.loadAssignment;
  return {
    name,
    observabilityName: stats,
    edsServiceName: service,
    addedViaApi: origin === 'dynamic',
    limits: [['default_priority', limitsOf(cluster, 'DEFAULT')], ['high_priority', limitsOf(cluster, 'HIGH')]],
    endpoints: (assignment?.endpoints ?? []).flatMap((group) => groupView(group, stats, read)),
  };
}

function limitsOf(cluster: Cluster, priority: 'DEFAULT' | 'HIGH'): Record<Limit, number> {
  const thresholds = cluster.circuitBreakers?.thresholds ?? [];
  const found: Thresholds | undefined = thresholds.find((entry) => (entry.priority ?? 'DEFAULT') === priority);
  return {
    maxConnections: found?.maxConnections ?? LIMITS.maxConnections,
    maxPendingRequests: found?.maxPendingRequests ?? LIMITS.maxPendingRequests,
    maxRequests: found?.maxRequests ?? LIMITS.maxRequests,
    maxRetries: found?.maxRetries ?? LIMITS.maxRetries,
  };
}

function groupView(group: LocalityLbEndpoints, cluster: string, read: ReadStat): EndpointView[] {
  return (group.lbEndpoints ?? []).map((endpoint) => endpointView(endpoint, group, cluster, read));
}

function endpointView(
  { endpoint, healthStatus = 'UNKNOWN', loadBalancingWeight = 1 }: LbEndpoint, group: LocalityLbEndpoints,
  cluster: string, read: ReadStat,
): EndpointView {
  const socket = endpoint.address.socketAddress;
  const ip = socket?.address ?? endpoint.address.pipe?.path ?? '';
  const host = ip.includes(':') && socket !== undefined ? `[${ip}]` : ip;
  const address = socket === undefined ? ip : `${host}:${socket.portValue}`;
  const scope = `endpoint.${cluster}.${address}.`;
  return {
    address, ip, port: socket?.portValue, hostname: endpoint.hostname ?? '', weight: loadBalancingWeight,
    priority: group.priority ?? 0, locality: group.locality ?? {},
    health: healthText(healthStatus, (flag) => read(scope + flag) > 0),
    edsHealth: healthStatus === 'UNKNOWN' ? 'HEALTHY' : healthStatus,
    figures: FIGURES.map((name) => [name, read(scope + name)]),
  };
}

/** Envoy's health flags; `healthy` without any. */
function healthText(status: NonNullable<LbEndpoint['healthStatus']>, has: (flag: string) => boolean): string {
  let flags = has('failed_active_hc') ? '/failed_active_hc' : '';
  if (has('ejected')) flags += '/failed_outlier_check';
  if (has('degraded_active_hc')) flags += '/degraded_active_hc';
  if (status === 'UNHEALTHY' || status === 'TIMEOUT') flags += '/failed_eds_health';
  if (status === 'DEGRADED') flags += '/degraded_eds_health';
  if (status === 'DRAINING') flags += '/eds_status_draining';
  return flags === '' ? 'healthy' : flags;
}

function clusterText(cluster: ClusterView): string {
  const { name } = cluster;
  const lines = [`${name}::observability_name::${cluster.observabilityName}`];
  for (const [priority, limits] of cluster.limits) {
    for (const [limit, label] of LIMIT_NAMES) lines.push(`${name}::${priority}::${label}::${limits[limit]}`);
  }
  lines.push(`${name}::added_via_api::${cluster.addedViaApi}`);
  if (cluster.edsServiceName !== '') lines.push(`${name}::eds_service_name::${cluster.edsServiceName}`);
  for (const endpoint of cluster.endpoints) {
    for (const [key, value] of endpointPairs(endpoint)) lines.push(`${name}::${endpoint.address}::${key}::${value}`);
  }
  return `${lines.join('\n')}\n`;
}

function endpointPairs(endpoint: EndpointView): (readonly [string, string | number])[] {
  const { region = '', zone = '', subZone = '' } = endpoint.locality;
  return [
    ...endpoint.figures,
    ['hostname', endpoint.hostname], ['health_flags', endpoint.health], ['weight', endpoint.weight],
    ['region', region], ['zone', zone], ['sub_zone', subZone], ['canary', 'false'], ['priority', endpoint.priority],
    ['success_rate', -1], ['local_origin_success_rate', -1],
  ];
}

function clusterJson(cluster: ClusterView): unknown {
  return {
    name: cluster.name,
    ...(cluster.addedViaApi && { added_via_api: true }),
    host_statuses: cluster.endpoints.map(endpointJson),
    circuit_breakers: {
      thresholds: cluster.limits.map(([priority, limits]) => ({
        ...(priority === 'high_priority' && { priority: 'HIGH' }),
        ...Object.fromEntries(LIMIT_NAMES.map(([limit, label]) => [label, limits[limit]])),
      })),
    },
    observability_name: cluster.observabilityName,
    ...(cluster.edsServiceName !== '' && { eds_service_name: cluster.edsServiceName }),
  };
}

function endpointJson(endpoint: EndpointView): unknown {
  const { ip, port, figures, locality, hostname } = endpoint;
  const { region, zone, subZone } = locality;
  return {
    address: port === undefined ? { pipe: { path: ip } } : { socket_address: { address: ip, port_value: port } },
    stats: figures.map(([name, value]) => ({ ...(GAUGES.has(name) && { type: 'GAUGE' }), value: String(value), name })),
    health_status: {
      ...(endpoint.health.includes('failed_active_hc') && { failed_active_health_check: true }),
      ...(endpoint.health.includes('failed_outlier_check') && { failed_outlier_check: true }),
      eds_health_status: endpoint.edsHealth,
    },
    weight: endpoint.weight,
    ...(hostname !== '' && { hostname }),
    locality: { ...(region && { region }), ...(zone && { zone }), ...(subZone && { sub_zone: subZone }) },
    ...(endpoint.priority > 0 && { priority: endpoint.priority }),
  };
}
