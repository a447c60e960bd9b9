// Routes and requests that once ended otherwise than under Envoy, each as small as it can be.
import type { Route, RouteConfiguration } from '../../proxy/config/route.ts';
import type { RouteCase } from './route-case.ts';
import { ALL, caseOf } from './route-case.ts';
import { OWN_PORT } from './route-outcome.ts';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http' as const;

const ABORT = { typedPerFilterConfig: { fault: {
  '@type': `${FILTERS}.fault.v3.HTTPFault` as const, abort: { httpStatus: 404, percentage: { numerator: 100 } },
} } };
const CORS = { typedPerFilterConfig: { cors: {
  '@type': `${FILTERS}.cors.v3.CorsPolicy` as const, allowOriginStringMatch: [{ prefix: 'http' }],
} } };

/** A response header with this value. */
const tells = (value: string): Pick<Route, 'responseHeadersToAdd'> => (
  { responseHeadersToAdd: [{ header: { key: 'x-tells', value } }] });
const PREVIOUS_HOSTS = { name: 'envoy.retry_host_predicates.previous_hosts', typedConfig: {
  '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate' as const,
} };
const INTERNAL = { internalAddressConfig: { cidrRanges: [{ addressPrefix: '127.0.0.0', prefixLen: 8 }] },
  useRemoteAddress: true };
const DIRECT = { match: ALL, directResponse: { status: 200 } };
const authority = tells('%REQ(:AUTHORITY)%');

/** A cluster with a host of its own, and header values at each level that tell which host they saw. */
function weighted(routes: Partial<RouteConfiguration>): RouteCase {
  const sees = (key: string): Pick<Route, 'requestHeadersToAdd'> => (
    { requestHeadersToAdd: [{ header: { key, value: '%REQ(:AUTHORITY)%' } }] });
  const chosen = { name: 'c1', weight: 1, hostRewriteLiteral: 'weighted.test', ...sees('x-cluster-sees') };
  return caseOf({ path: '/', host: 'h.test' }, {
    match: ALL, route: { weightedClusters: { clusters: [chosen] } }, ...sees('x-route-sees'),
  }, { host: sees('x-host-sees'), routes: { ...routes, ...sees('x-table-sees') } });
}

/** A route whose header changes set one header, and that retries. */
function changed(
  key: string, value: string, script: string, headers: readonly (readonly [string, string])[] = [],
): RouteCase {
  return caseOf({ path: '/', headers: [['x-script', script], ...headers] }, {
    match: ALL, route: { cluster: 'c1', maxGrpcTimeout: '20s',
      retryPolicy: { retryOn: '5xx,retriable-status-codes,retriable-headers,unavailable' } },
    requestHeadersToAdd: [{ header: { key, value }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
  });
}

/** A request of one type that header changes make another type, to an upstream that takes no connections. */
function replied(to: string, from: string): RouteCase {
  return caseOf({ path: '/', headers: [['content-type', from]] }, {
    match: ALL, route: { cluster: 'refusing' },
    requestHeadersToAdd: [{ header: { key: 'content-type', value: to }, appendAction: 'OVERWRITE_IF_EXISTS' }],
  });
}

/** A route of a router that adds no headers of its own, with a copy. */
function quiet(script: string, headers: readonly (readonly [string, string])[]): RouteCase {
  return caseOf({ path: '/', headers: [['x-script', script], ...headers] }, {
    match: ALL, route: { cluster: 'c1', requestMirrorPolicies: [{ cluster: 'shadow-1' }] },
  }, { router: { suppressEnvoyHeaders: true }, manager: INTERNAL });
}

/** Levels that set the same headers. */
function levels(routes: Partial<RouteConfiguration>): RouteCase {
  const list = (level: string) => [{ header: { key: 'x-level', value: level } },
    { header: { key: 'x-winner', value: level }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' as const }];
  const sets = (level: string) => ({ requestHeadersToAdd: list(level), responseHeadersToAdd: list(level) });
  return caseOf({ path: '/' }, {
    match: ALL, route: { weightedClusters: { clusters: [{ name: 'c1', weight: 1, ...sets('cluster') }] } },
    ...sets('route'),
  }, { host: sets('host'), routes: { ...routes, ...sets('table') } });
}

/** By what is the same. */
export const ROUTE_CASES: Readonly<Record<string, RouteCase>> = {
  'an abort in place of a direct response has none of its header changes': caseOf(
    { path: '/' }, { ...DIRECT, ...tells('route'), ...ABORT }, { host: tells('host'), routes: tells('table') },
  ),
  'an abort in place of a redirect has none of its header changes': caseOf(
    { path: '/' }, { match: ALL, redirect: {}, ...tells('route'), ...ABORT },
  ),
  'an abort of a route that forwards has its header changes': caseOf(
    { path: '/' }, { match: ALL, route: { cluster: 'c1' }, ...tells('route'), ...ABORT },
  ),
  'the answer to a preflight is no gRPC status': caseOf(
    { method: 'OPTIONS', path: '/', headers: [['origin', 'http://a'], ['access-control-request-method', 'PUT'],
      ['content-type', 'application/grpc']] }, { match: ALL, route: { cluster: 'c1' }, ...CORS },
  ),
  'a dot is cut from a host before its port': caseOf({ path: '/', host: 'h.test.:80' }, { ...DIRECT, ...authority },
    { manager: { stripTrailingHostDot: true } }),
  'the port that matches is the listener\'s': caseOf({ path: '/', host: `h.test:${OWN_PORT}` },
    { ...DIRECT, ...authority }, { manager: { stripMatchingHostPort: true } }),
  'whether a header is there is decided before the first change': caseOf({ path: '/' }, {
    match: ALL, directResponse: { status: 200 }, responseHeadersToAdd: [
      { header: { key: 'x-new', value: 'a' }, appendAction: 'ADD_IF_ABSENT' },
      { header: { key: 'x-new', value: 'b' }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' },
    ],
  }),
  'what is copied has the host before that of an endpoint, and the time of the whole request': caseOf(
    { path: '/' }, { match: ALL, route: { cluster: 'c1', autoHostRewrite: true, appendXForwardedHost: true,
      timeout: '30s', retryPolicy: { retryOn: '5xx', perTryTimeout: '20s' },
      requestMirrorPolicies: [{ cluster: 'shadow-1' }] } },
  ),
  'each try is told the host that it replaces': caseOf(
    { path: '/', headers: [['x-script', '503 503 200']] }, { match: ALL, route: {
      cluster: 'c1', autoHostRewrite: true, appendXForwardedHost: true, retryPolicy: { retryOn: '5xx', numRetries: 3 },
    } },
  ),
  'a weighted cluster\'s host comes before header changes': weighted({}),
  'a weighted cluster\'s host comes before header changes of the most specific first': weighted(
    { mostSpecificHeaderMutationsWins: true }),
  'a weighted cluster\'s header changes come first': levels({}),
  'a weighted cluster\'s header changes come first where the most specific wins': levels(
    { mostSpecificHeaderMutationsWins: true }),
  'header changes may ask for retries': changed('x-envoy-retry-on', '5xx', '503 503 200'),
  'header changes may say how many retries': changed('x-envoy-max-retries', '3', '503 503 503 200'),
  'header changes may ask for a status': changed('x-envoy-retriable-status-codes', '404', '404 200'),
  'header changes may ask for a header': changed('x-envoy-retriable-header-names', 'x-up', '200'),
  'header changes come too late for the timeout': changed('x-envoy-upstream-rq-timeout-ms', '30000', '200'),
  'header changes come too late for the timeout of a try': changed('x-envoy-upstream-rq-per-try-timeout-ms',
    '9000', '200'),
  'header changes come too late to be gRPC': changed('content-type', 'application/grpc', '200'),
  'header changes come too late for gRPC\'s timeout': changed('grpc-timeout', '10S', '200', [['content-type',
    'application/grpc']]),
  'header changes come too late not to be gRPC': changed('content-type', 'text/plain', 'grpc14 200', [['content-type',
    'application/grpc']]),
  'a reply of our own is text where header changes made a request gRPC\'s': replied('application/grpc', 'text/plain'),
  'a reply of our own is gRPC\'s where header changes made a request text': replied('text/plain', 'application/grpc'),
  'the log tells where a preflight would have gone': caseOf(
    { method: 'OPTIONS', path: '/', headers: [['origin', 'http://a'], ['access-control-request-method', 'PUT']] },
    { match: ALL, route: { cluster: 'c1' }, ...CORS },
  ),
  'escaped slashes are refused to clients of gRPC where others are redirected': caseOf(
    { path: '/a%2fb', headers: [['content-type', 'application/grpc']] }, DIRECT,
    { manager: { pathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT' } },
  ),
  'a policy that does not admit a request admits none of its own words': caseOf(
    { path: '/', headers: [['x-envoy-retry-on', '5xx'], ['x-script', '503 200']] },
    { match: ALL, route: { cluster: 'c1',
      retryPolicy: { retryOn: 'reset', retriableRequestHeaders: [{ name: 'x-yes', presentMatch: true }] } } },
    { manager: INTERNAL },
  ),
  'TLS that is said twice is none': caseOf(
    { path: '/', headers: [['x-forwarded-proto', 'https'], ['x-forwarded-proto', 'https']] }, DIRECT,
    { host: { requireTls: 'ALL' } },
  ),
  'a timeout that is said twice is none': caseOf(
    { path: '/', headers: [['x-envoy-upstream-rq-timeout-ms', '30000'], ['x-envoy-upstream-rq-timeout-ms', '30000']] },
    { match: ALL, route: { cluster: 'c1' } }, { manager: INTERNAL },
  ),
  'a number of retries that is said twice is none': caseOf(
    { path: '/', headers: [['x-envoy-max-retries', '3'], ['x-envoy-max-retries', '3'], ['x-script', '503 503 200']] },
    { match: ALL, route: { cluster: 'c1', retryPolicy: { retryOn: '5xx' } } }, { manager: INTERNAL },
  ),
  'a router that is quiet reads the timeout': quiet('200', [['x-envoy-upstream-rq-timeout-ms', '30000']]),
  'a router that is quiet reads retries': quiet('503 503 200', [['x-envoy-retry-on', '5xx'],
    ['x-envoy-max-retries', '3']]),
  'a router that is quiet tells no timeout, and copies are told theirs': quiet('200', []),
  'a client that was seen by no trusted proxy is not internal': caseOf(
    { path: '/', headers: [['x-forwarded-for', '127.0.0.1']] }, { match: ALL, route: { cluster: 'c1' } },
    { manager: { ...INTERNAL, useRemoteAddress: false, xffNumTrustedHops: 1 } },
  ),
  'a client that a trusted proxy saw alone is not internal': caseOf(
    { path: '/', headers: [['x-forwarded-for', '127.0.0.1,127.0.0.2']] }, { match: ALL, route: { cluster: 'c1' } },
    { manager: { ...INTERNAL, useRemoteAddress: false, xffNumTrustedHops: 1 } },
  ),
  'each try is told the name of its own endpoint': caseOf(
    { path: '/', headers: [['x-script', '503 503 200']] }, { match: ALL, route: {
      cluster: 'named', autoHostRewrite: true, hashPolicy: [{ header: { headerName: 'x-script' } }], retryPolicy: {
        retryOn: '5xx', numRetries: 3, hostSelectionRetryMaxAttempts: 5, retryHostPredicate: [PREVIOUS_HOSTS],
      },
    } },
  ),
  'names and values of parameters are decoded in header values': caseOf(
    { path: '/?%71=a%20b%zz&q=2' }, { ...DIRECT, ...tells('%QUERY_PARAM(q)%') }),
  'an empty content-type beside gRPC\'s says nothing': caseOf(
    { path: '/', headers: [['content-type', ''], ['content-type', 'application/grpc'], ['content-type', '']] }, DIRECT),
  'an empty element of a list says nothing to a condition': caseOf(
    { path: '/', headers: [['accept', ''], ['accept', 'a'], ['accept', ''], ['accept', 'b']] }, { ...DIRECT,
      match: { prefix: '/', headers: [{ name: 'accept', stringMatch: { exact: 'a,b' } }] } },
  ),
  'a port of the scheme alone stays': caseOf({ path: '/', host: 'h.test:80' },
    { ...DIRECT, ...authority }, { manager: { stripMatchingHostPort: true } }),
};
