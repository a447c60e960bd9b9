// Which cluster a TCP connection goes to: the one, or one drawn by weight; and which of its endpoints will do.
import type { MetadataMatch } from '../base/metadata-match.ts';
import { metadataMatchOf } from '../config/metadata-match.ts';
import type { TcpProxy as TcpConfig } from '../config/tcp-proxy.ts';

export interface TcpClusterChoice {
  readonly cluster: string;
  /** In clusters with subsets. */
  readonly metadataMatch: MetadataMatch | undefined;
}

/** `random` in [0, 1). */
export function compileTcpClusters(config: TcpConfig): (random: number) => TcpClusterChoice {
  const { cluster, weightedClusters } = config;
  const metadataMatch = metadataMatchOf(config.metadataMatch);
  if (cluster !== undefined) return single({ cluster, metadataMatch });
  const choices = (weightedClusters?.clusters ?? []).map(({ name, weight, metadataMatch: own }) => (
    { cluster: name, weight, metadataMatch: metadataMatchOf(own, metadataMatch) }));
  const total = choices.reduce((sum, { weight }) => sum + weight, 0);
  return (random) => {
    let left = random * total;
    for (const choice of choices) {
      left -= choice.weight;
      if (left < 0) return choice;
    }
    return choices.at(-1) ?? { cluster: '', metadataMatch };
  };
}

function single(choice: TcpClusterChoice): () => TcpClusterChoice {
  return () => choice;
}
