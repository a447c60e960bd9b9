// Rules of VirtualServices as routes: matches, actions, retries, faults, header changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../../proxy/config/decode.ts';
import { type Route, RouteConfiguration } from '../../proxy/config/route.ts';
import { serviceYaml, viewOf } from '../../test/harness/mesh-fixture.ts';
import type { Scope } from './mesh-view.ts';
import { virtualServiceRoutes } from './virtual-service.ts';

const SCOPE: Scope = { namespace: 'default', labels: new Map([['app', 'productpage']]), isWeft: true };

function routesOf(http: string, port = 9080, gateway = 'mesh', scope = SCOPE): Route[] {
  const view = viewOf(`${serviceYaml('reviews')}${serviceYaml('two').replace('port: 9080 }',
    'port: 80 }, { name: http-b, port: 81 }')}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: rules, namespace: default }
spec:
  hosts: [reviews]
  http:
    - ${http}
`);
  const [object] = view.inventory.list('VirtualService');
  const routes = virtualServiceRoutes(view, object!, { scope, gateway, port });
  const plain = JSON.parse(JSON.stringify(routes)) as unknown[];
  const table = { virtualHosts: [{ name: 'a', domains: ['*'], routes: plain }] };
  const { errors, warnings } = decode(RouteConfiguration, table);
  assert.deepEqual([errors, warnings], [[], []], 'the data plane honours all of it');
  return routes;
}

function routeOf(rule: string): Route {
  const [route] = routesOf(`{ ${rule} }`);
  assert.ok(route !== undefined);
  return route;
}

const TO_REVIEWS = 'route: [{ destination: { host: reviews } }]';
const REVIEWS = 'outbound|9080||reviews.default.svc.cluster.local';
const header = (name: string, more: object) => ({ name, ...more });

const MATCHES: readonly (readonly [string, object])[] = [
  ['uri: { exact: /a }', { path: '/a' }],
  ['uri: { prefix: /a }', { prefix: '/a' }],
  ["uri: { regex: '/a.*' }", { safeRegex: { regex: '/a.*' } }],
  ['uri: { prefix: /a }, ignoreUriCase: true', { prefix: '/a', caseSensitive: false }],
  ['headers: { End-User: { exact: jason } }',
    { prefix: '/', headers: [header('end-user', { stringMatch: { exact: 'jason' } })] }],
  ['headers: { a: {} }', { prefix: '/', headers: [header('a', { presentMatch: true })] }],
  ["headers: { a: { regex: '*' } }", { prefix: '/', headers: [header('a', { presentMatch: true })] }],
  ['withoutHeaders: { a: { exact: b } }', {
    prefix: '/',
    headers: [header('a', { stringMatch: { exact: 'b' }, invertMatch: true, treatMissingHeaderAsEmpty: true })],
  }],
  ['withoutHeaders: { a: {} }', { prefix: '/', headers: [header('a', { presentMatch: true, invertMatch: true })] }],
  ['method: { exact: GET }', { prefix: '/', headers: [header(':method', { stringMatch: { exact: 'GET' } })] }],
  ['authority: { prefix: a }', { prefix: '/', headers: [header(':authority', { stringMatch: { prefix: 'a' } })] }],
  ["queryParams: { v: { exact: '' } }",
    { prefix: '/', queryParameters: [header('v', { stringMatch: { exact: '' } })] }],
  ['queryParams: { v: {} }', { prefix: '/', queryParameters: [header('v', { presentMatch: true })] }],
];

for (const [match, expected] of MATCHES) {
  test(`match ${match}`, () => assert.deepEqual(routeOf(`match: [{ ${match} }], ${TO_REVIEWS}`).match, expected));
}

test('each match is a route of its own, and nothing follows a catch-all', () => {
  const routes = routesOf(`match: [{ uri: { exact: /a }, name: a }, { uri: { exact: /b } }]
      name: rule
      ${TO_REVIEWS}
    - ${TO_REVIEWS}
    - match: [{ uri: { exact: /never } }]
      ${TO_REVIEWS}`);
  assert.deepEqual(routes.map(({ name, match }) => [name, match.path ?? match.prefix]),
    [['rule.a', '/a'], ['rule', '/b'], [undefined, '/']]);
});

test('a rule that asks for a claim alone does not take every request', () => {
  const claim = "headers: { '@request.auth.claims.group': { exact: a } }";
  const routes = routesOf(`match: [{ ${claim} }]
      ${TO_REVIEWS}
    - match: [{ uri: { prefix: / }, ignoreUriCase: true }]
      ${TO_REVIEWS}
    - ${TO_REVIEWS}`);
  assert.deepEqual(routes.map(({ match }) => Object.keys(match)),
    [['prefix', 'dynamicMetadata'], ['prefix', 'caseSensitive']]);
});

test('who calls, on which port and by which gateway is decided when the table is made', () => {
  const count = (match: string, port = 9080, gateway = 'mesh') =>
    routesOf(`{ match: [{ ${match} }], ${TO_REVIEWS} }`, port, gateway).length;
  assert.equal(count('port: 9080'), 1);
  assert.equal(count('port: 80'), 0);
  assert.equal(count('sourceLabels: { app: productpage }'), 1);
  assert.equal(count('sourceLabels: { app: other }'), 0);
  assert.equal(count('sourceNamespace: other'), 0);
  assert.equal(count('gateways: [edge]'), 0);
  assert.equal(count('gateways: [edge]', 9080, 'default/edge'), 1);
  assert.equal(count('gateways: [edge, mesh], sourceLabels: { app: other }'), 1, 'gateways go before labels');
});

test('a destination is named by port and subset; its port is its own, the only one, or the one that was called', () => {
  const cluster = (destination: string, port = 9080) =>
    routesOf(`{ route: [{ destination: { ${destination} } }] }`, port)[0]?.route?.cluster;
  assert.equal(cluster('host: reviews, subset: v1'), 'outbound|9080|v1|reviews.default.svc.cluster.local');
  assert.equal(cluster('host: reviews', 80), REVIEWS);
  assert.equal(cluster('host: two', 81), 'outbound|81||two.default.svc.cluster.local');
  assert.equal(cluster('host: two, port: { number: 80 }', 81), 'outbound|80||two.default.svc.cluster.local');
  assert.equal(cluster('host: gone.test', 81), 'outbound|81||gone.test');
});

test('weights become weighted clusters, without those of weight 0', () => {
  const { route } = routeOf('route: [{ destination: { host: reviews, subset: v1 }, weight: 90 }, '
    + '{ destination: { host: reviews, subset: v2 }, weight: 10, headers: { response: { set: { x: y } } } }, '
    + '{ destination: { host: two } }]');
  assert.deepEqual(route?.weightedClusters?.clusters.map(({ name, weight }) => [name?.split('|')[2], weight]),
    [['v1', 90], ['v2', 10]]);
  assert.equal(route.weightedClusters.clusters[1]?.responseHeadersToAdd?.[0]?.header.value, 'y');
});

test('no timeout unless it is given, and then in any unit of Go', () => {
  assert.equal(routeOf(TO_REVIEWS).route?.timeout, '0s');
  assert.equal(routeOf(TO_REVIEWS).route?.maxStreamDuration?.grpcTimeoutHeaderMax, '0s');
  assert.equal(routeOf(`timeout: 2s, ${TO_REVIEWS}`).route?.maxGrpcTimeout, '2s');
  assert.equal(routeOf(`timeout: 1h30m, ${TO_REVIEWS}`).route?.timeout, '5400s');
  assert.equal(routeOf(`timeout: 250ms, ${TO_REVIEWS}`).route?.timeout, '0.25s');
});

test("retries are Istio's default, without 503", () => {
  const policy = routeOf(TO_REVIEWS).route?.retryPolicy;
  assert.equal(policy?.retryOn, 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes');
  assert.equal(policy.numRetries, 2);
  assert.equal(policy.retriableStatusCodes, undefined);
  assert.equal(policy.hostSelectionRetryMaxAttempts, 5);
});

test('statuses among the words of retryOn become retriable status codes', () => {
  const policy = routeOf('retries: { attempts: 3, perTryTimeout: 2s, backoff: 10ms, retryOn: '
    + `'connect-failure, reset-before-request,503' }, ${TO_REVIEWS}`).route?.retryPolicy;
  assert.equal(policy?.retryOn, 'connect-failure,reset-before-request,retriable-status-codes');
  assert.deepEqual(policy.retriableStatusCodes, [503]);
  assert.deepEqual([policy.numRetries, policy.perTryTimeout, policy.retryBackOff?.baseInterval], [3, '2s', '0.01s']);
});

test('retryRemoteLocalities sends every second retry on to the next priority', () => {
  const policy = routeOf(`retries: { attempts: 3, retryRemoteLocalities: true }, ${TO_REVIEWS}`).route?.retryPolicy;
  assert.equal(policy?.retryPriority?.typedConfig.updateFrequency, 2);
});

test('attempts 0 turns retries off, retryIgnorePreviousHosts false lets a host be tried again', () => {
  assert.equal(routeOf(`retries: { attempts: 0 }, ${TO_REVIEWS}`).route?.retryPolicy, undefined);
  const again = routeOf(`retries: { attempts: 1, retryIgnorePreviousHosts: false }, ${TO_REVIEWS}`).route?.retryPolicy;
  assert.equal(again?.retryHostPredicate, undefined);
  assert.equal(again?.retryPriority, undefined);
});

test('faults are for the route, in millionths', () => {
  const route = routeOf('fault: { delay: { fixedDelay: 7s, percentage: { value: 0.01 } }, '
    + `abort: { httpStatus: 500, percentage: { value: 100 } } }, ${TO_REVIEWS}`);
  const fault = route.typedPerFilterConfig?.['envoy.filters.http.fault'] as Record<string, unknown>;
  assert.deepEqual(fault['delay'], { fixedDelay: '7s', percentage: { numerator: 100, denominator: 'MILLION' } });
  assert.deepEqual(fault['abort'], { httpStatus: 500, percentage: { numerator: 1_000_000, denominator: 'MILLION' } });
  const grpc = routeOf(`fault: { abort: { grpcStatus: UNAVAILABLE, percentage: { value: 100 } } }, ${TO_REVIEWS}`);
  const { abort } = grpc.typedPerFilterConfig!['envoy.filters.http.fault'] as unknown as Record<string, unknown>;
  assert.deepEqual(abort, { grpcStatus: 14, percentage: { numerator: 1_000_000, denominator: 'MILLION' } });
});

test('header changes: set overwrites, add appends, Host is a rewrite of the authority', () => {
  const route = routeOf("headers: { request: { set: { b: '1', Host: new.test }, add: { a: '2' }, remove: [c] }, "
    + `response: { remove: [d] } }, ${TO_REVIEWS}`);
  assert.deepEqual(route.requestHeadersToAdd?.map(({ header: { key }, appendAction }) => [key, appendAction]),
    [['b', 'OVERWRITE_IF_EXISTS_OR_ADD'], ['a', 'APPEND_IF_EXISTS_OR_ADD']]);
  assert.deepEqual([route.requestHeadersToRemove, route.responseHeadersToRemove], [['c'], ['d']]);
  assert.equal(route.route?.hostRewriteLiteral, 'new.test');
});

test('rewrites, redirects and direct responses', () => {
  assert.equal(routeOf(`rewrite: { uri: /v2 }, ${TO_REVIEWS}`).route?.prefixRewrite, '/v2');
  const regex = routeOf(`rewrite: { uriRegexRewrite: { match: '/a/(.*)', rewrite: '/b/\\1' } }, ${TO_REVIEWS}`);
  assert.deepEqual(regex.route?.regexRewrite, { pattern: { regex: '/a/(.*)' }, substitution: '/b/\\1' });
  assert.deepEqual(routeOf('redirect: { uri: /n, authority: a.test, port: 8080, redirectCode: 307 }').redirect,
    { hostRedirect: 'a.test', pathRedirect: '/n', portRedirect: 8080, responseCode: 'TEMPORARY_REDIRECT' });
  assert.equal(routeOf('redirect: { scheme: https, port: 443 }').redirect?.portRedirect, undefined);
  assert.equal(routeOf('redirect: { derivePort: FROM_REQUEST_PORT }').redirect?.portRedirect, 9080);
  assert.deepEqual(routeOf('directResponse: { status: 418, body: { string: tea } }').directResponse,
    { status: 418, body: { inlineString: 'tea' } });
});

test('a route says where it was written, and names its span', () => {
  const route = routeOf(`match: [{ uri: { prefix: /a } }], ${TO_REVIEWS}`);
  assert.deepEqual(route.metadata?.filterMetadata?.['istio'], {
    config: '/apis/networking.istio.io/v1/namespaces/default/virtual-service/rules', source: 'test.yaml:25',
  });
  assert.equal(route.decorator?.operation, 'reviews.default.svc.cluster.local:9080/a*');
});
