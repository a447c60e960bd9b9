// The endpoints of a cluster by priority, health and locality: what its picker is built from.
import type { UpstreamEndpoint } from './endpoint.ts';
import type { LocalityEndpoints, PriorityEndpoints } from './load-balancer/locality.ts';

interface HealthLists {
  readonly all: UpstreamEndpoint[];
  readonly healthy: UpstreamEndpoint[];
  readonly degraded: UpstreamEndpoint[];
}

class Locality implements LocalityEndpoints, HealthLists {
  readonly name: string;
  readonly weight: number;
  readonly all: UpstreamEndpoint[] = [];
  readonly healthy: UpstreamEndpoint[] = [];
  readonly degraded: UpstreamEndpoint[] = [];

  constructor(name: string, weight: number) {
    this.name = name;
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
    if (place === undefined) level.byName.set(locality, place = new Locality(locality, localityWeight));
    add(endpoint, level);
    if (endpoint.excluded) level.excluded++;
    add(endpoint, place);
  }
  return priorities;
}

/** The same lists of some of the endpoints. Localities without a weight don't count by it. */
export function subsetLevels(
  endpoints: readonly UpstreamEndpoint[], whole: HostSets, weights: 'none' | 'whole' | 'scaled',
): readonly PriorityEndpoints[] {
  const levels: readonly PriorityEndpoints[] = hostSets(endpoints);
  if (weights === 'whole') return levels;
  return levels.map(({ all, healthy, degraded, localities }, i) => ({
    all, healthy, degraded,
    localities: localities.map((part) => (
      weighing(part, weights === 'none' ? 0 : scaledWeight(part, whole[i]!.byName.get(part.name)!)))),
  }));
}

function weighing({ name, all, healthy, degraded }: LocalityEndpoints, weight: number): LocalityEndpoints {
  return { name, weight, all, healthy, degraded };
}

/** Envoy's: in whole numbers, so that a locality of which little is in a subset may have no weight left. */
function scaledWeight(part: LocalityEndpoints, whole: Locality): number {
  return Math.round((part.weight * part.all.length) / whole.all.length);
}

function add(endpoint: UpstreamEndpoint, lists: HealthLists): void {
  lists.all.push(endpoint);
  if (endpoint.health === 'healthy') lists.healthy.push(endpoint);
  else if (endpoint.health === 'degraded') lists.degraded.push(endpoint);
}
