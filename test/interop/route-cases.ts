// Routes and requests that once ended otherwise than under Envoy, each as small as it can be.
import type { Route } from '../../proxy/config/route.ts';
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
  'a port of the scheme alone stays': caseOf({ path: '/', host: 'h.test:80' },
    { ...DIRECT, ...authority }, { manager: { stripMatchingHostPort: true } }),
};
