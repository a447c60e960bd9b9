// Which cluster a forwarded request goes to: the one named, one of several by weight, or the one that a header names.
import { ConfigError } from '../base/error.ts';
import type { ClusterWeight, RouteAction } from '../config/route-action.ts';
import type { RequestHead } from '../http/message.ts';
import { compileRequestHeaders, compileResponseHeaders } from './header-operations.ts';
import { readHeader } from './header-reader.ts';
import type { ClusterChoice } from './route-entry.ts';

/** Undefined when a header should name the cluster and doesn't. `random` in [0, 1) draws among weights. */
export type ClusterPick = (request: RequestHead, random: number) => ClusterChoice | undefined;

const WEIGHTS_SUM_MAX = 4_294_967_295;

/** Compiles the choice and collects the names that configuration itself mentions. Throws ConfigError below `path`. */
export function compileClusterPick(action: RouteAction, path: string, names: Set<string>): ClusterPick {
  const { cluster, weightedClusters, clusterHeader } = action;
  if (cluster !== undefined) return single(cluster, names);
  if (weightedClusters !== undefined) return weighted(weightedClusters.clusters, `${path}.weightedClusters`, names);
  if (clusterHeader !== undefined) return fromHeader(clusterHeader.toLowerCase());
  throw new ConfigError(path, 'needs one of cluster, weightedClusters and clusterHeader');
}

function single(cluster: string, names: Set<string>): ClusterPick {
  names.add(cluster);
  const choice = { cluster, requestHeaders: undefined, responseHeaders: undefined };
  return () => choice;
}

function fromHeader(name: string): ClusterPick {
  return (request) => {
    const cluster = readHeader(request, name);
    if (cluster === undefined || cluster === '') return undefined;
    return { cluster, requestHeaders: undefined, responseHeaders: undefined };
  };
}

function weighted(clusters: readonly ClusterWeight[], path: string, names: Set<string>): ClusterPick {
  const choices: ClusterChoice[] = [];
  const ends: number[] = [];
  let sum = 0;
  clusters.forEach((cluster, i) => {
    names.add(cluster.name);
    const weight = cluster.weight ?? 0;
    const choice = compileChoice(cluster, `${path}.clusters[${i}]`);
    if (weight === 0) return;
    sum += weight;
    choices.push(choice);
    ends.push(sum);
  });
  if (sum === 0 || sum > WEIGHTS_SUM_MAX) {
    throw new ConfigError(`${path}.clusters`, `weights sum to ${sum}, which must be from 1 to ${WEIGHTS_SUM_MAX}`);
  }
  if (choices.length === 1) return () => choices[0];
  return (_request, random) => choices[indexOf(ends, random * sum)];
}

/** The first end above `point`: ends rise, and lists are short. */
function indexOf(ends: readonly number[], point: number): number {
  let i = 0;
  while (i < ends.length - 1 && point >= ends[i]!) i++;
  return i;
}

function compileChoice(cluster: ClusterWeight, path: string): ClusterChoice {
  return {
    cluster: cluster.name,
    requestHeaders: compileRequestHeaders(cluster, path),
    responseHeaders: compileResponseHeaders(cluster, path),
  };
}
