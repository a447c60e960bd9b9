// Whole configurations: what a sidecar and a gateway are told, and that the data plane honours every part of it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cluster } from '../../proxy/config/cluster.ts';
import { decode } from '../../proxy/config/decode.ts';
import { ClusterLoadAssignment } from '../../proxy/config/endpoint.ts';
import type { HttpConnectionManager } from '../../proxy/config/http-connection-manager.ts';
import { type FilterChain, Listener } from '../../proxy/config/listener.ts';
import { RouteConfiguration } from '../../proxy/config/route.ts';
import type { Schema } from '../../proxy/config/schema.ts';
import { HTTP_CONNECTION_MANAGER_TYPE } from '../../proxy/config/type-url.ts';
import { nodeOf, serviceYaml, viewOf, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import type { MeshSettings } from './mesh-settings.ts';
import { parseProxyNode, type ProxyNode } from './proxy-node.ts';
import { Translator, type ProxyResources } from './proxy-resources.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/bookinfo/mesh', import.meta.url));
const FILES = readdirSync(EXAMPLE).sort().map((file) => readFileSync(join(EXAMPLE, file), 'utf8'));
const BOOKINFO = FILES.map((text) => `---\n${text}\n`).join('')
  + workloadYaml('reviews-v1', 'reviews', 'v1', '10.0.0.9') + workloadYaml('ratings-v1', 'ratings', 'v1', '10.0.0.4');

const SIDECAR = nodeOf({
  LABELS: { app: 'reviews', version: 'v1' }, WEFT_OUTBOUND_LISTEN: '127.0.0.1:15007',
  WEFT_APP_PORTS: { 9080: '127.0.0.1:19080' },
});
const GATEWAY = nodeOf({
  LABELS: { istio: 'ingressgateway' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 80: 8080 },
}, { kind: 'router' });

function resourcesOf(yaml: string, node: ProxyNode, settings: Partial<MeshSettings> = {}): ProxyResources {
  return new Translator(viewOf(yaml, settings)).resourcesFor(node);
}

function managerOf(chain: FilterChain | undefined): HttpConnectionManager {
  const config = chain?.filters?.at(-1)?.typedConfig;
  assert.equal(config?.['@type'], HTTP_CONNECTION_MANAGER_TYPE);
  return config;
}

function inboundOf(yaml: string, node = SIDECAR): Listener {
  const listener = resourcesOf(yaml, node).listeners.find(({ trafficDirection }) => trafficDirection === 'INBOUND');
  assert.ok(listener !== undefined);
  return listener;
}

function assertHonoured(schema: Schema, resources: readonly unknown[]): void {
  for (const resource of resources) {
    const { errors, warnings } = decode(schema, JSON.parse(JSON.stringify(resource)));
    assert.deepEqual([...errors, ...warnings].map(String), []);
  }
}

for (const [what, node] of [['sidecar', SIDECAR], ['gateway', GATEWAY]] as const) {
  test(`the data plane honours everything that a ${what} of Bookinfo is told`, () => {
    const settings = { zipkin: { host: '::1', port: 1 } };
    const { listeners, clusters, routes, endpoints } = resourcesOf(BOOKINFO, node, settings);
    assertHonoured(Listener, listeners);
    assertHonoured(Cluster, clusters);
    assertHonoured(RouteConfiguration, routes);
    assertHonoured(ClusterLoadAssignment, endpoints);
  });
}

test('the same objects give the same resources', () => {
  assert.deepEqual(resourcesOf(BOOKINFO, SIDECAR), resourcesOf(BOOKINFO, SIDECAR));
});

test('proxies with the same view share clusters and routes', () => {
  const translator = new Translator(viewOf(BOOKINFO));
  const [one, other] = [translator.resourcesFor(SIDECAR), translator.resourcesFor(SIDECAR)];
  assert.equal(one.clusters[0], other.clusters[0]);
  assert.equal(one.routes[0], other.routes[0]);
});

test('a sidecar listens where its application calls out, and at its instances of services', () => {
  const { listeners, clusters } = resourcesOf(BOOKINFO, SIDECAR);
  assert.deepEqual(listeners.map(({ name, trafficDirection }) => [name, trafficDirection]),
    [['10.0.0.9_9080', 'INBOUND'], ['127.0.0.1_15007', 'OUTBOUND']]);
  const app = clusters.find(({ name }) => name === 'inbound|9080||');
  assert.deepEqual(app?.loadAssignment?.endpoints?.[0]?.lbEndpoints?.[0]?.endpoint.address.socketAddress,
    { address: '127.0.0.1', portValue: 19080 });
});

test('hosts of the explicit proxy: every form that DNS would resolve, others 502', () => {
  const [table] = resourcesOf(BOOKINFO, SIDECAR).routes;
  assert.equal(table?.name, 'http_proxy');
  const host = table.virtualHosts?.find(({ name }) => name === 'ratings.default.svc.cluster.local:9080');
  assert.deepEqual(host?.domains, [
    'ratings.default.svc.cluster.local', 'ratings.default.svc.cluster.local:9080', 'ratings.default.svc',
    'ratings.default.svc:9080', 'ratings.default', 'ratings.default:9080', 'ratings', 'ratings:9080',
  ]);
  const other = table.virtualHosts?.at(-1);
  assert.deepEqual([other?.domains, other?.routes?.at(-1)?.directResponse?.status], [['*'], 502]);
  const domains = table.virtualHosts?.flatMap((entry) => entry.domains) ?? [];
  assert.equal(new Set(domains).size, domains.length, 'a domain stands once');
});

test('a service is asked for by its virtual addresses too', () => {
  const entry = `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: a, namespace: default }
spec:
  { hosts: [a.test], ports: [{ number: 80, name: http }], resolution: STATIC, addresses: [240.0.0.1, '2001:db8::1'] }
`;
  const service = serviceYaml('two', '  clusterIP: 10.96.0.1\n  clusterIPs: [10.96.0.1]\n');
  const hosts = resourcesOf(entry + service, SIDECAR).routes[0]?.virtualHosts ?? [];
  assert.deepEqual(hosts.find(({ name }) => name === 'a.test:80')?.domains,
    ['a.test', 'a.test:80', '240.0.0.1', '240.0.0.1:80', '[2001:db8::1]', '[2001:db8::1]:80']);
  assert.ok(hosts.some(({ domains }) => domains.includes('10.96.0.1:9080')));
  assert.equal(hosts.flatMap(({ domains }) => domains).filter((domain) => domain === '10.96.0.1').length, 1);
});

test('short names belong to callers of the same namespace', () => {
  const node = nodeOf({ NAMESPACE: 'other', WEFT_OUTBOUND_LISTEN: '127.0.0.1:1' });
  const domains = resourcesOf(BOOKINFO, node).routes[0]?.virtualHosts?.flatMap((entry) => entry.domains) ?? [];
  assert.ok(domains.includes('ratings.default') && !domains.includes('ratings'));
});

test('the bare name is port 80, or else the first HTTP port', () => {
  const ports = 'port: 8080 }, { name: http-b, port: 80 }, { name: tcp, port: 1 }';
  const two = serviceYaml('two').replace('port: 9080 }', ports);
  const [table] = resourcesOf(two, SIDECAR).routes;
  const bare = table?.virtualHosts?.find(({ domains }) => domains.includes('two'));
  assert.equal(bare?.name, 'two.default.svc.cluster.local:80');
});

test('what is not HTTP is reached by CONNECT', () => {
  const db = serviceYaml('db').replace('name: http', 'name: tcp');
  const [table] = resourcesOf(db, SIDECAR).routes;
  const host = table?.virtualHosts?.find(({ domains }) => domains.includes('db:9080'));
  assert.deepEqual(host?.routes?.[0]?.match, { connectMatcher: {} });
  assert.deepEqual(host.routes[0]?.route?.upgradeConfigs, [{ upgradeType: 'CONNECT', connectConfig: {} }]);
  assert.ok(!host.domains.includes('db'));
});

test('a host that only rules know is on port 80', () => {
  const { routes } = resourcesOf(`${serviceYaml('reviews')}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v, namespace: default }
spec: { hosts: [virtual.test], http: [{ route: [{ destination: { host: reviews } }] }] }
`, SIDECAR);
  const host = routes[0]?.virtualHosts?.find(({ name }) => name === 'virtual.test:80');
  assert.deepEqual(host?.domains, ['virtual.test', 'virtual.test:80']);
});

const PEER = (mode: string) => `
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: p, namespace: default }
spec: { mtls: { mode: ${mode} } }
`;
const REVIEWS = serviceYaml('reviews') + workloadYaml('reviews-v1', 'reviews', 'v1', '10.0.0.9');

test('STRICT is TLS alone, DISABLE plaintext alone, PERMISSIVE tells them apart by the first bytes', () => {
  const chains = (mode: string) => inboundOf(REVIEWS + PEER(mode)).filterChains
    ?.map((chain) => [chain.filterChainMatch?.transportProtocol, chain.transportSocket !== undefined]);
  assert.deepEqual(chains('STRICT'), [[undefined, true]]);
  assert.deepEqual(chains('DISABLE'), [[undefined, false]]);
  assert.deepEqual(chains('PERMISSIVE'), [['tls', true], ['raw_buffer', false]]);
  const [inspector] = inboundOf(REVIEWS + PEER('PERMISSIVE')).listenerFilters ?? [];
  assert.equal(inspector?.name, 'envoy.filters.listener.tls_inspector');
  assert.equal(inboundOf(REVIEWS + PEER('STRICT')).listenerFilters, undefined);
});

test('S53 mesh TLS is not resumed, and asks for a certificate of the trust domain', () => {
  const tls = inboundOf(REVIEWS + PEER('STRICT')).filterChains?.[0]?.transportSocket?.typedConfig;
  assert.ok(tls !== undefined && 'requireClientCertificate' in tls);
  assert.equal(tls.requireClientCertificate, true);
  assert.equal(tls.disableStatelessSessionResumption && tls.disableStatefulSessionResumption, true);
  assert.match(JSON.stringify(tls), /"sanType":"URI","matcher":\{"prefix":"spiffe:\/\/cluster\.local\/"\}/);
});

test('an opaque port takes TLS for the mesh only where ALPN says so, and is authorized as a connection', () => {
  const policy = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: a, namespace: default }
spec: { rules: [{ from: [{ source: { principals: ['*'] } }] }] }
`;
  const listener = inboundOf(REVIEWS.replaceAll('name: http', 'name: tcp').replace('http: 9080', 'tcp: 9080') + policy);
  const [secured, plain] = listener.filterChains ?? [];
  assert.deepEqual(secured?.filterChainMatch?.applicationProtocols, ['istio']);
  assert.equal(plain?.filterChainMatch, undefined);
  assert.deepEqual(secured.filters?.map(({ name }) => name),
    ['envoy.filters.network.rbac.allow', 'envoy.filters.network.tcp_proxy']);
});

test("filters stand in Istio's order, and only weft gets istio.stats", () => {
  const names = (node: ProxyNode) => {
    const { httpFilters } = managerOf(inboundOf(BOOKINFO, node).filterChains?.[0]);
    return httpFilters.map(({ name }) => name);
  };
  assert.deepEqual(names(SIDECAR), ['envoy.filters.http.rbac.allow', 'envoy.filters.http.grpc_stats',
    'envoy.filters.http.fault', 'envoy.filters.http.cors', 'istio.stats', 'envoy.filters.http.router']);
  assert.ok(!names({ ...SIDECAR, isWeft: false }).includes('istio.stats'));
});

test('to the application: no timeout, a retry for the keep-alive race, header names kept, HTTP/1.0 taken', () => {
  const manager = managerOf(inboundOf(REVIEWS).filterChains?.[0]);
  const route = manager.routeConfig?.virtualHosts?.[0]?.routes?.[0]?.route;
  assert.deepEqual([route?.timeout, route?.retryPolicy], ['0s', { retryOn: 'reset-before-request', numRetries: 2 }]);
  assert.equal(manager.httpProtocolOptions?.acceptHttp10, true);
  assert.match(JSON.stringify(manager.httpProtocolOptions), /preserve_case/);
  assert.deepEqual([manager.normalizePath, manager.forwardClientCertDetails], [true, 'APPEND_FORWARD']);
});

test('workloads that share an address are told apart by the ports that they claim', () => {
  const shared = serviceYaml('reviews')
    + workloadYaml('a', 'reviews', 'v1', '127.0.0.1').replace('http: 9080', 'http: 20001')
    + workloadYaml('b', 'reviews', 'v2', '127.0.0.1').replace('http: 9080', 'http: 20002');
  const node = nodeOf({ INSTANCE_IPS: '127.0.0.1', WEFT_APP_PORTS: { 20002: '127.0.0.1:30002' } });
  assert.deepEqual(resourcesOf(shared, node).listeners.map(({ name }) => name), ['127.0.0.1_20002']);
});

test('a gateway listens where its metadata says, and routes what is bound to it', () => {
  const { listeners, routes } = resourcesOf(BOOKINFO, GATEWAY);
  assert.deepEqual(listeners.map(({ name }) => name), ['127.0.0.1_8080']);
  const manager = managerOf(listeners[0]?.filterChains?.[0]);
  assert.deepEqual([manager.useRemoteAddress, manager.forwardClientCertDetails], [true, 'SANITIZE_SET']);
  assert.equal(manager.rds?.routeConfigName, 'http.80');
  const [table] = routes;
  assert.equal(table?.name, 'http.80');
  assert.deepEqual(table.virtualHosts?.map(({ name, domains }) => [name, domains]), [['*:80', ['*']]]);
  const [first] = table.virtualHosts?.[0]?.routes ?? [];
  assert.equal(first?.route?.cluster, 'outbound|9080||productpage.default.svc.cluster.local');
});

const EDGE = (servers: string) => `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { selector: { istio: ingressgateway }, servers: [${servers}] }
`;
const BOUND = (name: string, host: string, rule: string) => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default }
spec: { hosts: ['${host}'], gateways: [edge], http: [{ ${rule} }] }
`;
const HTTP = "{ hosts: ['*.test'], port: { number: 80, name: http, protocol: HTTP } }";

test('a gateway serves the hosts that both it and the rules have, and 404 for the rest', () => {
  const rule = 'route: [{ destination: { host: reviews } }]';
  const table = (more: string) => resourcesOf(REVIEWS + EDGE(HTTP) + more, GATEWAY).routes[0]?.virtualHosts ?? [];
  assert.deepEqual(table(BOUND('a', 'a.test', rule)).map(({ domains }) => domains), [['a.test']]);
  assert.deepEqual(table(BOUND('a', '*', rule)).map(({ domains }) => domains), [['*.test']]);
  assert.deepEqual(table(BOUND('a', 'a.other', rule)), [{ name: 'blackhole:80', domains: ['*'] }]);
  assert.deepEqual(table(''), [{ name: 'blackhole:80', domains: ['*'] }]);
});

test('rules of several objects for one host add up, the catch-all last', () => {
  const all = BOUND('a', 'a.test', 'route: [{ destination: { host: reviews } }]');
  const one = BOUND('b', 'a.test', 'match: [{ uri: { exact: /b } }], route: [{ destination: { host: reviews } }]');
  const [host] = resourcesOf(REVIEWS + EDGE(HTTP) + all + one, GATEWAY).routes[0]?.virtualHosts ?? [];
  assert.deepEqual(host?.routes?.map(({ match }) => match.path ?? match.prefix), ['/b', '/']);
});

test('a gateway redirects to https, and serves https with its own files', () => {
  const tls = 'tls: { mode: SIMPLE, serverCertificate: /c.pem, privateKey: /k.pem }';
  const servers = `${HTTP.slice(0, -2)}, tls: { httpsRedirect: true } }, `
    + `{ hosts: ['a.test'], port: { number: 443, name: https, protocol: HTTPS }, ${tls} }`;
  const { listeners, routes } = resourcesOf(REVIEWS + EDGE(servers), GATEWAY);
  assert.deepEqual(routes.map(({ name }) => name), ['http.80', 'https.443.https.edge.default']);
  assert.equal(routes[0]?.virtualHosts?.[0]?.routes?.[0]?.redirect?.httpsRedirect, true);
  const chain = listeners[1]?.filterChains?.[0];
  assert.deepEqual(chain?.filterChainMatch?.serverNames, ['a.test']);
  assert.match(JSON.stringify(chain.transportSocket), /"filename":"\/c\.pem"/);
});

const TELEMETRY = (namespace: string, name: string, spec: string) => `
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;

test('spans: 1 % unless said, narrower objects override, no collector no spans', () => {
  const zipkin = { host: '127.0.0.1', port: 15_080 };
  const sampling = (yaml: string) => {
    const { listeners } = resourcesOf(REVIEWS + yaml, SIDECAR, { zipkin });
    return listeners.map(({ filterChains }) => managerOf(filterChains?.[0]).tracing?.randomSampling?.value);
  };
  const root = TELEMETRY('istio-system', 'mesh', '{ tracing: [{ randomSamplingPercentage: 100 }] }');
  const own = TELEMETRY('default', 'ns', "{ tracing: [{ match: { mode: SERVER }, randomSamplingPercentage: 5 }] }");
  const workload = TELEMETRY('default', 'w', '{ selector: { matchLabels: { app: reviews } }, '
    + 'tracing: [{ match: { mode: CLIENT }, disableSpanReporting: true }] }');
  assert.deepEqual(sampling(''), [1, 1]);
  assert.deepEqual(sampling(root), [100, 100]);
  assert.deepEqual(sampling(root + own), [5, 100]);
  assert.deepEqual(sampling(root + own + workload), [5, undefined]);
  const { listeners, clusters } = resourcesOf(REVIEWS + root, SIDECAR);
  assert.equal(managerOf(listeners[0]?.filterChains?.[0]).tracing, undefined);
  assert.ok(!clusters.some(({ name }) => name === 'zipkin'));
});

test('log lines: off, unless an object turns them on', () => {
  const lines = (yaml: string) => resourcesOf(REVIEWS + yaml, SIDECAR).listeners
    .map(({ filterChains }) => managerOf(filterChains?.[0]).accessLog?.length ?? 0);
  const on = TELEMETRY('istio-system', 'mesh', '{ accessLogging: [{ providers: [{ name: envoy }] }] }');
  const off = TELEMETRY('default', 'ns', '{ accessLogging: [{ match: { mode: CLIENT }, disabled: true }] }');
  assert.deepEqual(lines(''), [0, 0]);
  assert.deepEqual(lines(on), [1, 1]);
  assert.deepEqual(lines(on + off), [1, 0]);
});

test('a node that cannot be served is told why', () => {
  const id = 'sidecar~10.0.0.1~a.b~b.svc.cluster.local';
  const faults: readonly (readonly [Parameters<typeof parseProxyNode>[0], RegExp])[] = [
    [{ id: 'x' }, /is not kind~ip~pod\.namespace~domain/],
    [{ id: 'waypoint~10.0.0.1~a.b~b.svc.cluster.local' }, /neither sidecar nor router/],
    [{ id, metadata: { INTERCEPTION_MODE: 'TUNNEL' } }, /use REDIRECT, TPROXY or NONE/],
    [{ id, metadata: { WEFT_OUTBOUND_LISTEN: '15001' } }, /HOST:PORT/],
    [{ id, metadata: { WEFT_APP_PORTS: { x: '1.1.1.1:1' } } }, /WEFT_APP_PORTS/],
  ];
  for (const [node, reason] of faults) {
    const fault = parseProxyNode(node);
    assert.match(typeof fault === 'string' ? fault : 'it is served', reason);
  }
});

const GRPC_WEB = 'envoy.filters.http.grpc_web';

test("browsers' gRPC becomes gRPC at ports that say grpc-web, where Istio's filter stands", () => {
  const named = (protocol: string): string => BOOKINFO.replaceAll('name: http', `name: ${protocol}`);
  const filters = (yaml: string): string[][] => resourcesOf(yaml, SIDECAR).listeners
    .map(({ filterChains }) => managerOf(filterChains?.[0]).httpFilters.map(({ name }) => name));
  for (const chain of filters(named('grpc-web'))) {
    assert.equal(chain[chain.indexOf(GRPC_WEB) + 1], 'envoy.filters.http.grpc_stats');
  }
  for (const chain of filters(named('grpc'))) assert.ok(!chain.includes(GRPC_WEB));
  const app = resourcesOf(named('grpc-web-x'), SIDECAR).clusters.find(({ name }) => name === 'inbound|9080||');
  assert.match(JSON.stringify(app), /"http2ProtocolOptions"/);
});

test("a gateway's first server of a port says whether browsers' gRPC becomes gRPC there", () => {
  for (const [protocol, stands] of [['GRPC-WEB', true], ['GRPC', false], ['HTTP', false]] as const) {
    const { listeners } = resourcesOf(REVIEWS + EDGE(HTTP.replace('HTTP }', `${protocol} }`)), GATEWAY);
    const { httpFilters } = managerOf(listeners[0]?.filterChains?.[0]);
    assert.equal(httpFilters.some(({ name }) => name === GRPC_WEB), stands, protocol);
  }
});
