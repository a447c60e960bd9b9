// The bootstrap's own place: where this proxy runs, and the cluster of those that send as it does.
import type { Bootstrap } from '../config/bootstrap.ts';
import { localityName } from '../config/local-zone.ts';
import type { LocalZone } from '../config/local-zone.ts';

/** Undefined without a local cluster: then there is no zone-aware routing. */
export function localZoneOf({ clusterManager, node }: Bootstrap): LocalZone | undefined {
  const cluster = clusterManager?.localClusterName ?? '';
  if (cluster === '') return undefined;
  return { cluster, locality: node?.locality === undefined ? undefined : localityName(node.locality) };
}
