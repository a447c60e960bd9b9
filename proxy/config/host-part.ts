// Virtual hosts of a route table as a worker gets them: new ones, and those that its table before has already.
import { isDeepStrictEqual } from 'node:util';
import type { RouteConfiguration, VirtualHost } from './route.ts';

/** So many virtual hosts of the table before, from this number on. */
export interface KeptHosts {
  readonly from: number;
  readonly count: number;
}

export type HostPart = VirtualHost | KeptHosts;

/** The virtual hosts of `table`, in order. What is the same object in `before` is kept, if nothing else has changed. */
export function hostParts(table: RouteConfiguration, before: RouteConfiguration | undefined): readonly HostPart[] {
  const { virtualHosts: hosts = [], ...rest } = table;
  const { virtualHosts: known = [], ...restBefore } = before ?? {};
  if (known.length === 0 || !isDeepStrictEqual(rest, restBefore)) return hosts;
  const places = new Map(known.map((host, at) => [host, at]));
  const parts: (VirtualHost | { from: number; count: number })[] = [];
  for (const [at, host] of hosts.entries()) {
    const from = places.get(host);
    const last = parts.at(-1);
    if (from === undefined || (from !== at && hasFilterConfigs(host))) parts.push(host);
    else if (last !== undefined && 'from' in last && last.from + last.count === from) last.count++;
    else parts.push({ from, count: 1 });
  }
  return parts;
}

/** Of filters, which may know their state by the host's number. */
function hasFilterConfigs({ typedPerFilterConfig, routes = [] }: VirtualHost): boolean {
  return typedPerFilterConfig !== undefined || routes.some(({ typedPerFilterConfig: own, route }) => (
    own !== undefined
    || route?.weightedClusters?.clusters.some((cluster) => cluster.typedPerFilterConfig !== undefined) === true));
}
