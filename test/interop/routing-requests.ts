// The requests of the routing test, by virtual host of bootstraps/routing.yaml.
import type { RawRequest } from '../harness/raw-client.ts';

type Field = readonly [string, string];

const HOSTS = ['www.foo.com', 'WWW.FOO.com', 'www.upper.com', 'foo.com:8080', 'foo.com', 'foo.com:80', 'a.foo.com',
  '-bar.foo.com',
  'x-bar.foo.com', 'foo.x', 'foo-', 'foo-1', 'other', 'www.foo.com.', 'www.foo.com:80'];

const HEADER_PATHS = ['/exact', '/not', '/not-empty', '/range', '/empty', '/present', '/absent', '/no-presence',
  '/contains', '/regex'];

const HEADERS: readonly (readonly Field[])[] = [
  [], [['a', '1']], [['A', '1']], [['a', '2']], [['a', '']], [['a', '1'], ['a', '1']], [['a', '2'], ['a', '1']],
    [['a', '1,2']],
  [['a', '-10']], [['a', '10']], [['a', '+5']], [['a', '1.5']], [['a', '0x1']], [['a', 'xaBx']],
];

const PSEUDO: readonly RawRequest[] = [
  { method: 'POST', path: '/pseudo', body: '' }, { path: '/pseudo?x=1' }, { path: '/pseudo' },
  { method: 'PUT', path: '/pseudo', body: '' }, { method: 'PUT', path: '/pseudo', body: 'abc' },
];

const PATHS = ['/Exact', '/exact', '/EXACT?q', '/sep/a', '/sep/a/b', '/sep/ab', '/sep/a?x', '/re/12', '/re/12/',
  '/re/12?x', '/pre',
  '/PRefix', '/nomatch', '/query?a=1', '/query?a', '/query?a=', '/query', '/query?b=1&a=1', '/query?a=2&a=1',
    '/query?a=%31',
  '/query?ba=1', '/query?x?a=1'];

const GRPC_TYPES = ['application/grpc', 'application/grpc+proto', 'application/grpc-web', 'application/grpcx',
  'application/grpc;a=b', 'Application/grpc', 'application/json'];

const REDIRECTS = ['/host?a=1', '/https', '/port', '/path?a=1', '/own-query?a=1', '/strip?a', '/prefix-more?a=/prefix',
  '/regex/a?b',
  '/groups/abc/d?/groups/x'];

const REWRITES: readonly RawRequest[] = [
  ...['/prefix/x?y=/prefix/', '/prefix/', '/exact?x=1', '/regex/abc?z', '/groups/foo/v1?q=/groups/a/b', '/groups',
    '/host', '/plain?q',
    '/from-path/hh.example/x?y', '/from-header', '/by-header'].map((path) => ({ path })),
  { path: '/host', headers: [['x-forwarded-host', 'before']] },
  { path: '/host', headers: [['x-forwarded-host', 'a,rewrites']] },
  { path: '/from-header', headers: [['x-host', 'New.Host:81']] },
  { path: '/from-header', headers: [['x-host', '']] },
  { path: '/by-header', headers: [['x-cluster', 'echo']] },
  { path: '/by-header', headers: [['x-cluster', 'unknown']] },
  { path: '/changes' },
  {
    path: '/changes',
    headers: [['x-append', '1'], ['x-absent', '1'], ['x-over', '1'], ['x-over-existing', '1'], ['x-removed', '1'],
      ['x-gone', '1'],
      ['x-level', 'mine'], ['user-agent', 'test']],
  },
];

const POLICIES: readonly RawRequest[] = [
  ...['/deny/admin', '/deny/admin?q', '/deny/admin/', '/deny/other', '/allow/open',
    '/allow/shut'].map((path) => ({ path })),
  { path: '/deny/x', headers: [['x-role', 'admin']] },
  { path: '/deny/x', headers: [['X-Role', 'user'], ['x-role', 'admin']] },
  { path: '/deny/x', headers: [['x-role', 'Admin']] },
  { path: '/allow/shut', headers: [['x-pass', '']] },
  { path: '/allow/open', headers: [['x-role', 'evil one']] },
  { path: '/allow/open', headers: [['x-role', 'good'], ['x-role', 'evil']] },
  { method: 'POST', path: '/allow/open', body: '' },
  ...['https://good.example', 'https://a.good.example', 'https://bad.example', ''].flatMap((origin): RawRequest[] => [
    { path: '/cors', headers: [['origin', origin]] },
    { method: 'OPTIONS', path: '/cors', headers: [['origin', origin], ['access-control-request-method', 'PUT']] },
    { method: 'OPTIONS', path: '/cors', headers: [['origin', origin]] },
  ]),
];

/** How a client is said to have come. */
const TLS_FIELDS: readonly (readonly Field[])[] = [[], [['x-forwarded-proto', 'https']],
  [['x-forwarded-proto', 'http']], [['x-envoy-internal', 'true']]];

export const ROUTING_REQUESTS: readonly RawRequest[] = [
  ...HOSTS.map((host) => ({ host, path: '/x' })),
  ...HEADER_PATHS.flatMap((path) => HEADERS.map((headers) => ({ host: 'headers', path, headers }))),
  ...PSEUDO.map((request) => ({ ...request, host: 'headers' })),
  { host: 'headers', path: '/single', headers: [['user-agent', '1'], ['user-agent', '2']] },
  { host: 'headers', path: '/single', headers: [['user-agent', '1']] },
  ...PATHS.map((path) => ({ host: 'paths', path })),
  { host: 'paths', path: '/grpc' },
  ...GRPC_TYPES.map((type) => ({ host: 'paths', path: '/grpc', headers: [['content-type', type]] as const })),
  ...REDIRECTS.flatMap((path) => ['redirects', 'redirects:80', 'redirects:8080',
    '[::1]:80'].map((host) => ({ host, path }))),
  ...['tls-all', 'tls-all:80', 'tls-external'].flatMap((host) => TLS_FIELDS.map((headers) =>
    ({ host, path: '/a?b', headers }))),
  ...REWRITES.map((request) => ({ ...request, host: 'rewrites' })),
  { host: 'rewrites:80', path: '/host' },
  ...POLICIES.map((request) => ({ ...request, host: 'policies' })),
];

/** A request that weft decides otherwise on purpose; `id` is the threat's. */
export interface RoutingDifference {
  readonly request: RawRequest;
  readonly envoy: number;
  readonly weft: number;
  readonly id: string;
}

export const ROUTING_DIFFERENCES: readonly RoutingDifference[] = [
  { request: { host: 'policies', path: '/deny/x', headers: [['x-role', 'user,admin']] }, envoy: 200, weft: 403,
    id: 'S44' },
  { request: { host: 'policies', path: '/deny/admin;x=1' }, envoy: 200, weft: 403, id: 'S41' },
  { request: { host: 'policies', path: '/allow/open/..;/shut' }, envoy: 200, weft: 403, id: 'S41' },
];
