// The resources that xDS carries, by type URL: what a response's Any is decoded with.
import { Cluster } from './cluster.ts';
import { ClusterLoadAssignment } from './endpoint.ts';
import { Listener } from './listener.ts';
import { NameTable } from './name-table.ts';
import { RouteConfiguration, VirtualHost } from './route.ts';
import type { MessageSchema } from './schema.ts';
import { Secret } from './tls.ts';
import {
  CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, NAME_TABLE_TYPE, ROUTE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE,
} from './type-url.ts';

/** Static type of each resource, by type URL. */
export interface ResourceByType {
  [LISTENER_TYPE]: Listener;
  [ROUTE_TYPE]: RouteConfiguration;
  [CLUSTER_TYPE]: Cluster;
  [ENDPOINT_TYPE]: ClusterLoadAssignment;
  [SECRET_TYPE]: Secret;
  [NAME_TABLE_TYPE]: NameTable;
  [VIRTUAL_HOST_TYPE]: VirtualHost;
}

export type ResourceType = keyof ResourceByType;

/** Schema of each resource, by type URL. */
export const RESOURCES: { readonly [T in ResourceType]: MessageSchema<string, ResourceByType[T]> } = {
  [LISTENER_TYPE]: Listener,
  [ROUTE_TYPE]: RouteConfiguration,
  [CLUSTER_TYPE]: Cluster,
  [ENDPOINT_TYPE]: ClusterLoadAssignment,
  [SECRET_TYPE]: Secret,
  [NAME_TABLE_TYPE]: NameTable,
  [VIRTUAL_HOST_TYPE]: VirtualHost,
};

/**
 * The name by which xDS knows a resource; '' of a name table, which does not say it. A listener without a name gets
 * none and must be given one by its owner.
 */
export function resourceName(type: ResourceType, resource: ResourceByType[ResourceType]): string {
  if (type === ENDPOINT_TYPE) return (resource as ClusterLoadAssignment).clusterName;
  if (type === NAME_TABLE_TYPE) return '';
  // What a virtual host is asked for by is its table and a domain, not its own name.
  if (type === VIRTUAL_HOST_TYPE) return '';
  return (resource as Listener | RouteConfiguration | Cluster | Secret).name ?? '';
}
