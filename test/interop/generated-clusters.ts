// The clusters that generated routes go to, the headers that choose them, and how long their answers take.

/** Clusters that answer. */
export const LIVE_CLUSTERS = ['c1', 'c2', 'c3'] as const;
/** Beside them, one that refuses connections and one without endpoints. */
export const CLUSTERS = [...LIVE_CLUSTERS, ...LIVE_CLUSTERS, ...LIVE_CLUSTERS, 'refusing', 'empty', 'named', 'named'];
export const CLUSTER_HEADER = 'x-cluster';
export const HOST_HEADER = 'x-host';
export const MIRROR_HEADER = 'x-mirror';
/** Of c1 and c2, each with a name of its own, chosen by this header's hash. */
export const NAMED_CLUSTER = 'named';
export const HASH_HEADER = 'x-h';
/** Clusters that get copies of requests, and nothing else. */
export const SHADOW_CLUSTERS = ['shadow-1', 'shadow-2'] as const;
export const UPSTREAMS: readonly string[] = [...LIVE_CLUSTERS, ...SHADOW_CLUSTERS];
/** Longer than any answer without a delay takes, even on a busy machine; and a delay that is longer still. */
export const TIMEOUT = '1s';
export const DELAY_MS = 2500;
