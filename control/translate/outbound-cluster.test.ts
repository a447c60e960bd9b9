// Clusters of services: names, subsets, policies, and when mutual TLS is spoken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../../proxy/config/cluster.ts';
import { UPSTREAM_PROXY_PROTOCOL_TYPE, UPSTREAM_TLS_TYPE } from '../../proxy/config/type-url.ts';
import type { UpstreamTlsContext } from '../../proxy/config/tls.ts';
import { serviceYaml, viewOf, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import { serviceClusters, type OutboundCluster } from './outbound-cluster.ts';

const MESH = serviceYaml('reviews')
  + workloadYaml('reviews-v1', 'reviews', 'v1', '10.0.0.1') + workloadYaml('reviews-v2', 'reviews', 'v2', '10.0.0.2');

const rule = (spec: string, namespace = 'default', name = 'reviews') => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: ${namespace} }
spec: { host: reviews.default.svc.cluster.local, ${spec} }
`;

interface Caller {
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly isWeft?: boolean;
  readonly isGateway?: boolean;
}

function clustersOf(yaml: string, caller: Caller = {}): OutboundCluster[] {
  const { namespace = 'default', labels = {}, isWeft = true, isGateway = false } = caller;
  const view = viewOf(yaml);
  const scope = { namespace, labels: new Map(Object.entries(labels)), isWeft, isGateway };
  return view.registry.visibleFrom(namespace).flatMap((service) => serviceClusters(view, scope, service));
}

function clusterOf(yaml: string, subset = '', caller: Caller = {}): Cluster {
  const found = clustersOf(yaml, caller).find(({ cluster }) => cluster.name.split('|')[2] === subset);
  assert.ok(found !== undefined);
  return found.cluster;
}

/** The context of mutual TLS, by rule or by itself. */
function tlsOf(cluster: Cluster): UpstreamTlsContext | undefined {
  const [match] = cluster.transportSocketMatches ?? [];
  const config = (match?.transportSocket ?? cluster.transportSocket)?.typedConfig;
  return config?.['@type'] === UPSTREAM_TLS_TYPE ? config : undefined;
}

test('a service has a cluster for each port and each subset, with the endpoints of that subset', () => {
  const made = clustersOf(MESH + rule('subsets: [{ name: v2, labels: { version: v2 } }]'));
  assert.deepEqual(made.map(({ cluster }) => cluster.name),
    ['outbound|9080||reviews.default.svc.cluster.local', 'outbound|9080|v2|reviews.default.svc.cluster.local']);
  const addresses = made.map(({ endpoints }) => endpoints?.endpoints?.flatMap(({ lbEndpoints = [] }) =>
    lbEndpoints.map(({ endpoint }) => endpoint.address.socketAddress?.address)));
  assert.deepEqual(addresses, [['10.0.0.1', '10.0.0.2'], ['10.0.0.2']]);
  assert.equal(made[1]?.cluster.edsClusterConfig?.serviceName, made[1]?.cluster.name);
});

test("Istio's defaults: least request, 10 s to connect, no limits, no panic, header names kept", () => {
  const cluster = clusterOf(MESH);
  assert.deepEqual([cluster.lbPolicy, cluster.connectTimeout], ['LEAST_REQUEST', '10s']);
  assert.equal(cluster.circuitBreakers?.thresholds?.[0]?.maxRequests, 4_294_967_295);
  assert.equal(cluster.commonLbConfig?.healthyPanicThreshold?.value, 0);
  assert.equal(cluster.outlierDetection, undefined);
  assert.match(JSON.stringify(cluster.typedExtensionProtocolOptions), /preserve_case/);
});

test('an endpoint names its workload, as Istio does, and says that it speaks mutual TLS', () => {
  const [first] = clustersOf(MESH);
  const metadata = first?.endpoints?.endpoints?.[0]?.lbEndpoints?.[0]?.metadata?.filterMetadata;
  assert.equal(metadata?.['istio']?.['workload'], 'reviews-v1;default;reviews;v1;Kubernetes');
  assert.deepEqual({ ...metadata['envoy.transport_socket_match'] }, { tlsMode: 'istio' });
});

test('mutual TLS by itself: own certificate by SDS, the identities of the service, its SNI, no resumption', () => {
  const tls = tlsOf(clusterOf(MESH + rule('subsets: [{ name: v1, labels: { version: v1 } }]'), 'v1'));
  assert.equal(tls?.sni, 'outbound_.9080_.v1_.reviews.default.svc.cluster.local');
  assert.equal(tls.maxSessionKeys, 0);
  const common = tls.commonTlsContext;
  assert.deepEqual(common.alpnProtocols, ['istio']);
  assert.equal(common.tlsCertificateSdsSecretConfigs?.[0]?.name, 'default');
  assert.equal(common.combinedValidationContext?.validationContextSdsSecretConfig.name, 'ROOTCA');
  assert.deepEqual(common.combinedValidationContext.defaultValidationContext.matchTypedSubjectAltNames,
    [{ sanType: 'URI', matcher: { exact: 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews' } }]);
});

test('no sidecar, no TLS; peers that DISABLE it, no TLS', () => {
  const plain = MESH.replaceAll('  serviceAccount: bookinfo-reviews\n', '');
  assert.equal(tlsOf(clusterOf(plain)), undefined);
  const disabled = `${MESH}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: d, namespace: default }
spec: { mtls: { mode: DISABLE } }
`;
  assert.equal(tlsOf(clusterOf(disabled)), undefined);
  assert.ok(tlsOf(clusterOf(serviceYaml('reviews'))), 'endpoints that are not known yet may have sidecars');
});

test('where only some endpoints have a sidecar each says so itself', () => {
  const bare = workloadYaml('bare', 'reviews', 'v3', '10.0.0.3').replace('  serviceAccount: bookinfo-reviews\n', '');
  const [made] = clustersOf(MESH + bare);
  assert.deepEqual(made?.cluster.transportSocketMatches?.map(({ name, match }) => [name, match]),
    [['tlsMode-istio', { tlsMode: 'istio' }], ['tlsMode-disabled', {}]]);
  const modes = made.endpoints?.endpoints?.[0]?.lbEndpoints?.map(({ metadata }) =>
    metadata?.filterMetadata?.['envoy.transport_socket_match']?.['tlsMode']);
  assert.deepEqual(modes, ['istio', 'istio', undefined]);
});

test('a rule decides on TLS: DISABLE, SIMPLE with files, ISTIO_MUTUAL', () => {
  const withTls = (tls: string) => clusterOf(MESH + rule(`trafficPolicy: { tls: { ${tls} } }`));
  assert.equal(tlsOf(withTls('mode: DISABLE')), undefined);
  const simple = tlsOf(withTls('mode: SIMPLE, caCertificates: /ca.pem, sni: a.test'));
  assert.equal(simple?.sni, 'a.test');
  assert.equal(simple.commonTlsContext.validationContext?.trustedCa?.filename, '/ca.pem');
  assert.deepEqual(simple.commonTlsContext.validationContext.matchTypedSubjectAltNames,
    [{ sanType: 'DNS', matcher: { exact: 'reviews.default.svc.cluster.local' } }]);
  const mutual = tlsOf(withTls("mode: ISTIO_MUTUAL, subjectAltNames: ['spiffe://a/ns/b/sa/c']"));
  assert.match(JSON.stringify(mutual), /spiffe:\/\/a\/ns\/b\/sa\/c/);
});

const TLS_RULE = (tls: string, more = '') => rule(`${more} trafficPolicy: { tls: { ${tls} } }`);

test("without roots a rule verifies by the system's, which Envoy must be told where to find", () => {
  const validation = (isWeft: boolean) =>
    tlsOf(clusterOf(MESH + TLS_RULE('mode: SIMPLE'), '', { isWeft }))?.commonTlsContext.validationContext;
  assert.deepEqual(validation(true), {
    systemRootCerts: {},
    matchTypedSubjectAltNames: [{ sanType: 'DNS', matcher: { exact: 'reviews.default.svc.cluster.local' } }],
  });
  assert.equal(validation(false)?.trustedCa?.filename, '/etc/ssl/certs/ca-certificates.crt');
});

test('a Secret is for gateways and selected sidecars; what others call by it fails, and is not sent in clear', () => {
  const common = (more: string, caller: Caller) =>
    tlsOf(clusterOf(MESH + TLS_RULE('mode: MUTUAL, credentialName: out', more), '', caller))?.commonTlsContext;
  const selector = 'workloadSelector: { matchLabels: { app: a } },';
  for (const given of [common('', { isGateway: true }), common(selector, { labels: { app: 'a' } })]) {
    assert.equal(given?.tlsCertificateSdsSecretConfigs?.[0]?.name, 'kubernetes://out');
    const { validationContextSdsSecretConfig: roots } = given.combinedValidationContext ?? {};
    assert.deepEqual(roots, {
      name: 'kubernetes://out-cacert',
      sdsConfig: { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' },
    });
  }
  const refused = common('', {});
  assert.equal(refused?.tlsCertificateSdsSecretConfigs, undefined);
  assert.equal(refused?.combinedValidationContext?.validationContextSdsSecretConfig.name, 'ROOTCA');
});

test('of a wildcard each request names its server', () => {
  const wide = `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: wide, namespace: default }
spec:
  hosts: ['*.wide.test']
  ports: [{ number: 443, name: http }]
  resolution: STATIC
  endpoints: [{ address: 1.1.1.1 }]
`;
  const named = (tls: string) =>
    clusterOf(wide + TLS_RULE(tls).replace('reviews.default.svc.cluster.local', "'*.wide.test'"));
  const open = named('mode: SIMPLE');
  assert.match(JSON.stringify(open.typedExtensionProtocolOptions), /"autoSni":true,"autoSanValidation":true/);
  assert.deepEqual(tlsOf(open)?.commonTlsContext.validationContext, { systemRootCerts: {} });
  assert.equal(tlsOf(open)?.sni, undefined);
  const fixed = named('mode: SIMPLE, sni: a.wide.test');
  assert.doesNotMatch(JSON.stringify(fixed.typedExtensionProtocolOptions), /autoSni/);
  assert.equal(tlsOf(fixed)?.sni, 'a.wide.test');
});

test('a subset overrides block by block, a port replaces all blocks', () => {
  const yaml = `${MESH}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: { simple: RANDOM }
    connectionPool: { tcp: { maxConnections: 7, connectTimeout: 1s } }
    outlierDetection: { consecutive5xxErrors: 3 }
    portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: ROUND_ROBIN } }]
  subsets:
    - { name: a, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } } }
    - { name: b, trafficPolicy: { portLevelSettings: [{ port: { number: 9080 }, loadBalancer: { simple: RANDOM } }] } }
`;
  const [top, a, b] = ['', 'a', 'b'].map((subset) => clusterOf(yaml, subset));
  assert.deepEqual([top?.lbPolicy, a?.lbPolicy, b?.lbPolicy], ['RANDOM', 'ROUND_ROBIN', 'RANDOM']);
  assert.deepEqual([top?.connectTimeout, a?.connectTimeout, b?.connectTimeout], ['1s', '1s', '10s']);
  assert.deepEqual([a?.outlierDetection?.consecutive5xx, b?.outlierDetection], [3, undefined]);
});

test("the caller's namespace goes before the service's, and that before the root", () => {
  const policy = (simple: string) => `trafficPolicy: { loadBalancer: { simple: ${simple} } }`;
  const root = rule(policy('RANDOM'), 'istio-system');
  assert.equal(clusterOf(MESH + root, '', { namespace: 'a' }).lbPolicy, 'RANDOM');
  const service = root + rule(policy('ROUND_ROBIN'));
  assert.equal(clusterOf(MESH + service, '', { namespace: 'a' }).lbPolicy, 'ROUND_ROBIN');
  const caller = service + rule(policy('LEAST_REQUEST'), 'a');
  assert.equal(clusterOf(MESH + caller, '', { namespace: 'a' }).lbPolicy, 'LEAST_REQUEST');
  const hidden = root + rule(`exportTo: [.], ${policy('ROUND_ROBIN')}`);
  assert.equal(clusterOf(MESH + hidden, '', { namespace: 'a' }).lbPolicy, 'RANDOM');
});

test('a rule with a workload selector is for those callers only', () => {
  const yaml = MESH + rule('workloadSelector: { matchLabels: { app: x } }, trafficPolicy: '
    + '{ loadBalancer: { simple: RANDOM } }');
  assert.equal(clusterOf(yaml, '', { labels: { app: 'x' } }).lbPolicy, 'RANDOM');
  assert.equal(clusterOf(yaml).lbPolicy, 'LEAST_REQUEST');
});

test('limits, ejection and keep-alive', () => {
  const cluster = clusterOf(MESH + rule(`trafficPolicy: { connectionPool: {
    tcp: { maxConnections: 1, maxConnectionDuration: 1m, tcpKeepalive: { time: 90s } },
    http: { http1MaxPendingRequests: 2, http2MaxRequests: 3, maxRetries: 4, maxRequestsPerConnection: 5,
      idleTimeout: 6s } },
    outlierDetection: { consecutiveErrors: 2, consecutive5xxErrors: 0, maxEjectionPercent: 50, minHealthPercent: 30 },
    retryBudget: { percent: 10 } }`));
  const [limits] = cluster.circuitBreakers?.thresholds ?? [];
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = limits ?? {};
  assert.deepEqual([maxConnections, maxPendingRequests, maxRequests, maxRetries], [1, 2, 3, 4]);
  assert.deepEqual(limits?.retryBudget, { budgetPercent: { value: 10 }, minRetryConcurrency: 3 });
  assert.match(JSON.stringify(cluster.typedExtensionProtocolOptions),
    /"idleTimeout":"6s","maxRequestsPerConnection":5,"maxConnectionDuration":"60s"/);
  assert.deepEqual(cluster.outlierDetection, {
    consecutive5xx: 1, enforcingConsecutive5xx: 0,
    consecutiveGatewayFailure: 2, enforcingConsecutiveGatewayFailure: 100,
    maxEjectionPercent: 50,
    enforcingSuccessRate: 0, enforcingLocalOriginSuccessRate: 0,
  });
  assert.equal(cluster.commonLbConfig?.healthyPanicThreshold?.value, 30);
  assert.equal(cluster.upstreamConnectionOptions?.tcpKeepalive?.keepaliveTime, 90);
});

test('a ServiceEntry by DNS is a STRICT_DNS cluster in clear', () => {
  const [made] = clustersOf(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: o, namespace: default }
spec: { hosts: [o.test], ports: [{ number: 80, name: http }], resolution: DNS }
`);
  assert.equal(made?.cluster.type, 'STRICT_DNS');
  assert.equal(made.endpoints, undefined);
  assert.equal(tlsOf(made.cluster), undefined);
  const [endpoint] = made.cluster.loadAssignment?.endpoints?.[0]?.lbEndpoints ?? [];
  assert.equal(endpoint?.endpoint.address.socketAddress?.address, 'o.test');
});

test('DNS_ROUND_ROBIN is a LOGICAL_DNS cluster of one name, and STRICT_DNS of more', () => {
  const typeOf = (endpoints: string): unknown => clustersOf(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: o, namespace: default }
spec: { hosts: [o.test], ports: [{ number: 80, name: http }], resolution: DNS_ROUND_ROBIN${endpoints} }
`)[0]?.cluster.type;
  assert.equal(typeOf(''), 'LOGICAL_DNS');
  assert.equal(typeOf(', endpoints: [{ address: a.test }]'), 'LOGICAL_DNS');
  assert.equal(typeOf(', endpoints: [{ address: a.test }, { address: b.test }]'), 'STRICT_DNS');
});

test('HTTP/2 is spoken to ports that are named for it, and to others where a rule says so', () => {
  const protocolOf = (mesh: string): unknown => {
    const { typedExtensionProtocolOptions: options = {} } = clusterOf(mesh);
    const { explicitHttpConfig, useDownstreamProtocolConfig } = Object.values(options)[0] ?? {};
    return explicitHttpConfig === undefined ? { useDownstreamProtocolConfig } : { explicitHttpConfig };
  };
  const grpc = MESH.replace('name: http, port', 'name: grpc, port');
  assert.deepEqual(protocolOf(grpc), { explicitHttpConfig: { http2ProtocolOptions: {} } });
  assert.match(JSON.stringify(tlsOf(clusterOf(grpc))), /"alpnProtocols":\["istio","h2"\]/);
  assert.match(JSON.stringify(protocolOf(MESH)), /"httpProtocolOptions"/);
  assert.match(JSON.stringify(tlsOf(clusterOf(MESH))), /"alpnProtocols":\["istio"\]/);
  const pool = (http: string): string => `${MESH}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: pool, namespace: default }
spec: { host: reviews, trafficPolicy: { connectionPool: { http: { ${http} } } } }
`;
  const upgraded = protocolOf(pool('h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 7'));
  assert.deepEqual(upgraded, { explicitHttpConfig: { http2ProtocolOptions: { maxConcurrentStreams: 7 } } });
  assert.match(JSON.stringify(protocolOf(pool('useClientProtocol: true'))), /^\{"useDownstreamProtocolConfig"/);
});

test('connections of HTTP/2 are probed by PING where a rule says so', () => {
  const http = 'http: { h2UpgradePolicy: UPGRADE, http2KeepAlive: { interval: 1m }, maxConcurrentStreams: 7 }';
  const cluster = clusterOf(MESH + rule(`trafficPolicy: { connectionPool: { ${http} } }`));
  const options = Object.values(cluster.typedExtensionProtocolOptions ?? {})[0]?.explicitHttpConfig;
  assert.deepEqual(options?.http2ProtocolOptions,
    { maxConcurrentStreams: 7, connectionKeepalive: { interval: '60s', timeout: '20s' } });
});

test('servers are told of clients in the PROXY protocol, whatever comes after it', () => {
  const version = 'proxyProtocol: { version: V2 }';
  const wrapped = (cluster: Cluster): unknown[] => [
    cluster.transportSocket, ...(cluster.transportSocketMatches ?? []).map((match) => match.transportSocket),
  ].map((socket) => {
    const config = socket?.typedConfig;
    return config?.['@type'] === UPSTREAM_PROXY_PROTOCOL_TYPE
      ? [config.config?.version ?? 'V1', config.transportSocket.name] : socket?.name;
  });
  const plain = `trafficPolicy: { ${version}, tls: { mode: DISABLE } }`;
  assert.deepEqual(wrapped(clusterOf(MESH + rule(plain))), [['V2', 'envoy.transport_sockets.raw_buffer']]);
  const mesh = `trafficPolicy: { proxyProtocol: {}, portLevelSettings: [{ port: { number: 9080 }, tls: {
    mode: ISTIO_MUTUAL } }] }`;
  assert.deepEqual(wrapped(clusterOf(MESH + rule(mesh))), [['V1', 'envoy.transport_sockets.tls']]);
  assert.deepEqual(wrapped(clusterOf(MESH + rule(`trafficPolicy: { ${version} }`))),
    [undefined, ['V2', 'envoy.transport_sockets.tls'], ['V2', 'envoy.transport_sockets.raw_buffer']]);
});
