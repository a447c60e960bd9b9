// HTTPRoutes of Services in the mesh: what the Gateway API's mesh conformance suite sends and expects, as our own data.
import type { Answer, Ask } from './gateway-case.ts';

/** Each has a Service of its own, whose name stands for PARENT; backends are v1 and v2. */
export interface MeshCase {
  readonly upstream: string;
  /** `spec` without parentRefs, as YAML; `namespace` is the route's own. */
  readonly routes: readonly { readonly namespace?: string; readonly rules: string; readonly port?: number }[];
  readonly asks: readonly (readonly [Ask, Answer])[];
}

const to = (name: string,
  more = ''): string => `{ ${more}backendRefs: [{ name: ${name}, port: 8080, namespace: default }] }`;
const at = (path: string): string => `matches: [{ path: { value: ${path} } }], `;
const redirect = (path: string, how: string): string =>
  `{ ${at(path)}filters: [{ type: RequestRedirect, requestRedirect: ${how} }] }`;

export const MESH_CASES: readonly MeshCase[] = [
  { upstream: 'MeshBasic (no route is plain forwarding)', routes: [], asks: [[{ path: '/' }, { to: 'v1' }]] },
  {
    upstream: 'MeshHTTPRouteSimpleSameNamespace, MeshFrontend', routes: [{ rules: to('v2') }],
    asks: [[{ path: '/' }, { to: 'v2' }]],
  },
  {
    upstream: 'MeshHTTPRouteMatching (what no rule matches is 404)',
    routes: [{ rules: `${
      to('v1', 'matches: [{ path: { value: /v1 } }, { headers: [{ name: version, value: one }] }], ')},
      ${to('v2', `${at('/v2')}`)}` }],
    asks: [
      [{ path: '/v1/x' }, { to: 'v1' }], [{ headers: { Version: 'one' } }, { to: 'v1' }],
      [{ path: '/v2' }, { to: 'v2' }],
      [{ path: '/v2example' }, { status: 404 }], [{ path: '/' }, { status: 404 }],
    ],
  },
  {
    upstream: 'MeshHTTPRouteQueryParamMatching',
    routes: [{ rules: to('v2', 'matches: [{ queryParams: [{ name: animal, value: whale }] }], ') }],
    asks: [[{ path: '/?animal=whale' }, { to: 'v2' }], [{ path: '/?animal=dog' }, { status: 404 }]],
  },
  {
    upstream: 'MeshHTTPRouteRequestHeaderModifier, MeshHTTPRouteBackendRequestHeaderModifier',
    routes: [{ rules: `{ filters: [{ type: RequestHeaderModifier, requestHeaderModifier: {
      set: [{ name: x-rule, value: set }], remove: [x-gone] } }],
      backendRefs: [{ name: v1, port: 8080, filters: [{ type: RequestHeaderModifier, requestHeaderModifier: {
      add: [{ name: x-backend, value: added }] } }] }] }` }],
    asks: [[{ headers: { 'x-gone': '1' } },
      { to: 'v1', has: { 'x-rule': 'set', 'x-backend': 'added' }, lacks: ['x-gone'] }]],
  },
  {
    upstream: 'MeshHTTPRouteRedirectHostAndStatus, MeshHTTPRouteRedirectPath, MeshHTTPRouteRedirectPort, '
      + 'MeshHTTPRouteSchemeRedirect, MeshHTTPRoute303Redirect, MeshHTTPRoute307Redirect, MeshHTTPRoute308Redirect',
    routes: [{ rules: [
      redirect('/host', '{ hostname: example.org, port: 80 }'), redirect('/port', '{ port: 8083, hostname: a.test }'),
      redirect('/path', '{ hostname: a.test, port: 80, path: { type: ReplacePrefixMatch, replacePrefixMatch: /b } }'),
      redirect('/scheme', '{ scheme: https, hostname: a.test }'),
      ...[303, 307, 308].map((code) => redirect(`/${code}`, `{ hostname: a.test, port: 80, statusCode: ${code} }`)),
    ].join() }],
    asks: [
      [{ path: '/host' }, { status: 302, location: 'http://example.org/host' }],
      [{ path: '/port' }, { status: 302, location: 'http://a.test:8083/port' }],
      [{ path: '/path/c' }, { status: 302, location: 'http://a.test/b/c' }],
      [{ path: '/scheme' }, { status: 302, location: 'https://a.test/scheme' }],
      ...[303, 307,
        308].map((code) => [{ path: `/${code}` }, { status: code, location: `http://a.test/${code}` }] as const),
    ],
  },
  {
    upstream: 'MeshHTTPRouteRewritePath, MeshHTTPRouteNamedRule',
    routes: [{ rules: `{ name: named, ${at('/one')}filters: [{ type: URLRewrite, urlRewrite: { path: {
      type: ReplacePrefixMatch, replacePrefixMatch: /two } } }], backendRefs: [{ name: v1, port: 8080 }] }` }],
    asks: [[{ path: '/one/x' }, { to: 'v1', path: '/two/x' }]],
  },
  {
    upstream: 'MeshHTTPRouteWeight (a weight of 0), MeshTrafficSplit',
    routes: [{ rules: '{ backendRefs: [{ name: v1, port: 8080, weight: 0 }, { name: v2, port: 8080, weight: 10 }] }' }],
    asks: [[{ path: '/' }, { to: 'v2' }]],
  },
  {
    upstream: 'MeshPorts (a route of another port has no effect)', routes: [{ rules: to('v2'), port: 8081 }],
    asks: [[{ path: '/' }, { to: 'v1' }]],
  },
  {
    upstream: "MeshConsumerRoute (the client's namespace goes first, another one's has no effect)",
    routes: [{ rules: to('v1') }, { namespace: 'client', rules: to('v2') },
      { namespace: 'apart', rules: to('absent') }],
    asks: [[{ path: '/' }, { to: 'v2' }]],
  },
];

/** YAML of all cases: Service `parent-N` in default, whose own endpoints are those of v1. */
export function meshCasesYaml(ports: { readonly v1: number; readonly v2: number }): string {
  const grant = (namespace: string): string =>
    `{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: ${namespace} }`;
  return `${service('v1', ports.v1)}${service('v2', ports.v2)}---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: clients, namespace: default }
spec: { from: [${grant('client')}, ${grant('apart')}], to: [{ group: '', kind: Service }] }
${MESH_CASES.map(({ routes }, index) => service(`parent-${index}`, ports.v1) + routes.map(
    ({ namespace = 'default', rules, port }, number) => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: route-${index}-${number}, namespace: ${namespace} }
spec:
  parentRefs: [{ group: '', kind: Service, name: parent-${index}, namespace: default${
      port === undefined ? '' : `, port: ${port}`} }]
  rules: [${rules}]
`).join('')).join('')}`;
}

/** Ports that say no protocol: routes say it. */
function service(name: string, port: number): string {
  return `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { ports: [{ name: first, port: 8080, appProtocol: http }, { name: second, port: 8081, appProtocol: http }] }
---
apiVersion: v1
kind: Endpoints
metadata: { name: ${name}, namespace: default }
subsets: [{ addresses: [{ ip: 127.0.0.1 }], ports: [{ name: first, port: ${port} }, { name: second, port: ${port} }] }]
`;
}
