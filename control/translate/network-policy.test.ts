// NetworkPolicies as filters and endpoints: who is told by identity and who by address, and where a pod may go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeOf, serviceYaml, viewOf } from '../../test/harness/mesh-fixture.ts';
import type { NetworkRBAC, Policy } from '../../proxy/config/rbac.ts';
import { networkPolicyFindings } from '../analysis/network-policy-use.ts';
import { findingText } from '../model/mesh-object.ts';
import { NETWORK_POLICY_FILTER } from './network-policy.ts';
import { Translator, type ProxyResources } from './proxy-resources.ts';

const pod = (name: string, labels: string, address: string, account = name, namespace = 'default'): string => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { ${labels} } }
spec: { serviceAccountName: ${account}, containers: [{ name: a, ports: [{ name: http, containerPort: 9080 }] }] }
status: { podIP: ${address}, phase: Running }
`;
const policy = (spec: string, name = 'p'): string => `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ${name}, namespace: default }
spec: { ${spec} }
`;
const fromRole = (role: string): string =>
  policy(`podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { role: ${role} } } }] }]`);
const SELF = serviceYaml('self') + pod('self-1', 'app: self', '10.0.0.9');
const NODE = { id: 'sidecar~10.0.0.9~self-1.default~default.svc.cluster.local' };

/** The policies of the gate, which stands first in every chain. */
function gate(yaml: string): Record<string, Policy> | undefined {
  const { listeners } = new Translator(viewOf(SELF + yaml)).resourcesFor(nodeOf({ LABELS: { app: 'self' } }, NODE));
  const chains = listeners.find(({ name }) => name === '10.0.0.9_9080')?.filterChains ?? [];
  const gates = chains.map(({ filters = [] }) => (filters[0]?.name === NETWORK_POLICY_FILTER
    ? (filters[0].typedConfig as NetworkRBAC).rules?.policies : undefined));
  assert.equal(gates.length, 2, 'mutual TLS and plaintext');
  assert.deepEqual(gates[0], gates[1]);
  return gates[0];
}

const identity = (account: string): object =>
  ({ authenticated: { principalName: { exact: `spiffe://cluster.local/ns/default/sa/${account}` } } });
const at = (addressPrefix: string): object => ({ directRemoteIp: { addressPrefix, prefixLen: 32 } });
const plainAt = (address: string): object =>
  ({ andIds: { ids: [{ notId: { authenticated: { principalName: { prefix: 'spiffe://' } } } }, at(address)] } });

test('a peer of the mesh is told by its identity, any other by its address', () => {
  const [only] = Object.entries(gate(pod('a', 'role: a', '10.0.0.1') + fromRole('a')) ?? {});
  assert.equal(only?.[0], 'ns[default]-networkpolicy[p]-ingress[0]');
  assert.deepEqual(only[1].principals, [identity('a'), plainAt('10.0.0.1')]);
});

test('an identity that other pods have too is told apart by address', () => {
  const others = pod('a', 'role: a', '10.0.0.1', 'shared') + pod('b', 'role: b', '10.0.0.2', 'shared');
  const [only] = Object.values(gate(others + fromRole('a')) ?? {});
  assert.deepEqual(only?.principals, [{ andIds: { ids: [identity('shared'), at('10.0.0.1')] } }, plainAt('10.0.0.1')]);
});

test('whom neither tells apart is let in by no selector, and that is said with file and line', () => {
  const others = pod('a', 'role: a', '10.0.0.1', 'shared') + pod('b', 'role: b', '10.0.0.1', 'shared');
  assert.deepEqual(gate(others + fromRole('a')), Object.create(null));
  const [finding] = networkPolicyFindings(viewOf(SELF + others + fromRole('a'))).map(findingText);
  assert.match(finding ?? '', /^test\.yaml:\d+: NetworkPolicy default\/p spec\.ingress\[0\]\.from\[0\]: shuts a out/);
});

test('where all share an address identities still tell them apart, and plaintext means nobody', () => {
  const others = pod('a', 'role: a', '127.0.0.1') + pod('b', 'role: b', '127.0.0.1');
  const [only] = Object.values(gate(others + fromRole('a')) ?? {});
  assert.deepEqual(only?.principals, [identity('a')]);
});

test('a whole namespace is told by the name in the identity, whether its pods are known or not', () => {
  const named = 'namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: istio-system } }';
  const [only] = Object.values(gate(policy(`ingress: [{ from: [{ ${named} }] }]`)) ?? {});
  assert.deepEqual(only?.principals,
    [{ authenticated: { principalName: { prefix: 'spiffe://cluster.local/ns/istio-system/' } } }]);
});

test('the trust domain\'s other names are the same identity', () => {
  const aliases = `
---
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
metadata: { name: default, namespace: istio-system }
spec: { trustDomainAliases: [old.domain] }
`;
  const old = { authenticated: { principalName: { exact: 'spiffe://old.domain/ns/default/sa/a' } } };
  const [only] = Object.values(gate(pod('a', 'role: a', '127.0.0.1') + fromRole('a') + aliases) ?? {});
  assert.deepEqual(only?.principals, [{ orIds: { ids: [identity('a'), old] } }, plainAt('127.0.0.1')]);
});

test('without a policy there is no gate', () => {
  assert.equal(gate(''), undefined);
  assert.equal(gate(policy('podSelector: { matchLabels: { app: other } }')), undefined);
});

/** A pod whose connections are redirected has one listener for all ports. */
function redirected(yaml: string): ProxyResources {
  const metadata = { LABELS: { app: 'self' }, INTERCEPTION_MODE: 'REDIRECT' };
  return new Translator(viewOf(SELF + yaml)).resourcesFor(nodeOf(metadata, NODE));
}

test('ports that no service names are let in by number, each connection by its own', () => {
  const ports = '[{ port: 7000, endPort: 7009 }, { port: http }, { port: 53, protocol: UDP }, { port: nobody }]';
  const { listeners } = redirected(policy(`ingress: [{ ports: ${ports} }]`));
  const chains = listeners.find(({ name }) => name === 'virtualInbound')?.filterChains ?? [];
  const passage = chains.filter(({ filterChainMatch }) => filterChainMatch?.prefixRanges !== undefined);
  assert.ok(passage.length > 0);
  for (const { filters = [] } of passage) {
    const { rules } = filters[0]!.typedConfig as NetworkRBAC;
    assert.deepEqual(Object.values(rules?.policies ?? {}).map(({ permissions }) => permissions), [[
      { destinationPortRange: { start: 7000, end: 7010 } }, { destinationPortRange: { start: 9080, end: 9081 } },
    ]]);
  }
});

const LET_OUT: readonly (readonly [spec: string, isOpen: boolean])[] = [
  ['podSelector: {}', true], ['egress: [{}]', true], ['policyTypes: [Egress]', false],
  ['egress: [{ ports: [{ port: 443 }] }]', false], ['egress: [{ to: [{ ipBlock: { cidr: 0.0.0.0/0 } }] }]', false],
];

for (const [spec, isOpen] of LET_OUT) {
  test(`addresses that nobody knows are ${isOpen ? 'open' : 'closed'}: ${spec}`, () => {
    const { listeners } = redirected(policy(spec));
    const rest = listeners.find(({ name }) => name === 'virtualOutbound')?.defaultFilterChain?.filters?.at(-1);
    const { cluster } = rest!.typedConfig as { readonly cluster?: string };
    assert.equal(cluster, isOpen ? 'PassthroughCluster' : 'BlackHoleCluster');
  });
}

const OUTSIDE = (resolution: string, endpoint: string): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: out, namespace: default }
spec:
  hosts: [out.test]
  resolution: ${resolution}
  location: MESH_EXTERNAL
  ports: [{ number: 9080, name: http }]
  endpoints: [${endpoint}]
`;

const WORLD = serviceYaml('web') + pod('web-1', 'app: web, role: a', '10.0.0.1')
  + pod('web-2', 'app: web, role: b', '10.0.0.2')
  + OUTSIDE('STATIC', '{ address: 192.0.2.1 }, { address: 192.0.2.130 }');

/** Endpoints of web and out.test that the pod may call. */
function reached(yaml: string, world = WORLD): string[] {
  const { endpoints, clusters } = new Translator(viewOf(SELF + world + yaml))
    .resourcesFor(nodeOf({ LABELS: { app: 'self' } }, NODE));
  const all = [...endpoints, ...clusters.flatMap(({ loadAssignment }) => loadAssignment ?? [])];
  return all.filter(({ clusterName }) => /\|(web|out)\./.test(clusterName))
    .flatMap((assignment) => (assignment.endpoints ?? []).flatMap(({ lbEndpoints = [] }) =>
      lbEndpoints.map(({ endpoint }) => endpoint.address.socketAddress?.address ?? '')));
}

const EVERYWHERE = ['10.0.0.1', '10.0.0.2', '192.0.2.1', '192.0.2.130'];
const NAMED = OUTSIDE('DNS', '{ address: db.test }');
const EGRESS: readonly (readonly [title: string, spec: string, expected: readonly string[]])[] = [
  ['ingress alone', 'podSelector: {}', EVERYWHERE],
  ['another pod', 'podSelector: { matchLabels: { app: web } }, policyTypes: [Egress]', EVERYWHERE],
  ['default deny', 'policyTypes: [Egress]', []],
  ['allow all', 'egress: [{}]', EVERYWHERE],
  ['pods', 'egress: [{ to: [{ podSelector: { matchLabels: { role: a } } }] }]', ['10.0.0.1']],
  ['all pods of the namespace', 'egress: [{ to: [{ podSelector: {} }] }]', ['10.0.0.1', '10.0.0.2']],
  ['all namespaces', 'egress: [{ to: [{ namespaceSelector: {} }] }]', ['10.0.0.1', '10.0.0.2']],
  ['an ipBlock', 'egress: [{ to: [{ ipBlock: { cidr: 192.0.2.0/24, except: [192.0.2.128/25] } }] }]', ['192.0.2.1']],
  ['a port', 'egress: [{ ports: [{ port: 9080 }] }]', EVERYWHERE],
  ['a named port', 'egress: [{ ports: [{ port: http }] }]', ['10.0.0.1', '10.0.0.2']],
  ['another port', 'egress: [{ ports: [{ port: 53, protocol: UDP }, { port: 1, endPort: 9079 }] }]', []],
];

for (const [title, spec, expected] of EGRESS) {
  test(`egress: ${title}`, () => assert.deepEqual(reached(policy(spec)), expected));
}

test('egress: names are reached by rules for every address only', () => {
  const block = 'egress: [{ to: [{ ipBlock: { cidr: 192.0.2.0/24 } }] }]';
  assert.deepEqual(reached(policy('egress: [{}]'), NAMED), ['db.test']);
  assert.deepEqual(reached(policy('egress: [{ to: [{ ipBlock: { cidr: 0.0.0.0/0 } }] }]'), NAMED), ['db.test']);
  assert.deepEqual(reached(policy(block), NAMED), []);
  const [finding] = networkPolicyFindings(viewOf(SELF + NAMED + policy(block))).map(findingText);
  assert.match(finding ?? '', /to\[0\]\.ipBlock: does not reach hosts that are found by DNS \(out\.test\)/);
});

const REFUSED: readonly (readonly [spec: string, reason: RegExp])[] = [
  ['ingress: [{ from: [{}] }]', /must name a selector or an ipBlock/],
  ['ingress: [{ from: [{ podSelector: {}, ipBlock: { cidr: 10.0.0.0/8 } }] }]', /must stand alone/],
  ['ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.0/8, except: [11.0.0.0/9] } }] }]', /must lie within 10\.0\.0\.0\/8/],
  ['ingress: [{ from: [{ ipBlock: { cidr: nowhere } }] }]', /must be an IP address or a range/],
  ['ingress: [{ ports: [{ port: http, endPort: 90 }] }]', /needs a port number where the range begins/],
  ['ingress: [{ ports: [{ port: 91, endPort: 90 }] }]', /must be at least 91/],
  ['policyTypes: [Both]', /must be one of Ingress, Egress/],
  ['podSelector: { matchExpressions: [{ key: a, operator: In }] }', /needs values for In/],
  ['podSelector: { matchExpressions: [{ key: a, operator: Exists, values: [b] }] }', /takes no values for Exists/],
  ['pods: {}', /unknown field of k8s/],
];

for (const [spec, reason] of REFUSED) {
  test(`refused: ${spec}`, () => assert.throws(() => viewOf(policy(spec)), reason));
}
