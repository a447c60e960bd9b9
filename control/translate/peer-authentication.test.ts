// Precedence of PeerAuthentication: port over workload over namespace over mesh.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inventoryOf } from '../../test/harness/mesh-fixture.ts';
import { MESH_DEFAULTS } from './mesh-settings.ts';
import { peerMode, type PeerMode } from './peer-authentication.ts';

function policy(name: string, namespace: string, mode: string, more = ''): string {
  return `
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${name}, namespace: ${namespace} }
spec: { mtls: { mode: ${mode} }${more} }
`;
}

const SELECT = ', selector: { matchLabels: { app: reviews } }';
const MESH_STRICT = policy('mesh', 'istio-system', 'STRICT');

const TABLE: readonly (readonly [string, string, PeerMode])[] = [
  ['nothing', '', 'PERMISSIVE'],
  ['mesh', MESH_STRICT, 'STRICT'],
  ['namespace over mesh', MESH_STRICT + policy('ns', 'default', 'DISABLE'), 'DISABLE'],
  ['another namespace', policy('ns', 'other', 'STRICT'), 'PERMISSIVE'],
  ['workload over namespace', policy('ns', 'default', 'STRICT') + policy('w', 'default', 'DISABLE', SELECT), 'DISABLE'],
  ['another workload', policy('w', 'default', 'STRICT', SELECT.replace('reviews', 'ratings')), 'PERMISSIVE'],
  ['UNSET inherits the namespace',
    policy('ns', 'default', 'STRICT') + policy('w', 'default', 'UNSET', SELECT), 'STRICT'],
  ['UNSET inherits the mesh', MESH_STRICT + policy('ns', 'default', 'UNSET'), 'STRICT'],
  ['port over workload',
    policy('w', 'default', 'STRICT', `${SELECT}, portLevelMtls: { 9080: { mode: DISABLE } }`), 'DISABLE'],
  ['another port', policy('w', 'default', 'STRICT', `${SELECT}, portLevelMtls: { 80: { mode: DISABLE } }`), 'STRICT'],
  ['a port that is UNSET',
    policy('w', 'default', 'STRICT', `${SELECT}, portLevelMtls: { 9080: { mode: UNSET } }`), 'STRICT'],
  ['a selector in the root namespace has no effect', policy('w', 'istio-system', 'STRICT', SELECT), 'PERMISSIVE'],
  ['the first of two', policy('a', 'default', 'STRICT') + policy('b', 'default', 'DISABLE'), 'STRICT'],
];

for (const [what, yaml, expected] of TABLE) {
  test(`peer mode: ${what}`, () => {
    const scope = { namespace: 'default', labels: new Map([['app', 'reviews']]) };
    assert.equal(peerMode(inventoryOf(yaml), MESH_DEFAULTS, scope, 9080), expected);
  });
}
