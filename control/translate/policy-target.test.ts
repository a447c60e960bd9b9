// Policies that name a Gateway are its proxies' alone: no other workload of the namespace has them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeOf, viewOf } from '../../test/harness/mesh-fixture.ts';
import { policiesFor } from './authorization.ts';
import { tokenFilters } from './request-authentication.ts';
import { telemetry } from './telemetry.ts';

const GATEWAY = `---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: 80, protocol: HTTP }] }
`;
const policy = (api: string, kind: string, target: string, spec: string, namespace = 'default'): string => `---
apiVersion: ${api}.istio.io/v1
kind: ${kind}
metadata: { name: named, namespace: ${namespace} }
spec: { ${target}, ${spec} }
`;
const REF = 'targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: edge }]';
const EDGE = nodeOf({ LABELS: { 'gateway.networking.k8s.io/gateway-name': 'edge' } }, { kind: 'router' });
const OTHERS = [
  nodeOf({ LABELS: { 'gateway.networking.k8s.io/gateway-name': 'other' } }, { kind: 'router' }),
  nodeOf({ LABELS: { app: 'web' } }),
];

test('an AuthorizationPolicy, a RequestAuthentication and a Telemetry hold at the Gateway that they name', () => {
  const view = viewOf(GATEWAY + policy('security', 'AuthorizationPolicy', REF, 'rules: []')
    + policy('security', 'RequestAuthentication', REF, 'jwtRules: [{ issuer: a.test, jwksUri: "https://a.test/keys" }]')
    + policy('telemetry', 'Telemetry', REF, 'accessLogging: [{ providers: [{ name: envoy }] }]'));
  const found = (node: typeof EDGE): readonly [number, number, boolean] => [
    policiesFor(view, node).length, tokenFilters(view, node, true).length,
    telemetry(view, node, 'CLIENT').accessLog !== undefined,
  ];
  assert.deepEqual(found(EDGE), [1, 1, true]);
  for (const node of OTHERS) assert.deepEqual(found(node), [0, 0, false]);
});

test('a GatewayClass is named in the root namespace, and the older word is taken', () => {
  const byClass = 'targetRef: { group: gateway.networking.k8s.io, kind: GatewayClass, name: weft }';
  const counts = (namespace: string): number[] => {
    const view = viewOf(GATEWAY + policy('security', 'AuthorizationPolicy', byClass, 'rules: []', namespace));
    return [EDGE, ...OTHERS].map((node) => policiesFor(view, node).length);
  };
  assert.deepEqual(counts('istio-system'), [1, 0, 0]);
  assert.deepEqual(counts('default'), [0, 0, 0]);
});

test('a selector beside it is refused', () => {
  const both = policy('security', 'AuthorizationPolicy', `selector: { matchLabels: { a: b } }, ${REF}`, 'rules: []');
  assert.throws(() => viewOf(GATEWAY + both), /targetRefs: must not be set beside selector/);
});
