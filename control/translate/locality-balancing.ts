// How near endpoints are to a caller: failover to the next locality, or shares by locality (localityLbSetting).
import type { LocalityLbSetting } from '../model/traffic-policy.ts';
import type { ServiceEndpoint } from '../registry/service.ts';
import type { PortPolicy } from './destination-policy.ts';
import type { Scope } from './mesh-view.ts';

/** Endpoints of one locality that a caller treats alike. */
export interface LocalityGroup {
  readonly locality: string;
  /** 0 is used first. */
  readonly priority: number;
  /** Share among the localities of a priority; undefined where localities have none. */
  readonly weight: number | undefined;
  readonly endpoints: readonly ServiceEndpoint[];
}

/** Failover needs ejection: without it nobody would know that a locality fails. It is on unless switched off. */
export function localityGroups(
  endpoints: readonly ServiceEndpoint[], policy: PortPolicy, scope: Scope,
): LocalityGroup[] {
  const setting = policy.loadBalancer?.localityLbSetting;
  if (setting?.enabled === false) return grouped(endpoints, () => 0);
  if (setting?.distribute !== undefined) return distributed(grouped(endpoints, () => 0), setting, scope.locality ?? '');
  if (policy.outlierDetection === undefined) return grouped(endpoints, () => 0);
  const { failoverPriority, failover } = setting ?? {};
  if (failoverPriority !== undefined) {
    return contiguous(grouped(endpoints, (endpoint) => labelPriority(endpoint, failoverPriority, scope)));
  }
  return contiguous(grouped(endpoints, (endpoint) => distance(endpoint, failover ?? [], scope.locality ?? '')));
}

function grouped(
  endpoints: readonly ServiceEndpoint[], priorityOf: (endpoint: ServiceEndpoint) => number,
): LocalityGroup[] {
  const groups = new Map<string, LocalityGroup & { readonly endpoints: ServiceEndpoint[] }>();
  for (const endpoint of endpoints) {
    const { locality } = endpoint.workload;
    const priority = priorityOf(endpoint);
    const key = `${priority} ${locality}`;
    const group = groups.get(key) ?? { locality, priority, weight: undefined, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(endpoint);
  }
  return [...groups.values()];
}

/** Envoy takes no gaps between priorities. */
function contiguous(groups: readonly LocalityGroup[]): LocalityGroup[] {
  const used = [...new Set(groups.map(({ priority }) => priority))].sort((a, b) => a - b);
  return groups.map((group) => ({ ...group, priority: used.indexOf(group.priority) }))
    .sort((a, b) => a.priority - b.priority);
}

/** 0 of one sub-zone, 1 of one zone, 2 of one region; other regions after those, but for the one to fail over to. */
function distance(
  { workload }: ServiceEndpoint, failover: readonly { from?: string; to?: string }[], own: string,
): number {
  const [region, zone, subZone] = parts(workload.locality);
  const [ownRegion, ownZone, ownSubZone] = parts(own);
  if (region !== ownRegion) {
    const next = failover.find(({ from }) => from === ownRegion);
    return next === undefined || next.to === region ? 3 : 4;
  }
  if (zone !== ownZone) return 2;
  return subZone === ownSubZone ? 0 : 1;
}

/** The first label in which the endpoint differs from the caller (or from the value that is written) decides. */
function labelPriority({ workload }: ServiceEndpoint, labels: readonly string[], scope: Scope): number {
  const theirs = withTopology(workload.labels, workload.locality);
  const own = withTopology(scope.labels, scope.locality ?? '');
  const at = labels.findIndex((label) => {
    const [key = '', ...value] = label.split('=');
    const wanted = value.length > 0 ? value.join('=') : own.get(key);
    return theirs.get(key) !== wanted;
  });
  return at < 0 ? 0 : labels.length - at;
}

/** A locality counts as Kubernetes' and Istio's labels for it. */
function withTopology(labels: ReadonlyMap<string, string>, locality: string): ReadonlyMap<string, string> {
  const [region, zone, subZone] = parts(locality);
  return new Map([
    ['topology.kubernetes.io/region', region], ['topology.kubernetes.io/zone', zone],
    ['topology.istio.io/subzone', subZone], ...labels,
  ]);
}

/** By the first rule for the caller's locality: what it does not name gets nothing. Without one, by the endpoints. */
function distributed(
  groups: readonly LocalityGroup[], { distribute = [] }: LocalityLbSetting, own: string,
): LocalityGroup[] {
  const rule = distribute.find(({ from }) => localityMatches(from, own));
  if (rule === undefined) return groups.map((group) => ({ ...group, weight: weightOf(group) }));
  const rest = new Set(groups);
  const found: LocalityGroup[] = [];
  for (const [pattern, share] of Object.entries(rule.to)) {
    const matched = [...rest].filter(({ locality }) => localityMatches(pattern, locality));
    const total = matched.reduce((sum, group) => sum + weightOf(group), 0);
    for (const group of matched) {
      rest.delete(group);
      if (share > 0) found.push({ ...group, weight: Math.ceil((weightOf(group) * share) / total) });
    }
  }
  return found;
}

function weightOf({ endpoints }: LocalityGroup): number {
  return endpoints.reduce((sum, { workload }) => sum + Math.max(1, workload.weight), 0);
}

/** `*`, `region`, `region/*`, `region/zone/*`, `region/zone/subzone`: what is left out is any. */
export function localityMatches(pattern: string, locality: string): boolean {
  const have = parts(locality);
  return parts(pattern).every((part, at) => part === '*' || (part === '' && at > 0) || part === have[at]);
}

function parts(locality: string): [region: string, zone: string, subZone: string] {
  const [region = '', zone = '', subZone = ''] = locality.split('/');
  return [region, zone, subZone];
}
