// Header changes of a request's levels (chosen cluster, route, virtual host, table)
// in the order that the table asks for.
import type { Headers } from '../http/headers.ts';
import type { HeaderOperations } from '../route/route-entry.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';

/**
 * By default the cluster's own come first and the table's last, so that the table wins; `mostSpecificWins` turns it
 * round (RouteConfiguration.most_specific_header_mutations_wins).
 */
export function applyLevels(
  levels: readonly HeaderOperations[],
  cluster: HeaderOperations | undefined,
  mostSpecificWins: boolean,
  headers: Headers,
  info: StreamInfo,
): void {
  if (!mostSpecificWins) cluster?.apply(headers, info);
  for (const level of levels) level.apply(headers, info);
  if (mostSpecificWins) cluster?.apply(headers, info);
}
