// The names that Istio gives to the resources that it makes: dashboards, metrics and people know them.

/** `outbound|9080|v1|reviews.default.svc.cluster.local` */
export function outboundCluster(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`;
}

/** `inbound|9080||` */
export function inboundCluster(port: number): string {
  return `inbound|${port}||`;
}

/** `outbound_.9080_.v1_.reviews.default.svc.cluster.local`: the cluster's name in a form that SNI can carry. */
export function clusterSni(port: number, subset: string, host: string): string {
  return `outbound_.${port}_.${subset}_.${host}`;
}

/** `10.0.0.1_9080`, the name of a listener by its address. */
export function listenerName(address: string, port: number): string {
  return `${address}_${port}`;
}

/** Route configuration of the explicit HTTP proxy listener. */
export const HTTP_PROXY_ROUTES = 'http_proxy';

/** Route configuration of a port at which redirected connections of HTTP come. */
export function portRoutes(port: number): string {
  return String(port);
}

/** Where connections end that may go nowhere, and where those go on that no service is there for. */
export const BLACK_HOLE_CLUSTER = 'BlackHoleCluster';
export const PASSTHROUGH_CLUSTER = 'PassthroughCluster';

/** For those that come to a port of the application that nobody wrote down. */
export function inboundPassthrough(family: 4 | 6): string {
  return `InboundPassthroughClusterIpv${family}`;
}

/** Secrets that the agent in each sidecar answers, and the cluster that stands for it. */
export const WORKLOAD_SECRET = 'default';
export const ROOT_SECRET = 'ROOTCA';
export const SDS_CLUSTER = 'sds-grpc';

/** The cluster of the span collector. */
export const ZIPKIN_CLUSTER = 'zipkin';
