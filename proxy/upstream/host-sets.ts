// The endpoints of a cluster by priority, health and locality: what its picker is built from.
import type { UpstreamEndpoint } from './endpoint.ts';
import type { LocalityEndpoints } from './load-balancer/locality.ts';
import type { PriorityEndpoints } from './load-balancer/picker.ts';

interface HealthLists {
  readonly all: UpstreamEndpoint[];
  readonly healthy: UpstreamEndpoint[];
  readonly degraded: UpstreamEndpoint[];
}

class Locality implements LocalityEndpoints, HealthLists {
  readonly weight: number;
  readonly all: UpstreamEndpoint[] = [];
  readonly healthy: UpstreamEndpoint[] = [];
  readonly degraded: UpstreamEndpoint[] = [];

  constructor(weight: number) {
    this.weight = weight;
  }
}

class Priority implements PriorityEndpoints, HealthLists {
  excluded = 0;
  readonly all: UpstreamEndpoint[] = [];
  readonly healthy: UpstreamEndpoint[] = [];
  readonly degraded: UpstreamEndpoint[] = [];
  readonly byName = new Map<string, Locality>();

  get localities(): readonly Locality[] {
    return [...this.byName.values()];
  }
}

/** Those of a cluster, or of a subset of it. */
export type HostSets = readonly Priority[];

/** Priorities from 0; those without an endpoint are empty. */
export function hostSets(endpoints: Iterable<UpstreamEndpoint>): HostSets {
  const priorities: Priority[] = [];
  for (const endpoint of endpoints) {
    const { priority, locality, localityWeight } = endpoint.facts;
    while (priorities.length <= priority) priorities.push(new Priority());
    const level = priorities[priority]!;
    let place = level.byName.get(locality);
    if (place === undefined) level.byName.set(locality, place = new Locality(localityWeight));
    add(endpoint, level);
    if (endpoint.excluded) level.excluded++;
    add(endpoint, place);
  }
  return priorities;
}

/** The same lists of some of the endpoints. Where localities have no weight in a subset they don't count. */
export function subsetLevels(
  endpoints: readonly UpstreamEndpoint[], whole: HostSets, weights: 'none' | 'whole' | 'scaled',
): readonly PriorityEndpoints[] {
  const levels = hostSets(endpoints);
  return levels.map(({ all, healthy, degraded, byName }, i) => ({
    all, healthy, degraded,
    localities: weights === 'none' ? [] : [...byName].map(([name, part]) => (
      weights === 'whole' ? part : scaled(part, whole[i]!.byName.get(name)!))),
  }));
}

/** Envoy's: in whole numbers, so that a locality of which little is in a subset may have no weight left. */
function scaled(part: Locality, whole: Locality): LocalityEndpoints {
  const { weight, all, healthy, degraded } = part;
  return { weight: Math.round((weight * all.length) / whole.all.length), all, healthy, degraded };
}

function add(endpoint: UpstreamEndpoint, lists: HealthLists): void {
  lists.all.push(endpoint);
  if (endpoint.health === 'healthy') lists.healthy.push(endpoint);
  else if (endpoint.health === 'degraded') lists.degraded.push(endpoint);
}
