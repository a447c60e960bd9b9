// Cuts a batch of configuration into slices that a worker takes one at a time: what it takes at once, requests wait for
// (threats.md S85).
import type { Cluster } from '../config/cluster.ts';
import type { ClusterLoadAssignment } from '../config/endpoint.ts';
import { hostParts } from '../config/host-part.ts';
import type { HostPart } from '../config/host-part.ts';
import type { RouteConfiguration, VirtualHost } from '../config/route.ts';
import type { ConfigBatch, NamedResource, ResourceKind } from './messages.ts';

/** What a worker is sent at once: changes, or virtual hosts of a route table that follows. */
export type ConfigSlice =
  | { readonly kind: 'config'; readonly batch: ConfigBatch }
  | { readonly kind: 'virtual-hosts'; readonly route: string; readonly hosts: readonly HostPart[] };

/** Costs of one slice; one is some 10 us of a worker's time. A resource that costs more comes alone. */
export const SLICE_COST = 128;

const CLUSTER_COST = 4;
const HOST_COST = 2;
const REMOVAL_COST = 2;

/**
 * One slice at least; the removals come last, as in the batch. `inForce` is the worker's table of a name: of that, what
 * is the same object is kept.
 */
export function* slicesOf(
  batch: ConfigBatch, inForce?: (table: string) => RouteConfiguration | undefined,
): Generator<ConfigSlice, void, undefined> {
  const { kind, updated, removed } = batch;
  let waiting: NamedResource[] = [];
  let cost = 0;
  for (const resource of updated) {
    const next = costOf(kind, resource.resource);
    if (kind === 'route' && next > SLICE_COST) {
      const table = yield* hostsFirst(resource, inForce?.(resource.name));
      yield { kind: 'config', batch: { kind, updated: [table], removed: [] } };
      continue;
    }
    if (cost + next > SLICE_COST && waiting.length > 0) {
      yield { kind: 'config', batch: { kind, updated: waiting, removed: [] } };
      waiting = [];
      cost = 0;
    }
    waiting.push(resource);
    cost += next;
  }
  const removals = SLICE_COST / REMOVAL_COST;
  yield { kind: 'config', batch: { kind, updated: waiting, removed: removed.slice(0, removals) } };
  for (let i = removals; i < removed.length; i += removals) {
    yield { kind: 'config', batch: { kind, updated: [], removed: removed.slice(i, i + removals) } };
  }
}

/** Yields the virtual hosts of a large table, and returns what is left of it. */
function* hostsFirst(
  route: NamedResource, before: RouteConfiguration | undefined,
): Generator<ConfigSlice, NamedResource, undefined> {
  const { virtualHosts: _all, ...table } = route.resource as RouteConfiguration;
  let hosts: HostPart[] = [];
  let cost = 0;
  for (const host of hostParts(route.resource as RouteConfiguration, before)) {
    hosts.push(host);
    cost += 'from' in host ? HOST_COST : hostCost(host);
    if (cost < SLICE_COST) continue;
    yield { kind: 'virtual-hosts', route: route.name, hosts };
    hosts = [];
    cost = 0;
  }
  if (hosts.length > 0) yield { kind: 'virtual-hosts', route: route.name, hosts };
  return { ...route, resource: table };
}

function costOf(kind: ResourceKind, resource: unknown): number {
  switch (kind) {
    case 'cluster': return CLUSTER_COST + endpointsOf((resource as Cluster).loadAssignment);
    case 'endpoints': return 1 + endpointsOf(resource as ClusterLoadAssignment);
    case 'route': return ((resource as RouteConfiguration).virtualHosts ?? []).reduce((sum, v) => sum + hostCost(v), 0);
    // Contexts of handshakes, and filter chains; of few listeners none serves much before the others.
    case 'secret':
    case 'listener': return SLICE_COST / 32;
  }
}

function hostCost({ routes = [] }: VirtualHost): number {
  return HOST_COST + routes.length;
}

function endpointsOf(assignment: ClusterLoadAssignment | undefined): number {
  return (assignment?.endpoints ?? []).reduce((sum, { lbEndpoints = [] }) => sum + lbEndpoints.length, 0);
}
