// Where a VirtualService's tcp and tls rules send the connections to a port that is not HTTP.
import type { TcpProxy } from '../../proxy/config/tcp-proxy.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { WeightedDestination } from '../model/tcp-route.ts';
import { hostMatches } from '../registry/hostname.ts';
import { destinationCluster, type RuleContext } from './http-route.ts';
import { policyTowards, type PortPolicy } from './destination-policy.ts';
import type { MeshView } from './mesh-view.ts';
import { holds, type TableScope } from './rule-scope.ts';

export type ConnectionTarget = Pick<TcpProxy, 'cluster' | 'weightedClusters'>;

/** A connection's destinations, and the policy towards the first of them, which is the connection's (as in Istio). */
export interface ConnectionWay {
  readonly target: ConnectionTarget;
  readonly policy: PortPolicy;
}

/**
 * The first rule that holds, undefined without one. Rules for TLS are tried on ports that carry TLS, where the name
 * by which the connection was asked for is what its SNI will say.
 */
export function connectionWay(
  view: MeshView, object: MeshObject<'VirtualService'>, host: string, isTls: boolean, table: TableScope,
): ConnectionWay | undefined {
  const { tls = [], tcp = [] } = object.body.spec;
  const bySni = isTls ? tls.find(({ match }) => match.some((one) =>
    one.sniHosts.some((name) => hostMatches(name, host)) && holds(one, object, table))) : undefined;
  const found = bySni ?? tcp.find(({ match = [] }) =>
    match.length === 0 || match.some((one) => holds(one, object, table)));
  const [first] = found?.route ?? [];
  if (found === undefined || first === undefined) return undefined;
  const { scope, port } = table;
  return {
    target: target(found.route, { view, scope, object, ruleIndex: 0, port }),
    policy: policyTowards(view, scope, object.namespace, port, first.destination),
  };
}

/** One cluster, or several by weight. */
export function target(route: readonly WeightedDestination[], context: RuleContext): ConnectionTarget {
  const [only] = route;
  if (route.length === 1 && only !== undefined) return { cluster: destinationCluster(only.destination, context) };
  const clusters = route.filter(({ weight = 0 }) => weight > 0)
    .map(({ destination, weight = 0 }) => ({ name: destinationCluster(destination, context), weight }));
  return { weightedClusters: { clusters } };
}
