// Names of stats as Envoy spells them: one scope per listener, cluster, HTTP connection manager, endpoint and server.
import type { StatName } from './stats.ts';

/** A place in Envoy's stat tree: `cluster.reviews.` in flat names, a label in Prometheus names. */
export interface StatScope {
  readonly flat: string;
  readonly family: string;
  readonly labels: readonly (readonly [string, string])[];
}

export const serverScope: StatScope = { flat: 'server.', family: 'envoy_server_', labels: [] };

/** `cluster.<name>.*`, envoy_cluster_*{envoy_cluster_name}. */
export function clusterScope(cluster: string): StatScope {
  return { flat: `cluster.${cluster}.`, family: 'envoy_cluster_', labels: [['envoy_cluster_name', cluster]] };
}

/** `http.<stat_prefix>.*`, envoy_http_*{envoy_http_conn_manager_prefix}. */
export function httpScope(prefix: string): StatScope {
  return { flat: `http.${prefix}.`, family: 'envoy_http_', labels: [['envoy_http_conn_manager_prefix', prefix]] };
}

/** `<stat_prefix>.http_local_rate_limit.*`, as Envoy tags it. */
export function localRateLimitScope(prefix: string): StatScope {
  return {
    flat: `${prefix}.http_local_rate_limit.`, family: 'envoy_http_local_rate_limit_',
    labels: [['envoy_local_http_ratelimit_prefix', prefix]],
  };
}

/** `listener.<address>.*`, envoy_listener_*{envoy_listener_address}; the address has `_` for `:` as in Envoy. */
export function listenerScope(address: string): StatScope {
  const name = address.replaceAll(':', '_');
  return { flat: `listener.${name}.`, family: 'envoy_listener_', labels: [['envoy_listener_address', name]] };
}

/** One worker's share of a scope: `listener.<address>.worker_0.*`, envoy_listener_worker_*{envoy_worker_id}. */
export function workerScope({ flat, family, labels }: StatScope, worker: number): StatScope {
  return {
    flat: `${flat}worker_${worker}.`, family: `${family}worker_`,
    labels: [['envoy_worker_id', String(worker)], ...labels],
  };
}

/** Figures of one endpoint, shown by /clusters and left out of /stats, as in Envoy. */
export function endpointScope(cluster: string, address: string): StatScope {
  return {
    flat: `endpoint.${cluster}.${address}.`,
    family: 'weft_endpoint_',
    labels: [['envoy_cluster_name', cluster], ['envoy_endpoint_address', address]],
  };
}

/** A stat inside a scope: `upstream_rq_total`. Dots in `name` become underscores in the family. */
export function statName(scope: StatScope, name: string): StatName {
  return { flat: scope.flat + name, family: scope.family + name.replaceAll('.', '_'), labels: scope.labels };
}

/** A scope inside a scope: `cluster.reviews.outlier_detection.`. */
export function innerScope({ flat, family, labels }: StatScope, name: string): StatScope {
  return { flat: `${flat}${name}.`, family: `${family}${name.replaceAll('.', '_')}_`, labels };
}

/** A family that exists only with labels (Istio's standard metrics); it has no flat name. */
export function labelledName(family: string, labels: readonly (readonly [string, string])[]): StatName {
  return { flat: '', family, labels };
}
