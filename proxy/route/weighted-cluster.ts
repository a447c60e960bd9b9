// Which cluster a forwarded request goes to: the one named, one of several by weight, or the one that a header names.
import { ConfigError } from '../base/error.ts';
import type { MetadataMatch } from '../base/metadata-match.ts';
import { metadataMatchOf } from '../config/metadata-match.ts';
import type { ClusterWeight, RouteAction, WeightedCluster } from '../config/route-action.ts';
import type { RequestHead } from '../http/message.ts';
import { compileFilterConfigs, NO_FILTER_CONFIGS } from './filter-config.ts';
import type { FilterConfigCompiler, FilterConfigs } from './filter-config.ts';
import { compileRequestHeaders, compileResponseHeaders } from './header-operations.ts';
import { readHeader } from './header-reader.ts';
import { literalAuthority } from './host-rewrite.ts';
import type { ClusterChoice } from './route-entry.ts';

/** Undefined when a header should name the cluster and doesn't. `random` in [0, 1) draws among weights. */
export type ClusterPick = (request: RequestHead, random: number) => ClusterChoice | undefined;

const WEIGHTS_SUM_MAX = 4_294_967_295;
const UINT64_MAX = '18446744073709551615';
const NO_CHANGES = { requestHeaders: undefined, responseHeaders: undefined };

/** The filter configurations around weighted clusters. */
export interface OuterFilters {
  readonly filterConfigs: FilterConfigs;
  readonly compileFilterConfig: FilterConfigCompiler;
}

/** What a route's weighted clusters have around them. */
interface Outer extends Partial<OuterFilters> {
  readonly match: MetadataMatch | undefined;
}

/** Compiles the choice and collects the names that configuration itself mentions. Throws ConfigError below `path`. */
export function compileClusterPick(
  action: RouteAction, path: string, names: Set<string>, filters?: Partial<OuterFilters>,
): ClusterPick {
  const { cluster, weightedClusters, clusterHeader } = action;
  const match = metadataMatchOf(action.metadataMatch);
  const only = { ...NO_CHANGES, metadataMatch: match };
  if (cluster !== undefined) return single(cluster, only, names);
  if (weightedClusters !== undefined) {
    return weighted(weightedClusters, `${path}.weightedClusters`, names, { ...filters, match });
  }
  if (clusterHeader !== undefined) return fromHeader(clusterHeader.toLowerCase(), only);
  throw new ConfigError(path, 'needs one of cluster, weightedClusters and clusterHeader');
}

function single(cluster: string, rest: Omit<ClusterChoice, 'cluster'>, names: Set<string>): ClusterPick {
  names.add(cluster);
  const choice = { cluster, ...rest };
  return () => choice;
}

/** With what a weighted cluster adds to it. */
function fromHeader(name: string, rest: Omit<ClusterChoice, 'cluster'>): ClusterPick {
  return (request) => {
    const cluster = readHeader(request, name);
    return cluster === undefined || cluster === '' ? undefined : { cluster, ...rest };
  };
}

function weighted(
  { clusters, headerName }: WeightedCluster, path: string, names: Set<string>, outer: Outer,
): ClusterPick {
  const picks: ClusterPick[] = [];
  const ends: number[] = [];
  let sum = 0;
  clusters.forEach((cluster, i) => {
    if (cluster.name !== undefined) names.add(cluster.name);
    const weight = cluster.weight ?? 0;
    const pick = compileWeight(cluster, `${path}.clusters[${i}]`, outer);
    if (weight === 0) return;
    sum += weight;
    picks.push(pick);
    ends.push(sum);
  });
  if (sum === 0 || sum > WEIGHTS_SUM_MAX) {
    throw new ConfigError(`${path}.clusters`, `weights sum to ${sum}, which must be from 1 to ${WEIGHTS_SUM_MAX}`);
  }
  if (picks.length === 1) return picks[0]!;
  const header = headerName === undefined || headerName === '' ? undefined : headerName.toLowerCase();
  return (request, random) => {
    const named = header === undefined ? undefined : remainder(readHeader(request, header), sum);
    return picks[indexOf(ends, named ?? random * sum)]!(request, random);
  };
}

/** The first end above `point`: ends rise, and lists are short. */
function indexOf(ends: readonly number[], point: number): number {
  let i = 0;
  while (i < ends.length - 1 && point >= ends[i]!) i++;
  return i;
}

/** A decimal number of 64 bits modulo `sum`, digit by digit as doubles are too small; undefined for other texts. */
function remainder(text: string | undefined, sum: number): number | undefined {
  if (text === undefined || text === '' || text.length > UINT64_MAX.length) return undefined;
  if (text.length === UINT64_MAX.length && text > UINT64_MAX) return undefined;
  let rest = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    rest = (rest * 10 + digit) % sum;
  }
  return rest;
}

function compileWeight(cluster: ClusterWeight, path: string, outer: Outer): ClusterPick {
  const rest = {
    requestHeaders: compileRequestHeaders(cluster, path),
    responseHeaders: compileResponseHeaders(cluster, path),
    authority: compileAuthority(cluster.hostRewriteLiteral, path),
    metadataMatch: metadataMatchOf(cluster.metadataMatch, outer.match),
    perFilterConfig: compileOwnFilters(cluster, outer, path),
  };
  if (cluster.name === undefined) return fromHeader((cluster.clusterHeader ?? '').toLowerCase(), rest);
  const choice = { cluster: cluster.name, ...rest };
  return () => choice;
}

function compileAuthority(literal: string | undefined, path: string): string | undefined {
  return literal === undefined || literal === '' ? undefined : literalAuthority(literal, `${path}.hostRewriteLiteral`);
}

function compileOwnFilters(
  { typedPerFilterConfig: own }: ClusterWeight, filters: Outer, path: string,
): FilterConfigs | undefined {
  const { filterConfigs = NO_FILTER_CONFIGS, compileFilterConfig } = filters;
  if (own === undefined || compileFilterConfig === undefined) return undefined;
  return compileFilterConfigs(own, filterConfigs, compileFilterConfig, `${path}.typedPerFilterConfig`);
}
