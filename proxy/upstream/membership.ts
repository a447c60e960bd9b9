// Who belongs to a cluster: the figures that tell it, and the one endpoint of a logical cluster, which moves.
import type { ClusterStats } from '../telemetry/cluster-stats.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import type { Assignment } from './load-assignment.ts';
import type { PriorityEndpoints } from './load-balancer/locality.ts';
import type { TransportSockets } from './transport-sockets.ts';

export function tellMembership(levels: readonly PriorityEndpoints[], { gauges }: ClusterStats): void {
  const sum = (of: (level: PriorityEndpoints) => number): number => (
    levels.reduce((total, level) => total + of(level), 0)
  );
  gauges.membershipTotal.set(sum(({ all }) => all.length));
  gauges.membershipHealthy.set(sum(({ healthy }) => healthy.length));
  gauges.membershipDegraded.set(sum(({ degraded }) => degraded.length));
  gauges.membershipExcluded.set(sum(({ excluded = 0 }) => excluded));
}

/** LOGICAL_DNS: the one endpoint keeps what is known about it, under its new address. */
export function moveOnly(
  known: Map<string, UpstreamEndpoint>, { endpoints }: Assignment, transports: TransportSockets,
): void {
  const [[address, endpoint] = []] = known;
  const [facts] = endpoints;
  if (endpoint === undefined || facts === undefined || facts.address === address) return;
  known.delete(address!);
  known.set(facts.address, endpoint);
  endpoint.move(facts, transports.for(facts.transportMatch));
}
