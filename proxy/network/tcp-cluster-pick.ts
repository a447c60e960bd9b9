// Which cluster a TCP connection goes to: the one, or one drawn by weight.
import type { TcpProxy as TcpConfig } from '../config/tcp-proxy.ts';

/** `random` in [0, 1). */
export function compileTcpClusters(config: TcpConfig): (random: number) => string {
  const { cluster, weightedClusters } = config;
  if (cluster !== undefined) return () => cluster;
  const clusters = weightedClusters?.clusters ?? [];
  const total = clusters.reduce((sum, { weight }) => sum + weight, 0);
  return (random) => {
    let left = random * total;
    for (const { name, weight } of clusters) {
      left -= weight;
      if (left < 0) return name;
    }
    return clusters.at(-1)?.name ?? '';
  };
}
