// Balancing by hash: the cluster's ring or table, and what of a request routes hash.
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { RouteAction } from '../../proxy/config/route-action.ts';
import type { Destination } from '../model/destination.ts';
import type { Inventory } from '../model/inventory.ts';
import type { ConsistentHash, TrafficPolicy } from '../model/traffic-policy.ts';
import { policyTowards } from './destination-policy.ts';
import type { MeshView, Scope } from './mesh-view.ts';

/** Istio's; Envoy's own is the same. */
const RING_SIZE = 1024;

export function hashBalancing({ ringHash, maglev }: ConsistentHash): Pick<Cluster, 'lbPolicy'> {
  const { tableSize } = maglev ?? {};
  const policy: object = maglev === undefined
    ? { lbPolicy: 'RING_HASH', ringHashLbConfig: { minimumRingSize: ringHash?.minimumRingSize ?? RING_SIZE } }
    : { lbPolicy: 'MAGLEV', ...(tableSize !== undefined && { maglevLbConfig: { tableSize } }) };
  return policy;
}

/** What a route hashes for its destinations, one entry for each that asks for it; `port` is the one that was called. */
export function hashPolicies(
  view: MeshView, scope: Scope, namespace: string, port: number, destinations: readonly Destination[],
): object[] {
  if (!view.inventory.derived(usesHash)) return [];
  return destinations.flatMap((destination) => {
    const hash = policyTowards(view, scope, namespace, port, destination).loadBalancer?.consistentHash;
    return hash === undefined ? [] : [hashPolicy(hash)];
  });
}

/** Whether any rule balances by hash: where none does, routes need not ask. */
function usesHash(inventory: Inventory): boolean {
  const hashes = (policy: TrafficPolicy | undefined): boolean =>
    [policy, ...policy?.portLevelSettings ?? []].some((level) => level?.loadBalancer?.consistentHash !== undefined);
  return inventory.list('DestinationRule').some(({ body: { spec: { trafficPolicy, subsets = [] } } }) =>
    hashes(trafficPolicy) || subsets.some((subset) => hashes(subset.trafficPolicy)));
}

export function hashPolicy(hash: ConsistentHash): object {
  const { httpHeaderName, httpCookie, httpQueryParameterName } = hash;
  if (httpHeaderName !== undefined) return { header: { headerName: httpHeaderName } };
  if (httpCookie !== undefined) return { cookie: httpCookie };
  if (httpQueryParameterName !== undefined) return { queryParameter: { name: httpQueryParameterName } };
  return { connectionProperties: { sourceIp: true } };
}

/** Fields of a route's action. */
export function hashing(policies: readonly object[]): Partial<RouteAction> {
  const fields: object = policies.length === 0 ? {} : { hashPolicy: policies };
  return fields;
}
