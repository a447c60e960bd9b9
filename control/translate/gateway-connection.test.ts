// Gateways that carry bytes: TCP, TLS that ends there or goes on by its name, and which server of a port holds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from '../../proxy/config/cluster.ts';
import { decode } from '../../proxy/config/decode.ts';
import { Listener, type FilterChain } from '../../proxy/config/listener.ts';
import { TCP_PROXY_TYPE } from '../../proxy/config/type-url.ts';
import { inventoryOf, nodeOf, serviceYaml, viewOf } from '../../test/harness/mesh-fixture.ts';
import { Translator, type ProxyResources } from './proxy-resources.ts';

const NODE = nodeOf({ LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1' }, { kind: 'router' });

const object = (kind: string, name: string, spec: string, namespace = 'default'): string => `
---
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
const server = (port: number, protocol: string, host: string, tls = ''): string =>
  `{ port: { number: ${port}, name: p${port}, protocol: ${protocol} }, hosts: ['${host}']${tls && `, tls: ${tls}`} }`;
const edge = (...servers: string[]): string =>
  object('Gateway', 'edge', `{ selector: { istio: edge }, servers: [${servers.join(', ')}] }`);
const bound = (name: string, host: string, rules: string, namespace = 'default'): string =>
  object('VirtualService', name, `{ hosts: ['${host}'], gateways: [default/edge], ${rules} }`, namespace);

const MESH = serviceYaml('a') + serviceYaml('b');
const TO_A = 'route: [{ destination: { host: a } }]';
const A = 'outbound|9080||a.default.svc.cluster.local';
const B = A.replace('a.default', 'b.default');
const FILES = 'serverCertificate: /c.pem, privateKey: /k.pem';

function resources(yaml: string): ProxyResources {
  const made = new Translator(viewOf(MESH + yaml)).resourcesFor(NODE);
  for (const [schema, values] of [[Listener, made.listeners], [Cluster, made.clusters]] as const) {
    for (const value of values) {
      const { errors, warnings } = decode(schema as typeof Listener, JSON.parse(JSON.stringify(value)));
      assert.deepEqual([...errors, ...warnings].map(String), []);
    }
  }
  return made;
}

function chainsOf(yaml: string, at = 0): readonly FilterChain[] {
  return resources(yaml).listeners[at]?.filterChains ?? [];
}

/** Server names and where they lead. */
function leads(chains: readonly FilterChain[]): unknown[] {
  return chains.map(({ filterChainMatch, filters }) => {
    const config = filters?.at(-1)?.typedConfig;
    assert.ok(config?.['@type'] === TCP_PROXY_TYPE);
    const shares = config.weightedClusters?.clusters.map(({ name, weight }) => `${name} ${weight}`);
    return [filterChainMatch?.serverNames ?? [], config.cluster ?? shares];
  });
}

test('a TCP server goes where the first tcp rule for its port says, by weight, with the policy of the first', () => {
  const rules = `tcp: [{ match: [{ port: 1 }], ${TO_A} }, { match: [{ port: 99 }], route: [
    { destination: { host: b }, weight: 3 }, { destination: { host: a }, weight: 1 }] }, { ${TO_A} }]`;
  const policy = object('DestinationRule', 'b', '{ host: b, trafficPolicy: { loadBalancer: { consistentHash: '
    + '{ useSourceIp: true } }, connectionPool: { tcp: { idleTimeout: 5s, maxConnectionDuration: 1m } } } }');
  const [chain] = chainsOf(edge(server(99, 'TCP', '*')) + bound('v', '*', rules) + policy);
  assert.ok(chain !== undefined);
  assert.deepEqual(leads([chain]), [[[], [`${B} 3`, `${A} 1`]]]);
  const config = chain.filters?.[0]?.typedConfig as object;
  assert.deepEqual({ ...config, weightedClusters: undefined }, {
    '@type': TCP_PROXY_TYPE, statPrefix: 'v.default', idleTimeout: '5s', maxDownstreamConnectionDuration: '60s',
    hashPolicy: [{ sourceIp: {} }], weightedClusters: undefined,
  });
});

test('without a rule for its bytes a server has no listener', () => {
  const http = bound('v', '*', `http: [{ ${TO_A} }]`);
  assert.deepEqual(resources(edge(server(99, 'TCP', '*'), server(443, 'TLS', '*', '{}')) + http).listeners, []);
});

test('TLS passes by the names that server and rule have in common, each once, the older rule first', () => {
  const rules = (names: string, host: string, more = '') =>
    `tls: [{ match: [{ sniHosts: [${names}]${more} }], route: [{ destination: { host: ${host} } }] }]`;
  const yaml = edge(server(443, 'TLS', '*.test', '{ mode: PASSTHROUGH }'))
    + bound('v', '*.test', rules('x.test, y.test', 'a')) + bound('w', '*.test', rules('x.test, z.test', 'b'))
    + bound('x', '*', rules("'*'", 'b')) + bound('y', '*.test', rules('p.test', 'b', ', port: 1'))
    + bound('z', '*.other', rules('n.other', 'b'));
  const chains = chainsOf(yaml);
  assert.deepEqual(leads(chains), [[['x.test', 'y.test'], A], [['z.test'], B], [['*.test'], B]]);
  assert.ok(chains.every(({ transportSocket }) => transportSocket === undefined));
  assert.match(JSON.stringify(resources(yaml).listeners[0]?.listenerFilters), /tls_inspector/);
});

test('TLS that ends at the gateway: bytes by tcp rules, HTTPS by http rules, clients by all that Istio checks', () => {
  const hash = 'aB'.repeat(32);
  const mutual = `{ mode: MUTUAL, ${FILES}, caCertificates: /ca.pem, caCrl: /crl.pem, subjectAltNames: [c.test],
    verifyCertificateHash: [${hash}], cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384], maxProtocolVersion: TLSV1_2 }`;
  const [chain] = chainsOf(edge(server(443, 'TLS', 'a.test', mutual)) + bound('v', 'a.test', `tcp: [{ ${TO_A} }]`));
  assert.deepEqual(leads(chain === undefined ? [] : [chain]), [[['a.test'], A]]);
  assert.deepEqual(chain?.transportSocket?.typedConfig, {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: 'TLSv1_2', tlsMaximumProtocolVersion: 'TLSv1_2',
        cipherSuites: ['ECDHE-RSA-AES256-GCM-SHA384'],
      },
      tlsCertificates: [{ certificateChain: { filename: '/c.pem' }, privateKey: { filename: '/k.pem' } }],
      validationContext: {
        trustedCa: { filename: '/ca.pem' }, crl: { filename: '/crl.pem' },
        matchTypedSubjectAltNames: [{ sanType: 'DNS', matcher: { exact: 'c.test' } }], verifyCertificateHash: [hash],
      },
    },
    requireClientCertificate: true, disableStatelessSessionResumption: true, disableStatefulSessionResumption: true,
  });
  const optional = `{ mode: OPTIONAL_MUTUAL, ${FILES}, caCertificates: /ca.pem }`;
  const https = chainsOf(edge(server(443, 'HTTPS', 'a.test', optional)));
  assert.match(JSON.stringify(https), /"alpnProtocols":\["h2","http\/1.1"\]/);
  assert.doesNotMatch(JSON.stringify(https), /requireClientCertificate/);
  const mesh = chainsOf(edge(server(443, 'HTTPS', '*', '{ mode: ISTIO_MUTUAL }')));
  assert.match(JSON.stringify(mesh), /"name":"ROOTCA"/);
});

const secret = (name: string, data: string, namespace = 'default'): string => `
---
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: ${namespace} }
type: kubernetes.io/tls
stringData: { ${data} }
`;

test("certificates from Secrets of the gateway's own namespace, roots from one beside or from the same", () => {
  const tls = server(443, 'HTTPS', 'a.test', '{ mode: MUTUAL, credentialName: edge, subjectAltNames: [c.test] }');
  const pair = server(443, 'HTTPS', 'b.test', '{ mode: SIMPLE, credentialNames: [rsa, ecdsa] }').replace('p443', 'q');
  const secrets = secret('edge', 'tls.crt: chain, tls.key: key, ca.crt: own, password: other')
    + secret('edge-cacert', 'cacert: beside, ca.crl: list') + secret('rsa', 'cert: c, key: k')
    + secret('ecdsa', 'tls.crt: c, tls.key: k', 'other');
  const made = resources(edge(tls, pair) + secrets);
  assert.deepEqual(made.secrets, [
    { name: 'kubernetes://edge',
      tlsCertificate: { certificateChain: { inlineString: 'chain' }, privateKey: { inlineString: 'key' } } },
    { name: 'kubernetes://edge-cacert',
      validationContext: { trustedCa: { inlineString: 'beside' }, crl: { inlineString: 'list' } } },
    { name: 'kubernetes://rsa',
      tlsCertificate: { certificateChain: { inlineString: 'c' }, privateKey: { inlineString: 'k' } } },
  ]);
  const text = JSON.stringify(made.listeners);
  assert.match(text, /"validationContextSdsSecretConfig":\{"name":"kubernetes:\/\/edge-cacert"/);
  assert.match(text, /"kubernetes:\/\/rsa".*"kubernetes:\/\/ecdsa"/);
  assert.doesNotMatch(text, /inlineString/);
  assert.deepEqual(resources(edge(tls) + secret('edge', 'ca.crt: own')).secrets?.map(({ name }) => name),
    ['kubernetes://edge-cacert']);
});

test('what is wrong with a Secret is said without its values', () => {
  const wrong = secret('edge', 'a: b').replace('stringData: { a: b }', "data: { tls.key: 'hush-hush' }");
  assert.throws(() => inventoryOf(wrong), (error: Error) =>
    /data.*must be base64/.test(error.message) && !error.message.includes('hush'));
});

test('AUTO_PASSTHROUGH: a chain for each cluster of the mesh by its name, towards endpoints as they are', () => {
  const subsets = object('DestinationRule', 'a', '{ host: a, subsets: [{ name: v1, labels: { version: v1 } }] }');
  const outside = object('ServiceEntry', 'o', '{ hosts: [o.local], ports: [{ number: 80, name: http }], '
    + 'resolution: DNS }');
  const yaml = edge(server(15443, 'TLS', '*.local', '{ mode: AUTO_PASSTHROUGH }')) + subsets + outside;
  const { listeners, clusters } = resources(yaml);
  const names = ['outbound_.9080_._.a.default.svc.cluster.local', 'outbound_.9080_.v1_.a.default.svc.cluster.local',
    'outbound_.9080_._.b.default.svc.cluster.local'];
  assert.deepEqual(leads(listeners[0]?.filterChains ?? []), names.map((name) => [[name], name]));
  const passed = clusters.filter(({ name }) => name.startsWith('outbound_'));
  assert.deepEqual(passed.map(({ name }) => name), names);
  assert.ok(passed.every((cluster) => cluster.type === 'EDS' && cluster.transportSocketMatches === undefined
    && cluster.typedExtensionProtocolOptions === undefined));
});

test('on one port the first server decides; TLS servers share it by their hosts', () => {
  const tcp = `tcp: [{ ${TO_A} }]`;
  const both = `${tcp}, http: [{ ${TO_A} }]`;
  const mixed = edge(server(99, 'TCP', '*'), server(99, 'HTTP', '*')) + bound('v', '*', both);
  assert.deepEqual(leads(chainsOf(mixed)), [[[], A]]);
  const tls = `{ mode: SIMPLE, ${FILES} }`;
  const shared = edge(server(443, 'TLS', 'a.test', tls), server(443, 'HTTPS', 'a.test', tls),
    server(443, 'TLS', 'b.test', tls).replace('p443', 'other')) + bound('v', '*', both);
  assert.deepEqual(leads(chainsOf(shared)), [[['a.test'], A], [['b.test'], A]]);
});

test('hosts of a server are for VirtualServices of the namespace that it names', () => {
  const tcp = `tcp: [{ ${TO_A} }]`;
  const made = (host: string, namespace: string): number =>
    chainsOf(edge(server(99, 'TCP', host)) + bound('v', '*', tcp, namespace)).length;
  assert.deepEqual([['./*', 'default'], ['./*', 'other'], ['other/*', 'other'], ['*/*', 'other'], ['*', 'other']]
    .map(([host, namespace]) => made(host!, namespace!)), [1, 0, 1, 1, 1]);
});

for (const [what, text, reason] of [
  ['TLS without tls', server(443, 'TLS', '*'), /needs tls: the protocol is TLS/],
  ['MUTUAL without roots', server(443, 'TLS', '*', `{ mode: MUTUAL, ${FILES} }`), /needs caCertificates/],
  ['names of clients for SIMPLE', server(443, 'TLS', '*', `{ mode: SIMPLE, ${FILES}, subjectAltNames: [a] }`),
    /subjectAltNames: is for MUTUAL/],
  ['files for PASSTHROUGH', server(443, 'TLS', '*', `{ ${FILES} }`), /has no meaning: mode is PASSTHROUGH/],
  ['tls for TCP', server(99, 'TCP', '*', '{ httpsRedirect: true }'), /has no meaning for TCP/],
  ['files beside a Secret', server(443, 'TLS', '*', `{ mode: SIMPLE, ${FILES}, credentialName: a }`),
    /serverCertificate: must not be set beside credentialName/],
  ['an unknown cipher suite', server(443, 'TLS', '*', `{ mode: SIMPLE, ${FILES}, cipherSuites: [AES] }`),
    /must be a cipher suite/],
] as const) {
  test(`a server: ${what} is refused`, () => {
    assert.throws(() => inventoryOf(edge(text)), reason);
  });
}

test('a gateway whose callers speak the PROXY protocol looks for that before all else', () => {
  const topology = { PROXY_CONFIG: { gatewayTopology: { proxyProtocol: {} } } };
  const node = nodeOf({ LABELS: { istio: 'edge' }, ...topology }, { kind: 'router' });
  const gateway = MESH + edge(server(1, 'TLS', 'a.example', '{ mode: PASSTHROUGH }'), server(2, 'TCP', 'b.example'))
    + bound('a', 'a.example', `tls: [{ match: [{ sniHosts: [a.example] }], ${TO_A} }], tcp: [{ ${TO_A} }]`);
  const { listeners } = new Translator(viewOf(gateway)).resourcesFor(node);
  assert.deepEqual(listeners.map(({ listenerFilters = [] }) => listenerFilters.map(({ name }) => name)), [
    ['envoy.filters.listener.proxy_protocol', 'envoy.filters.listener.tls_inspector'],
  ]);
});
