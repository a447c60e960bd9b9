// One table of routes and one request to it: what both proxies are asked.
import type { Route, RouteConfiguration, VirtualHost } from '../../proxy/config/route.ts';
import type { Router } from '../../proxy/config/router.ts';
import type { RawRequest } from '../harness/raw-client.ts';
import type { GeneratedTable } from './generated-tables.ts';

export interface RouteCase {
  readonly table: GeneratedTable;
  readonly request: RawRequest;
}

/** Matches every request. */
export const ALL = { prefix: '/' };

/** What stands around the route of a case. */
export interface CaseOuter {
  readonly manager?: GeneratedTable['manager'];
  readonly router?: Router;
  readonly host?: Partial<VirtualHost>;
  readonly routes?: Partial<RouteConfiguration>;
}

/** A table of one virtual host, and a request to it. */
export function caseOf(request: RawRequest, route: Route, more: CaseOuter = {}): RouteCase {
  const virtualHost = { name: 'host', domains: ['*'], routes: [route], ...more.host };
  return { request, table: { manager: more.manager ?? {},
    ...(more.router === undefined ? {} : { router: more.router }), routes: { validateClusters: false,
    virtualHosts: [virtualHost], ...more.routes } } };
}
