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
