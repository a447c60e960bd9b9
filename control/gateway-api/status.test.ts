// Conditions as the Gateway API's conformance suite asks for them; short names are those of its tests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendsYaml, caseYaml, MESH_PROOFS, SUITE_PROOFS } from '../../test/conformance/gateway-case.ts';
import { HTTP_CASES } from '../../test/conformance/gateway-http-cases.ts';
import { MESH_CASES } from '../../test/conformance/mesh-http-cases.ts';
import { testLeaf, testRoot } from '../../test/harness/certificates.ts';
import { inventoryOf } from '../../test/harness/mesh-fixture.ts';
import type { Condition } from './condition.ts';
import { gatewayApiStatuses, SUPPORTED_FEATURES } from './status.ts';

const ROOT = testRoot();
const LEAF = testLeaf(ROOT, { names: [{ dns: 'edge.test' }] });
const BACKENDS = backendsYaml({ v1: 1, v2: 2, v3: 3 });

interface Told {
  readonly conditions?: readonly Condition[];
  readonly listeners?: readonly { name: string; attachedRoutes: number; conditions: readonly Condition[] }[];
  readonly parents?: readonly { conditions: readonly Condition[] }[];
  readonly ancestors?: readonly { conditions: readonly Condition[] }[];
}

const words = (conditions: readonly Condition[] = []): string =>
  conditions.map(({ type, status, reason }) => `${type}=${status}/${reason}`).join(' ');

function toldOf(yaml: string, kind: string, name: string): Told {
  const found = gatewayApiStatuses(inventoryOf(yaml), 'cluster.local')
    .find(({ object }) => object.kind === kind && object.name === name);
  return (found?.status ?? {}) as Told;
}

const object = (kind: string, name: string, spec: string, namespace = 'default'): string => `---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace}, generation: 7 }
spec: ${spec}
`;
const gateway = (listeners: string, more = ''): string =>
  object('Gateway', 'g', `{ gatewayClassName: weft, listeners: [${listeners}]${more} }`);
const secret = (name: string, namespace = 'default', key = LEAF.key): string => `---
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: ${namespace} }
stringData: ${JSON.stringify({ 'tls.crt': LEAF.chain, 'tls.key': key })}
`;
const https = (ref: string): string =>
  `{ name: l, port: 443, protocol: HTTPS, tls: { certificateRefs: [${ref}] } }`;

for (const [index, made] of HTTP_CASES.entries()) {
  test(`${made.upstream}: routes are told what they are, and observedGeneration is in files absent`, () => {
    for (const [at, { kind = 'HTTPRoute', unattached, unresolved }] of made.routes.entries()) {
      const { parents = [] } = toldOf(BACKENDS + caseYaml(made, index), kind, `route-${index}-${at}`);
      const accepted = unattached === undefined ? 'Accepted=True/Accepted' : `Accepted=False/${unattached}`;
      const resolved = unresolved === undefined ? 'ResolvedRefs=True/ResolvedRefs' : `ResolvedRefs=False/${unresolved}`;
      assert.equal(words(parents[0]?.conditions), `${accepted} ${resolved}`);
      assert.equal(parents[0]?.conditions[0]?.observedGeneration, undefined);
    }
  });
}

const LISTENERS: readonly [string, string, readonly string[]][] = [
  ['GatewayInvalidListenersUnsupportedProtocol', gateway('{ name: l, port: 80, protocol: example.com/foo }'),
    ['Accepted=False/UnsupportedProtocol', 'Programmed=False/Invalid']],
  ['GatewayInvalidRouteKind', gateway(`{ name: l, port: 80, protocol: HTTP,
  allowedRoutes: { kinds: [{ kind: HTTPRoute }, { kind: InvalidRoute }] } }`),
  ['ResolvedRefs=False/InvalidRouteKinds', 'Programmed=True/Programmed']],
  ['GatewayInvalidTLSConfiguration: no such Secret', gateway(https('{ name: absent }')),
    ['ResolvedRefs=False/InvalidCertificateRef', 'Programmed=False/Invalid']],
  ['GatewayInvalidTLSConfiguration: another kind', gateway(https('{ name: a, kind: ConfigMap }')),
    ['ResolvedRefs=False/InvalidCertificateRef']],
  ['GatewayInvalidTLSConfiguration: a key of another', gateway(https('{ name: c }')) + secret('c', 'default', ROOT.key),
    ['ResolvedRefs=False/InvalidCertificateRef']],
  ['GatewaySecretMissingReferenceGrant', gateway(https('{ name: c, namespace: certs }')) + secret('c', 'certs'),
    ['ResolvedRefs=False/RefNotPermitted']],
  ['GatewaySecretReferenceGrantSpecific', gateway(https('{ name: c, namespace: certs }')) + secret('c', 'certs')
    + object('ReferenceGrant', 'r', `{ from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: default }],
  to: [{ group: '', kind: Secret,
    name: c }] }`, 'certs'), ['ResolvedRefs=True/ResolvedRefs', 'Programmed=True/Programmed']],
  ['GatewaySecretInvalidReferenceGrant', gateway(https('{ name: c, namespace: certs }')) + secret('c', 'certs')
    + object('ReferenceGrant', 'r', `{ from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: other }],
  to: [{ group: '', kind: Secret }] }`, 'certs'), ['ResolvedRefs=False/RefNotPermitted']],
  ['two protocols at a port', gateway(`{ name: l, port: 80, protocol: HTTP }, { name: m, port: 80, protocol: TCP }`),
    ['Conflicted=True/ProtocolConflict', 'Programmed=False/ProtocolConflict']],
  ['one host twice at a port', gateway(`{ name: l, port: 80, protocol: HTTP, hostname: a.test },
  { name: m, port: 80, protocol: HTTP, hostname: a.test }`), ['Conflicted=True/HostnameConflict']],
  ['GatewayWithInvalidClientCertificateValidation', gateway(https('{ name: c }'), `, tls: { frontend: { default: {
  validation: { caCertificateRefs: [{ group: '', kind: ConfigMap, name: absent }] } } } }`) + secret('c'),
  ['Accepted=False/NoValidCACertificate', 'ResolvedRefs=False/InvalidCACertificateRef']],
];

for (const [what, yaml, wanted] of LISTENERS) {
  test(`a listener is told: ${what}`, () => {
    const [listener] = toldOf(yaml, 'KubernetesGateway', 'g').listeners ?? [];
    for (const one of wanted) assert.ok(words(listener?.conditions).includes(one), words(listener?.conditions));
    assert.equal(listener?.conditions[0]?.observedGeneration, 7);
  });
}

test('GatewayWithAttachedRoutes: routes are counted where they are accepted', () => {
  const to = (name: string, parent: string): string =>
    object('HTTPRoute', name,
      `{ parentRefs: [{ name: g${parent} }], rules: [{ backendRefs: [{ name: v1, port: 8080 }] }] }`);
  const { listeners } = toldOf(BACKENDS + gateway(`{ name: one, port: 80, protocol: HTTP },
  { name: two, port: 81, protocol: HTTP, hostname: a.test }`) + to('a', '') + to('b', ', sectionName: one')
    + to('c', ', sectionName: absent'), 'KubernetesGateway', 'g');
  assert.deepEqual(listeners?.map(({ attachedRoutes }) => attachedRoutes), [2, 1]);
});

test('GatewayInvalidParametersRef, GatewayClass of others: a class is told, and the others are left alone', () => {
  const own = object('GatewayClass', 'mine', '{ controllerName: weft.dev/gateway-controller }');
  assert.equal(words(toldOf(own, 'GatewayClass', 'mine').conditions),
    'Accepted=True/Accepted SupportedVersion=True/SupportedVersion');
  assert.deepEqual(toldOf(own.replace('weft.dev', 'example.com'), 'GatewayClass', 'mine'), {});
  const { conditions } = toldOf(gateway('{ name: l, port: 80, protocol: HTTP }',
    ', infrastructure: { parametersRef: { group: a.test, kind: A, name: a } }'), 'KubernetesGateway', 'g');
  assert.ok(words(conditions).includes('Accepted=False/InvalidParameters'), words(conditions));
});

test('a rule that cannot be done is dropped, and a route without any other is not accepted', () => {
  const mirrored = `{ backendRefs: [{ name: v1, port: 8080, filters: [{ type: RequestMirror,
  requestMirror: { backendRef: { name: v2, port: 8080 } } }] }] }`;
  const plain = '{ backendRefs: [{ name: v1, port: 8080 }] }';
  const told = (rules: string): string => words(toldOf(BACKENDS + gateway('{ name: l, port: 80, protocol: HTTP }')
    + object('HTTPRoute', 'r', `{ parentRefs: [{ name: g }], rules: [${rules}] }`), 'HTTPRoute',
      'r').parents?.[0]?.conditions);
  assert.match(told(mirrored), /Accepted=False\/UnsupportedValue/);
  assert.match(told(`${mirrored}, ${plain}`), /Accepted=True.*PartiallyInvalid=True\/UnsupportedValue/);
});

const listenerSet = (namespace: string, listener: string): string => object('ListenerSet', 's',
  `{ parentRef: { name: g, namespace: default }, listeners: [${listener}] }`, namespace);

test('ListenerSetAllowedNamespaceNone, ListenerSetHostnameConflict, ListenerSetHTTPRouting', () => {
  const extra = '{ name: extra, port: 80, protocol: HTTP, hostname: b.test }';
  const own = '{ name: l, port: 80, protocol: HTTP, hostname: a.test }';
  const allowed = ', allowedListeners: { namespaces: { from: All } }';
  const told = (yaml: string): Told => toldOf(BACKENDS + yaml, 'ListenerSet', 's');
  assert.match(words(told(gateway(own) + listenerSet('apart', extra)).conditions), /Accepted=False\/NotAllowed/);
  const taken = told(gateway(own, allowed) + listenerSet('apart', extra) + object('HTTPRoute', 'r',
    '{ parentRefs: [{ kind: ListenerSet, name: s }], rules: [{ backendRefs: [{ name: granted, port: 8080 }] }] }',
      'apart'));
  assert.match(words(taken.conditions), /Accepted=True\/Accepted Programmed=True/);
  assert.equal(taken.listeners?.[0]?.attachedRoutes, 1);
  const twice = told(gateway(own, allowed) + listenerSet('apart', extra.replace('b.test', 'a.test')));
  assert.match(words(twice.listeners?.[0]?.conditions), /Conflicted=True\/HostnameConflict/);
  assert.equal(words(twice.conditions), 'Accepted=False/ListenersNotValid Programmed=False/ListenersNotValid');
});

test('BackendTLSPolicyConflictResolution, BackendTLSPolicyInvalidCACertificateRef, BackendTLSPolicyInvalidKind', () => {
  const policy = (name: string, validation: string): string => object('BackendTLSPolicy', name,
    `{ targetRefs: [{ group: '', kind: Service, name: v1 }], validation: { hostname: a.test, ${validation} } }`);
  const told = (yaml: string, name: string): string =>
    words(toldOf(BACKENDS + yaml, 'BackendTLSPolicy', name).ancestors?.[0]?.conditions);
  const system = 'wellKnownCACertificates: System';
  assert.match(told(policy('a', system), 'a'), /Accepted=True\/Accepted ResolvedRefs=True/);
  assert.match(told(policy('a', system) + policy('b', system), 'b'), /Accepted=False\/Conflicted/);
  const ref = (kind: string): string => `caCertificateRefs: [{ group: '', kind: ${kind}, name: absent }]`;
  assert.match(told(policy('a', ref('ConfigMap')), 'a'),
    /Accepted=False\/NoValidCACertificate ResolvedRefs=False\/InvalidCACertificateRef/);
  assert.match(told(policy('a', ref('Pod')), 'a'), /ResolvedRefs=False\/InvalidKind/);
});

test('each feature that the class says is supported has a case, and no other has one', () => {
  assert.deepEqual([...SUITE_PROOFS.keys(), ...MESH_PROOFS.keys()].toSorted(), SUPPORTED_FEATURES.toSorted());
  const cases = MESH_CASES.flatMap(({ upstream }) => upstream.match(/\w+/g) ?? []);
  for (const [feature, name] of MESH_PROOFS) assert.ok(cases.includes(name), `${feature}: ${name}`);
});
