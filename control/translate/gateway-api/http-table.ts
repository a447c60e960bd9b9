// Route tables of a Gateway's listeners of HTTP: hosts to the routes that are attached there, in their precedence.
import type { Route, RouteConfiguration, VirtualHost } from '../../../proxy/config/route.ts';
import { attachments, routesAt, type Attachments } from '../../gateway-api/attachment.ts';
import type { GatewayListener } from '../../gateway-api/listener.ts';
import { byAge } from '../../gateway-api/precedence.ts';
import { rulesOf, type RequestRoute, type RouteRule, type RuleMatch } from '../../gateway-api/rule.ts';
import { closestHost } from '../../registry/hostname.ts';
import { withCredentials } from '../egress-credential.ts';
import { DIRECT_RESPONSE_BYTES_MAX } from '../http-route.ts';
import { ruleRoute, type RouteContext } from './rule-route.ts';

/** `own` share the table; `all` are those of the port, whose hosts are not these ones' to answer for. */
export function listenerRoutes(
  name: string, own: readonly GatewayListener[], all: readonly GatewayListener[], context: RouteContext,
): RouteConfiguration {
  const found = context.view.inventory.derived(attachments);
  const byHost = new Map<string, RequestRoute[]>();
  const closest = (host: string): string | undefined => closestHost(all.map(hostOf), host);
  for (const listener of own) {
    byHost.set(hostOf(listener), byHost.get(hostOf(listener)) ?? []);
    for (const { route, hosts } of routesAt(found, listener)) {
      // Requests for a host that a closer listener has are that one's.
      for (const host of hosts.filter((one) => closest(one) === hostOf(listener))) {
        byHost.set(host, [...byHost.get(host) ?? [], route as RequestRoute]);
      }
    }
  }
  const hosts = [...byHost].map(([host, routes]): VirtualHost => ({
    name: `${host}:${context.port}`,
    domains: [host],
    routes: orderedRoutes(found, routes, context),
    includeRequestAttemptCount: true,
  }));
  const others = all.map(hostOf).filter((host) => !own.some((listener) => hostOf(listener) === host));
  return {
    name,
    virtualHosts: withCredentials(context.view, context.scope, [...hosts, ...others.map(misdirected)]),
    validateClusters: false,
    ignorePortInHostMatching: true,
    maxDirectResponseBodySizeBytes: DIRECT_RESPONSE_BYTES_MAX,
  };
}

export function hostOf({ listener: { hostname = '*' } }: GatewayListener): string {
  return hostname;
}

/** A connection whose server name was another listener's. */
function misdirected(host: string): VirtualHost {
  const routes = [{ name: 'misdirected', match: { prefix: '/' }, directResponse: { status: 421 } }];
  return { name: `misdirected:${host}`, domains: [host], routes };
}

interface Entry {
  readonly route: RequestRoute;
  readonly rule: RouteRule;
  readonly match: RuleMatch;
}

/** The most specific match first; of equal ones the oldest route's, by name, then the first in it. */
export function orderedRoutes(
  { routes }: Pick<Attachments, 'routes'>, attached: readonly RequestRoute[], context: RouteContext,
): Route[] {
  const entries = [...new Set(attached)].toSorted(byAge).flatMap((route): Entry[] => {
    const { dropped } = routes.find((one) => one.route === route) ?? {};
    return rulesOf(route).filter(({ index }) => dropped?.has(index) !== true)
      .flatMap((rule) => rule.matches.map((match) => ({ route, rule, match })));
  });
  return entries.toSorted((one, other) => compareRanks(one.match.rank, other.match.rank))
    .map(({ route, rule, match }) => ruleRoute(route, rule, match, context));
}

function compareRanks(one: readonly number[], other: readonly number[]): number {
  for (const [at, rank] of one.entries()) {
    const difference = (other[at] ?? 0) - rank;
    if (difference !== 0) return difference;
  }
  return 0;
}
