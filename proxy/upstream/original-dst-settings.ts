// A cluster's original_dst_lb_config with its defaults filled in.
import { LIMITS } from '../config/limits.ts';
import type { Cluster as ClusterConfig } from '../config/cluster.ts';
import { msOr } from '../config/duration.ts';

export interface OriginalDstSettings {
  /** The request header that names the address, in lower case; undefined: none does. */
  readonly header: string | undefined;
  /** Replaces the port, whoever named it. */
  readonly port: number | undefined;
  /** An endpoint that nobody asked for so long is forgotten. */
  readonly cleanupMs: number;
}

/** Undefined for clusters of other types. */
export function originalDstSettings(config: ClusterConfig): OriginalDstSettings | undefined {
  if (config.type !== 'ORIGINAL_DST') return undefined;
  const { useHttpHeader = false, httpHeaderName = '', upstreamPortOverride } = config.originalDstLbConfig ?? {};
  return {
    header: useHttpHeader ? httpHeaderName.toLowerCase() || 'x-envoy-original-dst-host' : undefined,
    port: upstreamPortOverride,
    cleanupMs: msOr(config.cleanupInterval, LIMITS.originalDstCleanupMs),
  };
}
