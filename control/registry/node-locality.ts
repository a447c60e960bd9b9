// Where a workload is: region, zone and subzone of its node's labels, unless its own label says otherwise.
import type { Inventory } from '../model/inventory.ts';
import type { Labels } from './workload.ts';

/** Kubernetes' labels, each with the name that it had before. */
const REGION = ['topology.kubernetes.io/region', 'failure-domain.beta.kubernetes.io/region'];
const ZONE = ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'];
const SUBZONE = ['topology.istio.io/subzone'];
/** Istio's, on a pod: `region.zone.subzone`. */
const LOCALITY_LABEL = 'istio-locality';

/** `region/zone/subzone` as far as it is known, '' where it is not. */
export function localityOf(inventory: Inventory, nodeName: string | undefined, labels: Labels): string {
  const own = labels.get(LOCALITY_LABEL);
  if (own !== undefined && own !== '') return own.includes('/') ? own : own.replaceAll('.', '/');
  return nodeName === undefined ? '' : inventory.derived(localities).get(nodeName) ?? '';
}

function localities(inventory: Inventory): Map<string, string> {
  return new Map(inventory.list('Node').map(({ name, labels }) => {
    const first = (names: readonly string[]): string => names.map((key) => labels.get(key)).find((it) => it) ?? '';
    const [region, zone, subzone] = [first(REGION), first(ZONE), first(SUBZONE)];
    // Without a region the rest has no place to be in.
    const parts = region === '' ? [] : [region, zone, subzone];
    return [name, parts.join('/').replace(/\/+$/, '')];
  }));
}
