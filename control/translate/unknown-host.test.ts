// Hosts that the mesh does not know: the Sidecar's word, else the mesh's, else Istio's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inventoryOf, viewOf } from '../../test/harness/mesh-fixture.ts';
import { unknownCluster } from './unknown-host.ts';

const mesh = (policy: string, namespace = 'istio-system'): string => `
---
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
metadata: { name: mesh, namespace: ${namespace} }
spec: { outboundTrafficPolicy: ${policy} }
`;
const sidecar = (mode: string): string => `
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: default }
spec: { outboundTrafficPolicy: { mode: ${mode} } }
`;
const SCOPE = { namespace: 'default', labels: new Map<string, string>(), isWeft: true, redirected: true };

test("the Sidecar's outboundTrafficPolicy holds before that of the MeshConfig, and ALLOW_ANY without either", () => {
  const led = (yaml: string): string => unknownCluster(viewOf(yaml), SCOPE);
  const [open, closed] = ['PassthroughCluster', 'BlackHoleCluster'];
  assert.deepEqual([led(''), led(mesh('{ mode: ALLOW_ANY }')), led(mesh('{ mode: REGISTRY_ONLY }')), led(mesh('{}'))],
    [open, open, closed, closed]);
  assert.deepEqual([led(mesh('{ mode: ALLOW_ANY }') + sidecar('REGISTRY_ONLY')),
    led(mesh('{ mode: REGISTRY_ONLY }') + sidecar('ALLOW_ANY'))], [closed, open]);
  assert.equal(led(mesh('{ mode: REGISTRY_ONLY }', 'default')), open);
});

test('hosts that would be learned from requests are refused', () => {
  assert.throws(() => inventoryOf(mesh('{ mode: ALLOW_ANY_DYNAMIC_DNS }')), /hosts are not learned from requests/);
});
