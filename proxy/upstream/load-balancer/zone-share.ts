// What of a proxy's requests stays in its zone: the zone's share of the endpoints over its share of the proxies.
import type { Endpoint } from '../upstream.ts';
import type { LocalityEndpoints, PriorityEndpoints } from './locality.ts';
import type { ZoneSettings } from './zone-settings.ts';

/** Shares are counted in these, as in Envoy. */
export const WHOLE = 10_000;

/** `own` is the place of the proxy's own locality among the cluster's, or -1. */
export type ZonePlan =
  /** Everything stays. */
  | { readonly kind: 'near'; readonly own: number }
  /** So much of `WHOLE` stays; the rest goes where there is more to offer than to serve, by running sums. */
  | { readonly kind: 'spill'; readonly own: number; readonly nearShare: number; readonly sums: readonly number[] };

/** Undefined where zones don't count; `refused` hears why. */
export function zonePlan(
  upstream: PriorityEndpoints, local: PriorityEndpoints, ownLocality: string | undefined, settings: ZoneSettings,
  refused: (why: 'no-local-endpoint' | 'too-small') => void,
): ZonePlan | undefined {
  const { nearMin, minClusterSize } = settings;
  if (upstream.localities.length < 2) return undefined;
  if (local.localities.length < 2 && nearMin === undefined) return undefined;
  if (!local.localities.some(({ name }) => name === ownLocality)) {
    refused('no-local-endpoint');
    return undefined;
  }
  if (upstream.healthy.length < minClusterSize) {
    refused('too-small');
    return undefined;
  }
  return planOf(upstream.localities, local.localities, ownLocality, settings);
}

function planOf(
  upstream: readonly LocalityEndpoints[], local: readonly LocalityEndpoints[], ownLocality: string | undefined,
  { nearMin, byWeight }: ZoneSettings,
): ZonePlan {
  const offered = sharesOf(upstream, byWeight);
  const localShares = sharesOf(local, byWeight);
  const served = upstream.map(({ name, healthy }) => (
    healthy.length === 0 ? 0 : (localShares[local.findIndex((locality) => locality.name === name)] ?? 0)));
  const own = upstream.findIndex(({ name }) => name === ownLocality);
  const [ownOffered, ownServed] = [offered[own] ?? 0, served[own] ?? 0];
  const covers = ownOffered > 0 && ownOffered >= ownServed;
  const enough = nearMin !== undefined && own !== -1 && upstream[own]!.healthy.length >= nearMin;
  if (covers || enough) return { kind: 'near', own };
  const sums: number[] = [];
  let sum = 0;
  offered.forEach((share, i) => sums.push(sum += i === own ? 0 : Math.max(0, share - served[i]!)));
  return { kind: 'spill', own, nearShare: ownServed === 0 ? 0 : Math.floor((ownOffered * WHOLE) / ownServed), sums };
}

/** Each locality's share of the healthy endpoints, in whole parts of `WHOLE`. */
function sharesOf(localities: readonly LocalityEndpoints[], byWeight: boolean): number[] {
  const sizes = localities.map(({ healthy }) => (byWeight ? weightOf(healthy) : healthy.length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return sizes.map((size) => (total === 0 ? 0 : Math.floor((WHOLE * size) / total)));
}

function weightOf(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, { weight }) => sum + weight, 0);
}
