// What is said to people about Gateway API objects that do less than they say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../test/harness/mesh-fixture.ts';
import { findingText } from '../model/mesh-object.ts';
import { gatewayApiFindings } from './gateway-api-use.ts';

const object = (kind: string, name: string, spec: string, api = 'gateway.networking.k8s.io'): string => `---
apiVersion: ${api}/v1
kind: ${kind}
metadata: { name: ${name}, namespace: default }
spec: ${spec}
`;
const LISTENER = '{ name: http, port: 80, protocol: HTTP }';
const MESH = object('Gateway', 'edge', `{ gatewayClassName: weft, listeners: [${LISTENER}] }`)
  + object('Gateway', 'theirs', `{ gatewayClassName: other, listeners: [${LISTENER}] }`)
  + object('HTTPRoute', 'lost', '{ parentRefs: [{ name: theirs }], rules: [] }')
  + object('HTTPRoute', 'half',
    '{ parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: absent, port: 80 }] }] }')
  + object('BackendTLSPolicy', 'tls', `{ targetRefs: [{ group: '', kind: Service, name: absent }], options: { a: b },
  validation: { hostname: a.test, wellKnownCACertificates: System } }`)
  + object('AuthorizationPolicy', 'idle', `{ targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway,
  name: absent }] }`, 'security.istio.io');

test('faults of conditions are findings by place, and so is what nobody takes', () => {
  const found = gatewayApiFindings(viewOf(MESH)).map(findingText).join('\n');
  for (const wanted of [
    /HTTPRoute default\/half spec\.rules: BackendNotFound: no Service default\/absent/,
    /KubernetesGateway default\/theirs spec\.gatewayClassName: is left alone/,
    /HTTPRoute default\/lost spec\.parentRefs: has no effect: there is no Gateway theirs of this controller/,
    /BackendTLSPolicy default\/tls spec\.validation: TargetNotFound/,
    /BackendTLSPolicy default\/tls spec\.options\.a: is not read/,
    /AuthorizationPolicy default\/idle spec\.targetRefs\[0\]: has no effect: there is no Gateway default\/absent/,
  ]) assert.match(found, wanted);
});
