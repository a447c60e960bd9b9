// The endpoints that a service's EndpointSlices name: which of them take traffic now, and each pod once.
import { isIP } from 'node:net';
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';

/** Says whose slice it is. */
export const SERVICE_LABEL = 'kubernetes.io/service-name';

type Slice = MeshObject<'EndpointSlice'>;
type SliceEndpoint = NonNullable<Slice['body']['endpoints']>[number];

/** One endpoint with the ports of its slice. */
export interface SlicedEndpoint {
  readonly endpoint: SliceEndpoint;
  readonly slice: Slice;
}

/** A service's slices; undefined where it has none. */
export function slicesOf(
  inventory: Inventory, { namespace, name }: MeshObject<'Service'>,
): readonly Slice[] | undefined {
  return inventory.derived(slicesByService).get(`${namespace}/${name}`);
}

function slicesByService(inventory: Inventory): Map<string, Slice[]> {
  const slices = new Map<string, Slice[]>();
  for (const slice of inventory.list('EndpointSlice')) {
    const service = slice.labels.get(SERVICE_LABEL);
    if (service === undefined) continue;
    const key = `${slice.namespace}/${service}`;
    const known = slices.get(key);
    if (known === undefined) slices.set(key, [slice]);
    else known.push(slice);
  }
  return slices;
}

/**
 * Those that are ready. Where none is, those that still serve while they end, as in kube-proxy: the last pod of a
 * service answers until its successor is there. All, where the service publishes what is not ready.
 */
export function servingEndpoints(service: MeshObject<'Service'>, slices: readonly Slice[]): SlicedEndpoint[] {
  const all = slices.flatMap((slice) => (slice.body.endpoints ?? []).map((endpoint) => ({ endpoint, slice })));
  if (service.body.spec.publishNotReadyAddresses === true) return oneFamily(service, all);
  const ready = all.filter(({ endpoint: { conditions } }) => conditions?.ready !== false);
  const ending = all.filter(({ endpoint: { conditions } }) =>
    conditions?.terminating === true && conditions.serving !== false);
  return oneFamily(service, ready.length > 0 ? ready : ending);
}

/** A pod with addresses of both families is in a slice of each: it counts once, by the service's own family. */
function oneFamily(service: MeshObject<'Service'>, endpoints: readonly SlicedEndpoint[]): SlicedEndpoint[] {
  const { ipFamilies, clusterIPs = [] } = service.body.spec;
  const family = ipFamilies?.[0] ?? (isIP(clusterIPs[0] ?? '') === 6 ? 'IPv6' : 'IPv4');
  const preferred = new Set(endpoints.filter(({ slice }) => slice.body.addressType === family).flatMap(podOf));
  return endpoints.filter((sliced) =>
    sliced.slice.body.addressType === family || podOf(sliced).every((pod) => !preferred.has(pod)));
}

function podOf({ endpoint: { targetRef }, slice }: SlicedEndpoint): string[] {
  if (targetRef?.name === undefined) return [];
  return [`${targetRef.kind ?? 'Pod'} ${targetRef.namespace ?? slice.namespace}/${targetRef.name}`];
}
