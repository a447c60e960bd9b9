// The generator's route tables with the settings of their connection managers, and requests aimed at their borders.
import type { HttpConnectionManager } from '../../proxy/config/http-connection-manager.ts';
import type { Route, RouteConfiguration, VirtualHost } from '../../proxy/config/route.ts';
import type { Router } from '../../proxy/config/router.ts';
import type { Draw } from '../harness/draw.ts';
import type { RawRequest } from '../harness/raw-client.ts';
import { SCRIPT_HEADER } from '../harness/scripted-upstreams.ts';
import {
  CLUSTER_HEADER, DELAY_MS, HASH_HEADER, HOST_HEADER, LIVE_CLUSTERS, MIRROR_HEADER, SHADOW_CLUSTERS,
} from './generated-clusters.ts';
import { FAULT_FIELDS, drawFilterConfig } from './generated-filters.ts';
import { drawHeaderChanges } from './generated-headers.ts';
import { NAMES, VALUES, headersFor, pathFor, queryFor } from './generated-matches.ts';
import { drawRetryPolicy } from './generated-retries.ts';
import { drawMirrors, drawRoute } from './generated-routes.ts';

/** A table and what of its connection manager bears on routing. */
export interface GeneratedTable {
  readonly manager: Partial<HttpConnectionManager>;
  readonly routes: RouteConfiguration;
  readonly router?: Router;
}

const ESCAPED = ['KEEP_UNCHANGED', 'REJECT_REQUEST', 'UNESCAPE_AND_FORWARD', 'UNESCAPE_AND_REDIRECT'] as const;
/** The test's own requests are internal ones then, which may say how they are tried again. */
const INTERNAL = { cidrRanges: [{ addressPrefix: '127.0.0.0', prefixLen: 8 }, { addressPrefix: '1.2.3.4',
  prefixLen: 32 }] };

export function drawTable(draw: Draw, virtualHosts: number): GeneratedTable {
  const taken = new Set<string>();
  return {
    manager: {
      ...draw.maybe(0.5, () => ({ normalizePath: true })), ...draw.maybe(0.3, () => ({ mergeSlashes: true })),
      ...draw.maybe(0.4, () => ({ pathWithEscapedSlashesAction: draw.pick(ESCAPED) })),
      ...draw.maybe(0.5, () => ({ useRemoteAddress: true })),
      ...draw.maybe(0.5, () => ({ internalAddressConfig: INTERNAL })),
      ...draw.maybe(0.2, () => ({ stripAnyHostPort: true })),
      ...draw.maybe(0.2, () => ({ stripTrailingHostDot: true })), ...draw.maybe(0.1, () => ({ via: 'here' })),
      ...draw.maybe(0.1, () => ({ alwaysSetRequestIdInResponse: true })),
      ...draw.maybe(0.3, () => ({ serverHeaderTransformation: draw.pick(['APPEND_IF_ABSENT',
        'PASS_THROUGH'] as const) })),
      ...draw.maybe(0.2, () => ({ xffNumTrustedHops: 1 })), ...draw.maybe(0.2, () => ({ skipXffAppend: true })),
      ...draw.maybe(0.2, () => ({ preserveExternalRequestId: true })),
      ...draw.maybe(0.1, () => ({ generateRequestId: false })),
    },
    ...draw.maybe(0.15, () => ({ router: { suppressEnvoyHeaders: true } })),
    routes: {
      name: 'table', validateClusters: false,
      virtualHosts: Array.from({ length: virtualHosts }, (_, i) => drawVirtualHost(draw, i, taken)),
      ...draw.maybe(0.3, () => ({ mostSpecificHeaderMutationsWins: true })),
      ...draw.maybe(0.3, () => ({ ignorePortInHostMatching: true })), ...drawHeaderChanges(draw, 0.3),
      ...drawMirrors(draw, 0.1),
    },
  };
}

function drawVirtualHost(draw: Draw, index: number, taken: Set<string>): VirtualHost {
  return {
    name: `host-${index}`,
    domains: drawDomains(draw, index, taken),
    routes: Array.from({ length: 1 + draw.below(6) }, (_, i) => drawRoute(draw, `route-${index}-${i}`)),
    ...draw.maybe(0.2, () => ({ includeRequestAttemptCount: true })),
    ...draw.maybe(0.2, () => ({ includeAttemptCountInResponse: true })),
    ...draw.maybe(0.2, () => ({ retryPolicy: drawRetryPolicy(draw) })),
    ...draw.maybe(0.04, () => ({ requireTls: draw.pick(['EXTERNAL_ONLY', 'ALL'] as const) })),
    ...drawHeaderChanges(draw, 0.2), ...drawFilterConfig(draw, 0.1), ...drawMirrors(draw, 0.1),
  };
}

/** Two neighbours share a tag, so that kinds of domains compete for the same hosts. */
function drawDomains(draw: Draw, index: number, taken: Set<string>): string[] {
  const tag = `h${index >> 1}`;
  const kinds = [`${tag}.test`, `a.${tag}.test`, `*.${tag}.test`, `*-x.${tag}.test`, `${tag}.*`, `${tag}-*`,
    `${tag.toUpperCase()}.Upper.test`, `${tag}.test:8080`, `*.b.${tag}.test`, `${tag}.te*`, ...(draw.chance(0.1)
      ? ['*'] : [])];
  const wanted = [`own-${index}.test`, draw.pick(kinds), ...draw.some(2, () => draw.pick(kinds))];
  return wanted.filter((domain) => {
    const isNew = !taken.has(domain.toLowerCase());
    taken.add(domain.toLowerCase());
    return isNew;
  });
}

/** A host that the domain admits, or one beside it. */
function hostFor(draw: Draw, domain: string): string {
  const filled = domain.replace('*', draw.pick(['w', 'w', 'v.w', 'a', 'w-x', 'b', '']));
  switch (draw.below(14)) {
    case 0: return `${filled}:80`;
    case 1: return `${filled}:8080`;
    case 2: return `${filled}.`;
    case 3: return `x${filled}`;
    case 4: return filled.replace(':8080', '');
    default: return filled === '' ? 'any.test' : filled;
  }
}

const SCRIPTS = ['200', '200', '503', '500', '503 200', '503 503 200', '503 503 503 503 503 200', 'reset', 'reset 200',
  '404', '404 200', '409 200', '429', 'limited 200', 'limited', 'grpc14', 'grpc14 200', '502 reset 504 200', 'cut',
  '204', '304', '200 500', 'after0 200', 'after2 200', 'afterx 200', 'until3 200', 'until-3 200',
  `200+${DELAY_MS} 200`];
const FIELDS: readonly (readonly [string, string])[] = [
  ['x-envoy-retry-on', '5xx,retriable-4xx'], ['x-envoy-retry-on', 'retriable-status-codes'],
  ['x-envoy-retry-on', 'retriable-headers'], ['x-envoy-retriable-header-names', 'X-Up,x-none'],
  ['x-envoy-upstream-rq-per-try-timeout-ms', '1000'], ['x-envoy-max-retries', '0'], ['x-envoy-max-retries', 'x'],
  ['x-envoy-hedge-on-per-try-timeout', 'false'], ['x-envoy-retry-on', 'gateway-error'], ['x-envoy-max-retries', '2'],
  ['x-envoy-upstream-rq-timeout-ms', '30000'], ['x-envoy-retriable-status-codes', '404,409'],
  ['x-envoy-retry-grpc-on', 'unavailable'], ['x-forwarded-for', '1.2.3.4'],
  ['x-forwarded-for', '5.6.7.8, 1.2.3.4'], ['x-forwarded-proto', 'https'],
  ['x-forwarded-host', 'before.test'], ['grpc-timeout', '20S'], ['x-request-id', 'mine'], ['x-envoy-internal', 'true'],
  ['te', 'trailers'], ['x-envoy-original-path', '/forged'], ['via', '1.0 there'], ['x-envoy-attempt-count', '9'],
  ['x-envoy-expected-rq-timeout-ms', '77'], ['x-envoy-decorator-operation', 'op'], ['x-envoy-original-host', 'forged'],
];
const ORIGINS = ['https://good.test', 'https://a.good.test', 'http://bad.test', 'HTTPS://GOOD.test', ''];

/** A request aimed at one route of the table. */
export function drawRequest(draw: Draw, { routes }: GeneratedTable): RawRequest {
  const host = draw.pick(routes.virtualHosts!);
  const route = draw.pick(host.routes!);
  const { match } = route;
  const method = match.headers?.find(({ name }) => name === ':method')?.stringMatch?.exact;
  const origin = draw.chance(policy(route, host, 'cors') ? 0.9 : 0.05) ? draw.pick(ORIGINS) : undefined;
  const preflight = origin !== undefined && draw.chance(0.5);
  const chosen = preflight ? 'OPTIONS' : draw.pick([method?.toUpperCase() ?? 'GET', 'GET', 'POST', 'HEAD', 'DELETE']);
  return {
    method: chosen,
    host: hostFor(draw, draw.pick(host.domains)),
    path: wirePath(pathFor(draw, match)) + queryFor(draw, match.queryParameters ?? []),
    headers: [
      ...headersFor(draw, match.headers ?? []), ...corsFields(draw, origin, preflight),
      ...(match.grpc === undefined ? [] : [['content-type', draw.pick(['application/grpc', 'application/grpc+x',
        'text'])]
      ] as const),
      ...(policy(route, host, 'fault') && draw.chance(0.7) ? [['x-a', 'abc']] as const : []),
      ...draw.some(3, () => [draw.pick(NAMES.filter((name) => name !== 'origin')), draw.pick(VALUES)] as const),
      ...(draw.chance(0.35) ? [draw.pick(FIELDS), draw.pick(FIELDS), draw.pick(FIELDS)] : []),
      ...(policy(route, host, 'fault') ? draw.some(3, () => draw.pick(FAULT_FIELDS)) : []),
      ...draw.some(1, () => ['x-twice', draw.pick(VALUES)] as const),
      ...draw.some(2, () => ['X-Twice', draw.pick(VALUES)] as const),
      ...(draw.chance(0.1) ? [[MIRROR_HEADER, draw.pick([...SHADOW_CLUSTERS, 'unknown'])] as const] : []),
      [HASH_HEADER, String(draw.below(20))], ...clusterField(draw, route),
      ...(route.route?.hostRewriteHeader === undefined ? [] : [[HOST_HEADER, draw.pick(['x.test', 'X.Test:81',
        ''])]] as const),
      [SCRIPT_HEADER, draw.chance(route.route === undefined ? 0 : 0.7) ? draw.pick(SCRIPTS) : '200'],
    ],
    ...(chosen === 'POST' && { body: draw.pick(['', 'body', 'b'.repeat(3000)]) }),
  };
}

function clusterField(draw: Draw, { route }: Route): (readonly [string, string])[] {
  if (route?.clusterHeader === undefined || draw.chance(0.1)) return [];
  return [[CLUSTER_HEADER, draw.pick([...LIVE_CLUSTERS, 'unknown', ''])]];
}

function policy(route: Route, host: VirtualHost, filter: string): boolean {
  return [route, host].some(({ typedPerFilterConfig }) => typedPerFilterConfig !== undefined
    && Object.keys(typedPerFilterConfig).includes(filter));
}

function corsFields(draw: Draw, origin: string | undefined, preflight: boolean): (readonly [string, string])[] {
  if (origin === undefined) return [];
  return [
    ['origin', origin],
    ...(preflight && draw.chance(0.8) ? [['access-control-request-method', 'PUT']] as const : []),
    ...(preflight && draw.chance(0.4) ? [['access-control-request-private-network', 'true']] as const : []),
  ];
}

/** A request-target has no blanks. */
function wirePath(path: string): string {
  return path.replaceAll(' ', '%20');
}
