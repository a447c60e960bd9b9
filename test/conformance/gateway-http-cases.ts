// HTTPRoutes at a gateway: what the Gateway API's conformance suite sends and expects, as data of our own.
import type { GatewayCase } from './gateway-case.ts';

/** Rules to a backend of each name, by a match written as YAML. */
const to = (name: string, match = '', more = ''): string =>
  `{ ${match === '' ? '' : `matches: [${match}], `}backendRefs: [{ name: ${name}, port: 8080 }]${more} }`;
const path = (value: string, type = 'PathPrefix'): string => `{ path: { type: ${type}, value: ${value} } }`;
const header = (...pairs: readonly [string, string][]): string =>
  `{ headers: [${pairs.map(([name, value]) => `{ name: ${name}, value: ${value} }`).join()}] }`;
const query = (...pairs: readonly [string, string][]): string =>
  `{ queryParams: [${pairs.map(([name, value]) => `{ name: ${name}, value: ${value} }`).join()}] }`;
const route = (...rules: readonly string[]) => ({ rules });
const filtered = (match: string, ...filters: readonly string[]): string =>
  `{ matches: [${match}], filters: [${filters.join()}], backendRefs: [{ name: v1, port: 8080 }] }`;
const redirected = (match: string, redirect: string): string =>
  `{ matches: [${match}], filters: [{ type: RequestRedirect, requestRedirect: ${redirect} }] }`;
const rewritten = (match: string, rewrite: string): string =>
  filtered(match, `{ type: URLRewrite, urlRewrite: ${rewrite} }`);

export const HTTP_CASES: readonly GatewayCase[] = [
  {
    upstream: 'HTTPRouteSimpleSameNamespace', routes: [route(to('v1'))], asks: [[{ path: '/' }, { to: 'v1' }]],
  },
  {
    upstream: 'HTTPRouteExactPathMatching',
    routes: [route(to('v1', path('/one', 'Exact')), to('v2', path('/two', 'Exact')))],
    asks: [
      [{ path: '/one' }, { to: 'v1' }], [{ path: '/two' }, { to: 'v2' }], [{ path: '/' }, { status: 404 }],
      [{ path: '/one/example' }, { status: 404 }], [{ path: '/two/' }, { status: 404 }],
      [{ path: '/Two' }, { status: 404 }],
    ],
  },
  {
    upstream: 'HTTPRouteMatching',
    routes: [route(to('v1', `${path('/')}, ${header(['version', 'one'])}`),
      to('v2', `${path('/v2')}, ${header(['version', 'two'])}`))],
    asks: [
      [{ path: '/' }, { to: 'v1' }], [{ path: '/example' }, { to: 'v1' }],
      [{ path: '/', headers: { Version: 'one' } }, { to: 'v1' }], [{ path: '/v2' }, { to: 'v2' }],
      [{ path: '/v2/example' }, { to: 'v2' }], [{ path: '/', headers: { Version: 'two' } }, { to: 'v2' }],
      [{ path: '/v2/' }, { to: 'v2' }], [{ path: '/v2example' }, { to: 'v1' }],
      [{ path: '/foo/v2/example' }, { to: 'v1' }],
    ],
  },
  {
    upstream: 'HTTPRoutePathMatchOrder',
    routes: [route(to('v1', path('/match', 'Exact')), to('v2', path('/match/exact', 'Exact')),
      to('v3', path('/match/exact/one', 'Exact')), to('v3', path('/match/')), to('v1', path('/match/prefix/')),
      to('v2', path('/match/prefix/one')))],
    asks: [
      [{ path: '/match/exact/one' }, { to: 'v3' }], [{ path: '/match/exact' }, { to: 'v2' }],
      [{ path: '/match' }, { to: 'v1' }], [{ path: '/match/prefix/one/any' }, { to: 'v2' }],
      [{ path: '/match/prefix/any' }, { to: 'v1' }], [{ path: '/match/any' }, { to: 'v3' }],
    ],
  },
  {
    upstream: 'HTTPRouteHeaderMatching',
    routes: [route(
      to('v1', header(['version', 'one'])), to('v2', header(['version', 'two'])),
      to('v1', header(['version', 'two'], ['color', 'orange'])), to('v1', header(['color', 'blue'])),
      to('v2', header(['color', 'green'])), to('v1', header(['color', 'red'])),
      to('v2', header(['color', 'yellow'])),
    )],
    asks: [
      [{ headers: { version: 'one' } }, { to: 'v1' }], [{ headers: { VERSION: 'two' } }, { to: 'v2' }],
      [{ headers: { version: 'two', color: 'orange' } }, { to: 'v1' }], [{ headers: { color: 'blue' } }, { to: 'v1' }],
      [{ headers: { Color: 'green' } }, { to: 'v2' }], [{ headers: { color: 'purple' } }, { status: 404 }],
      [{ path: '/' }, { status: 404 }], [{ headers: { color: 'Blue' } }, { status: 404 }],
    ],
  },
  {
    upstream: 'HTTPRouteQueryParamMatching',
    routes: [route(
      to('v1', query(['animal', 'whale'])), to('v2', query(['animal', 'dolphin'])),
      to('v3', query(['animal', 'whale'], ['color', 'blue'])),
      to('v3', `{ path: { value: /path1 }, queryParams: [{ name: animal, value: whale }] }`),
    )],
    asks: [
      [{ path: '/?animal=whale' }, { to: 'v1' }], [{ path: '/?animal=dolphin' }, { to: 'v2' }],
      [{ path: '/?animal=whale&otherparam=irrelevant' }, { to: 'v1' }],
      [{ path: '/?animal=dolphin&color=blue' }, { to: 'v2' }], [{ path: '/?animal=whale&color=blue' }, { to: 'v3' }],
      [{ path: '/path1?animal=whale' }, { to: 'v3' }], [{ path: '/' }, { status: 404 }],
      [{ path: '/?animal=Whale' }, { status: 404 }],
    ],
  },
  {
    upstream: 'HTTPRouteMethodMatching',
    routes: [route(to('v1', '{ method: POST }'), to('v2', '{ method: GET }'),
      to('v3', '{ path: { value: /path1 }, method: PATCH }'), to('v1', `{ path: { value: /path1 } }`),
      to('v2', `{ headers: [{ name: version, value: one }], method: PUT }`))],
    asks: [
      [{ method: 'POST' }, { to: 'v1' }], [{ method: 'GET' }, { to: 'v2' }], [{ method: 'HEAD' }, { status: 404 }],
      [{ method: 'PATCH', path: '/path1' }, { to: 'v3' }], [{ method: 'DELETE', path: '/path1' }, { to: 'v1' }],
      [{ method: 'PUT', headers: { version: 'one' } }, { to: 'v2' }], [{ method: 'PUT' }, { status: 404 }],
    ],
  },
  {
    upstream: 'HTTPRouteMatchingAcrossRoutes',
    routes: [
      { hostnames: ['example.com', 'example.net'], rules: [to('v1', `${path('/')}, ${header(['version', 'one'])}`)] },
      { hostnames: ['example.com'], rules: [to('v2', `${path('/v2')}, ${header(['version', 'two'])}`)] },
    ],
    asks: [
      [{ host: 'example.com', path: '/' }, { to: 'v1' }], [{ host: 'example.com', path: '/example' }, { to: 'v1' }],
      [{ host: 'example.net', path: '/example' }, { to: 'v1' }],
      [{ host: 'example.com', path: '/v2' }, { to: 'v2' }],
      [{ host: 'example.com', headers: { version: 'two' } }, { to: 'v2' }],
      [{ host: 'example.net', path: '/v2' }, { to: 'v1' }], [{ host: 'example.com', path: '/v2example' }, { to: 'v1' }],
    ],
  },
  {
    upstream: 'HTTPRouteHostnameIntersection',
    listeners: ['very.specific.com', '*.wildcard.io', '*.anotherwildcard.io'],
    routes: [
      { hostnames: ['non.matching.com', '*.nonmatchingwildcard.io', 'very.specific.com'],
        rules: [to('v1', path('/s1'))] },
      {
        hostnames: ['non.matching.com', 'wildcard.io', 'foo.wildcard.io', 'bar.wildcard.io', 'foo.bar.wildcard.io'],
        rules: [to('v2', path('/s2'))],
      },
      { hostnames: ['non.matching.com', '*.specific.com'], rules: [to('v3', path('/s3'))] },
      { hostnames: ['*.anotherwildcard.io'], rules: [to('v1', path('/s4'))] },
      { hostnames: ['specific.but.wrong.com', 'wildcard.io'], rules: [to('v2', path('/s5'))], unattached:
        'NoMatchingListenerHostname' },
    ],
    asks: [
      [{ host: 'very.specific.com', path: '/s1' }, { to: 'v1' }],
      [{ host: 'very.specific.com:1234', path: '/s1' }, { to: 'v1' }],
      [{ host: 'non.matching.com', path: '/s1' }, { status: 404 }],
      [{ host: 'foo.wildcard.io', path: '/s1' }, { status: 404 }],
      [{ host: 'foo.bar.wildcard.io', path: '/s2' }, { to: 'v2' }],
      [{ host: 'wildcard.io', path: '/s2' }, { status: 404 }],
      [{ host: 'very.specific.com', path: '/s3' }, { to: 'v3' }],
      [{ host: 'foo.specific.com', path: '/s3' }, { status: 404 }],
      [{ host: 'foo.bar.anotherwildcard.io', path: '/s4' }, { to: 'v1' }],
      [{ host: 'anotherwildcard.io', path: '/s4' }, { status: 404 }],
      [{ host: 'specific.but.wrong.com', path: '/s5' }, { status: 404 }],
    ],
  },
  {
    upstream: 'HTTPRouteListenerHostnameMatching',
    listeners: ['bar.com', 'foo.bar.com', '*.bar.com', '*.foo.com'],
    routes: [
      { section: 'l0', rules: [to('v1')] }, { section: 'l1', rules: [to('v2')] },
      { section: 'l2', rules: [to('v3')] }, { section: 'l3', rules: [to('v3')] },
    ],
    asks: [
      [{ host: 'bar.com' }, { to: 'v1' }], [{ host: 'foo.bar.com' }, { to: 'v2' }],
      [{ host: 'baz.bar.com' }, { to: 'v3' }],
      [{ host: 'boo.bar.com' }, { to: 'v3' }], [{ host: 'multiple.prefixes.foo.com' }, { to: 'v3' }],
      [{ host: 'foo.com' }, { status: 404 }], [{ host: 'no.matching.host' }, { status: 404 }],
    ],
  },
  {
    upstream: 'GatewayHTTPListenerIsolation',
    listeners: [undefined, '*.example.com', '*.foo.example.com', 'abc.foo.example.com'],
    routes: [
      { section: 'l0', rules: [to('v1', path('/empty-hostname'))] },
      { section: 'l1', rules: [to('v1', path('/wildcard-example-com'))] },
      { section: 'l2', rules: [to('v1', path('/wildcard-foo-example-com'))] },
      { section: 'l3', rules: [to('v1', path('/abc-foo-example-com'))] },
    ],
    asks: [
      [{ host: 'bar.com', path: '/empty-hostname' }, { to: 'v1' }],
      [{ host: 'bar.com', path: '/wildcard-example-com' }, { status: 404 }],
      [{ host: 'bar.example.com', path: '/empty-hostname' }, { status: 404 }],
      [{ host: 'bar.example.com', path: '/wildcard-example-com' }, { to: 'v1' }],
      [{ host: 'bar.foo.example.com', path: '/wildcard-example-com' }, { status: 404 }],
      [{ host: 'bar.foo.example.com', path: '/wildcard-foo-example-com' }, { to: 'v1' }],
      [{ host: 'abc.foo.example.com', path: '/wildcard-foo-example-com' }, { status: 404 }],
      [{ host: 'abc.foo.example.com', path: '/abc-foo-example-com' }, { to: 'v1' }],
    ],
  },
  {
    upstream: 'HTTPRouteRequestHeaderModifier',
    routes: [route(
      filtered(path('/set'),
        '{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: X-S, value: new }] } }'),
      filtered(path('/add'),
        '{ type: RequestHeaderModifier, requestHeaderModifier: { add: [{ name: X-A, value: new }] } }'),
      filtered(path('/remove'), '{ type: RequestHeaderModifier, requestHeaderModifier: { remove: [X-R] } }'),
    )],
    asks: [
      [{ path: '/set' }, { to: 'v1', has: { 'x-s': 'new' } }],
      [{ path: '/set', headers: { 'x-s': 'old', other: 'kept' } }, { to: 'v1', has: { 'x-s': 'new', other: 'kept' } }],
      [{ path: '/add', headers: { 'x-a': 'old' } }, { to: 'v1', has: { 'x-a': 'old,new' } }],
      [{ path: '/remove', headers: { 'x-r': 'old', other: 'kept' } },
        { to: 'v1', has: { other: 'kept' }, lacks: ['x-r'] }],
    ],
  },
  {
    upstream: 'HTTPRouteResponseHeaderModifier',
    routes: [route(filtered(path('/'), `{ type: ResponseHeaderModifier, responseHeaderModifier: {
      set: [{ name: X-S, value: set }], add: [{ name: X-A, value: added }], remove: [X-Echo] } }`))],
    asks: [[{ path: '/' }, { to: 'v1', answer: { 'x-s': 'set', 'x-a': 'added' } }]],
  },
  {
    upstream: 'HTTPRouteRedirectHostAndStatus, HTTPRoute303Redirect, HTTPRoute307Redirect, HTTPRoute308Redirect',
    routes: [route(
      redirected(path('/hostname-redirect'), '{ hostname: example.org }'),
      redirected(path('/host-and-status'), '{ hostname: example.org, statusCode: 301 }'),
      ...[303, 307, 308].map((code) => redirected(path(`/${code}`), `{ hostname: example.org, statusCode: ${code} }`)),
    )],
    asks: [
      [{ host: 'a.test', path: '/hostname-redirect' },
        { status: 302, location: 'http://example.org:PORT/hostname-redirect' }],
      [{ host: 'a.test', path: '/host-and-status' },
        { status: 301, location: 'http://example.org:PORT/host-and-status' }],
      ...[303, 307, 308].map((code) => [{ host: 'a.test', path: `/${code}/x?q=1` },
        { status: code, location: `http://example.org:PORT/${code}/x?q=1` }] as const),
    ],
  },
  {
    upstream: 'HTTPRouteRedirectPath',
    routes: [route(
      redirected(path('/original-prefix'),
        '{ path: { type: ReplacePrefixMatch, replacePrefixMatch: /replacement-prefix } }'),
      redirected(path('/full'), '{ path: { type: ReplaceFullPath, replaceFullPath: /full-path-replacement } }'),
      redirected(path('/gone'), '{ path: { type: ReplacePrefixMatch, replacePrefixMatch: / } }'),
      redirected(path('/path-and-host'),
        '{ hostname: example.org, path: { type: ReplacePrefixMatch, replacePrefixMatch: /replacement-prefix } }'),
      redirected(path('/full-and-status'),
        '{ statusCode: 301, path: { type: ReplaceFullPath, replaceFullPath: /replaced } }'),
    )],
    asks: [
      [{ host: 'a.test', path: '/original-prefix/lemon' },
        { status: 302, location: 'http://a.test:PORT/replacement-prefix/lemon' }],
      [{ host: 'a.test', path: '/full/path/original' },
        { status: 302, location: 'http://a.test:PORT/full-path-replacement' }],
      [{ host: 'a.test', path: '/gone/x' }, { status: 302, location: 'http://a.test:PORT/x' }],
      [{ host: 'a.test', path: '/gone' }, { status: 302, location: 'http://a.test:PORT/' }],
      [{ host: 'a.test', path: '/path-and-host/x' },
        { status: 302, location: 'http://example.org:PORT/replacement-prefix/x' }],
      [{ host: 'a.test', path: '/full-and-status/x' }, { status: 301, location: 'http://a.test:PORT/replaced' }],
    ],
  },
  {
    upstream: 'HTTPRouteRedirectPort, HTTPRouteRedirectScheme, HTTPRouteRedirectPortAndScheme',
    routes: [route(
      redirected(path('/port'), '{ port: 8083 }'),
        redirected(path('/port-and-host'), '{ hostname: example.org, port: 8083 }'),
      redirected(path('/scheme'), '{ scheme: https }'),
      redirected(path('/scheme-and-host'), '{ scheme: https, hostname: example.org, statusCode: 301 }'),
      redirected(path('/http-443'), '{ scheme: http, port: 443 }'),
        redirected(path('/https-443'), '{ scheme: https, port: 443 }'),
      redirected(path('/http-80'), '{ scheme: http, port: 80 }'),
        redirected(path('/https-8443'), '{ scheme: https, port: 8443 }'),
    )],
    asks: [
      [{ host: 'a.test', path: '/port' }, { status: 302, location: 'http://a.test:8083/port' }],
      [{ host: 'a.test', path: '/port-and-host' }, { status: 302, location: 'http://example.org:8083/port-and-host' }],
      [{ host: 'a.test', path: '/scheme' }, { status: 302, location: 'https://a.test/scheme' }],
      [{ host: 'a.test', path: '/scheme-and-host' }, { status: 301, location: 'https://example.org/scheme-and-host' }],
      [{ host: 'a.test', path: '/http-443' }, { status: 302, location: 'http://a.test:443/http-443' }],
      [{ host: 'a.test', path: '/https-443' }, { status: 302, location: 'https://a.test/https-443' }],
      [{ host: 'a.test', path: '/http-80' }, { status: 302, location: 'http://a.test/http-80' }],
      [{ host: 'a.test', path: '/https-8443' }, { status: 302, location: 'https://a.test:8443/https-8443' }],
    ],
  },
  {
    upstream: 'HTTPRouteRewriteHost, HTTPRouteRewritePath',
    routes: [route(
      rewritten(path('/host'), '{ hostname: one.example.org }'),
      rewritten(path('/prefix/one'), '{ path: { type: ReplacePrefixMatch, replacePrefixMatch: /one } }'),
      rewritten(path('/strip-prefix'), '{ path: { type: ReplacePrefixMatch, replacePrefixMatch: / } }'),
      rewritten(path('/empty-prefix/'), "{ path: { type: ReplacePrefixMatch, replacePrefixMatch: '' } }"),
      rewritten(path('/slash/'), '{ path: { type: ReplacePrefixMatch, replacePrefixMatch: /xyz/ } }'),
      rewritten(path('/full/one'), '{ path: { type: ReplaceFullPath, replaceFullPath: /one } }'),
    )],
    asks: [
      [{ host: 'a.test', path: '/host' }, { to: 'v1', has: { host: 'one.example.org' } }],
      [{ path: '/prefix/one/two' }, { to: 'v1', path: '/one/two' }],
      [{ path: '/prefix/one' }, { to: 'v1', path: '/one' }],
      [{ path: '/prefix/one/?q=1' }, { to: 'v1', path: '/one/?q=1' }],
      [{ path: '/strip-prefix/three' }, { to: 'v1', path: '/three' }],
      [{ path: '/strip-prefix' }, { to: 'v1', path: '/' }],
      [{ path: '/strip-prefix/' }, { to: 'v1', path: '/' }], [{ path: '/empty-prefix/a' }, { to: 'v1', path: '/a' }],
      [{ path: '/empty-prefix' }, { to: 'v1', path: '/' }], [{ path: '/slash/bar' }, { to: 'v1', path: '/xyz/bar' }],
      [{ path: '/full/one/two' }, { to: 'v1', path: '/one' }],
    ],
  },
  {
    upstream: 'HTTPRouteRequestHeaderModifierBackendWeights, HTTPRouteWeight (a weight of 0)',
    routes: [route(`{ backendRefs: [
      { name: v1, port: 8080, filters: [{ type: RequestHeaderModifier, requestHeaderModifier: {
        set: [{ name: backend, value: v1 }] } }] },
      { name: v2, port: 8080, weight: 0 }] }`)],
    asks: [[{ path: '/' }, { to: 'v1', has: { backend: 'v1' } }]],
  },
  {
    upstream:
      'HTTPRouteOmittedBackendRefs, HTTPRouteInvalidNonExistentBackendRef, HTTPRouteInvalidBackendRefUnknownKind',
    routes: [
      route(to('v1', path('/forward')), `{ matches: [${path('/omitted')}] }`,
        `{ matches: [${path('/none')}], backendRefs: [{ name: v1, port: 8080, weight: 0 }] }`),
      { rules: [to('absent', path('/absent'))], unresolved: 'BackendNotFound' },
      { rules: [`{ matches: [${path('/port')}], backendRefs: [{ name: v1, port: 1 }] }`],
        unresolved: 'BackendNotFound' },
      {
        rules: [`{ matches: [${path('/kind')}], backendRefs: [{ kind: NonExistent, name: v1, port: 8080 }] }`],
        unresolved: 'InvalidKind',
      },
    ],
    asks: [
      [{ path: '/forward' }, { to: 'v1' }], [{ path: '/omitted' }, { status: 500 }],
      [{ path: '/none' }, { status: 500 }],
      [{ path: '/absent' }, { status: 500 }], [{ path: '/port' }, { status: 500 }],
      [{ path: '/kind' }, { status: 500 }],
    ],
  },
  {
    upstream: 'HTTPRouteReferenceGrant, HTTPRouteInvalidCrossNamespaceBackendRef, HTTPRouteInvalidReferenceGrant',
    routes: [
      route(`{ matches: [${path('/granted')}], backendRefs: [{ name: granted, namespace: apart, port: 8080 }] }`),
      {
        rules: [`{ matches: [${path('/secluded')}], backendRefs: [{ name: secluded, namespace: apart, port: 8080 }] }`],
        unresolved: 'RefNotPermitted',
      },
    ],
    asks: [[{ path: '/granted' }, { to: 'v2' }], [{ path: '/secluded' }, { status: 500 }]],
  },
  {
    upstream: 'HTTPRoutePartiallyInvalidViaInvalidReferenceGrant (half of a split)',
    routes: [{
      rules: [`{ backendRefs: [{ name: v1, port: 8080, weight: 1 },
        { name: secluded, namespace: apart, port: 8080, weight: 1000000 }] }`], unresolved: 'RefNotPermitted',
    }],
    asks: [[{ path: '/' }, { status: 500 }]],
  },
  {
    upstream: 'HTTPRouteCrossNamespace, HTTPRouteInvalidCrossNamespaceParentRef',
    allowed: 'All',
    routes: [{ namespace: 'apart', rules: [to('granted')] }],
    asks: [[{ path: '/' }, { to: 'v2' }]],
  },
  {
    upstream: 'HTTPRouteInvalidCrossNamespaceParentRef',
    routes: [{ namespace: 'apart', rules: [to('granted')], unattached: 'NotAllowedByListeners' }],
    asks: [[{ path: '/' }, { status: 404 }]],
  },
  {
    upstream: 'HTTPRouteTimeoutRequest, HTTPRouteTimeoutBackendRequest',
    routes: [route(to('v1', path('/request'), ', timeouts: { request: 500ms }'),
      to('v1', path('/backend'), ', timeouts: { backendRequest: 500ms }'),
        to('v1', path('/off'), ', timeouts: { request: 0s }'))],
    asks: [
      [{ path: '/request' }, { to: 'v1' }], [{ path: '/request', headers: { 'x-delay-ms': '3000' } }, { status: 504 }],
      [{ path: '/backend', headers: { 'x-delay-ms': '3000' } }, { status: 504 }],
      [{ path: '/off', headers: { 'x-delay-ms': '700' } }, { to: 'v1' }],
    ],
  },
  {
    upstream: 'HTTPRouteRetry',
    routes: [route(to('v1', path('/'), ', retry: { attempts: 3, codes: [503], backoff: 1ms }'))],
    asks: [
      [{ path: '/', headers: { 'x-fail-times': '2', 'x-request-key': 'a' } }, { to: 'v1' }],
      [{ path: '/', headers: { 'x-fail-times': '9', 'x-request-key': 'b' } }, { status: 503 }],
    ],
  },
  {
    upstream: 'HTTPRouteCORS',
    routes: [route(filtered(path('/'),
      `{ type: CORS, cors: { allowOrigins: ['https://www.foo.com', 'https://*.bar.com'],
      allowMethods: [GET, OPTIONS], allowHeaders: [x-header-1], exposeHeaders: [x-header-2], maxAge: 3600,
      allowCredentials: true } }`))],
    asks: [
      [{ method: 'OPTIONS', headers: { origin: 'https://www.foo.com', 'access-control-request-method': 'GET' } }, {
        status: 200, answer: {
          'access-control-allow-origin': 'https://www.foo.com', 'access-control-allow-methods': 'GET,OPTIONS',
          'access-control-allow-headers': 'x-header-1', 'access-control-max-age': '3600',
          'access-control-allow-credentials': 'true',
        },
      }],
      [{ headers: { origin: 'https://a.bar.com' } }, {
        to: 'v1',
          answer: { 'access-control-allow-origin': 'https://a.bar.com', 'access-control-expose-headers': 'x-header-2' },
      }],
      [{ headers: { origin: 'https://other.com' } }, { to: 'v1', silent: ['access-control-allow-origin'] }],
    ],
  },
  {
    upstream: 'HTTPRouteInvalidParentRefNotMatchingSectionName, HTTPRouteInvalidParentRefNotMatchingListenerPort',
    routes: [
      { section: 'absent', rules: [to('v1')], unattached: 'NoMatchingParent' },
      { port: 81, rules: [to('v1')], unattached: 'NoMatchingParent' },
    ],
    asks: [[{ path: '/' }, { status: 404 }]],
  },
];
