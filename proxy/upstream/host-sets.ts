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
  readonly all: UpstreamEndpoint[] = [];
  readonly healthy: UpstreamEndpoint[] = [];
  readonly degraded: UpstreamEndpoint[] = [];
  readonly byName = new Map<string, Locality>();

  get localities(): readonly Locality[] {
    return [...this.byName.values()];
  }
}

/** Priorities from 0; those without an endpoint are empty. */
export function hostSets(endpoints: Iterable<UpstreamEndpoint>): readonly PriorityEndpoints[] {
  const priorities: Priority[] = [];
  for (const endpoint of endpoints) {
    const { priority, locality, localityWeight } = endpoint.facts;
    while (priorities.length <= priority) priorities.push(new Priority());
    const level = priorities[priority]!;
    let place = level.byName.get(locality);
    if (place === undefined) level.byName.set(locality, place = new Locality(localityWeight));
    add(endpoint, level);
    add(endpoint, place);
  }
  return priorities;
}

function add(endpoint: UpstreamEndpoint, lists: HealthLists): void {
  lists.all.push(endpoint);
  if (endpoint.health === 'healthy') lists.healthy.push(endpoint);
  else if (endpoint.health === 'degraded') lists.degraded.push(endpoint);
}
