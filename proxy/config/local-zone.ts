// Where this proxy runs, and which cluster it is of: what zone-aware routing compares a cluster's localities with.
import type { Locality } from './node.ts';

export interface LocalZone {
  /** Undefined where the node has no locality: then nothing is near. */
  readonly locality: string | undefined;
  /** The cluster of the proxies that send as this one does (cluster_manager.local_cluster_name). */
  readonly cluster: string;
}

/** region/zone/sub-zone. */
export function localityName({ region = '', zone = '', subZone = '' }: Locality): string {
  return `${region}/${zone}/${subZone}`;
}
