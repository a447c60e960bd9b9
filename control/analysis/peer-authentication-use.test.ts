// What `weft analyze` says of mutual TLS that callers and servers do not agree on, and of policies without effect.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serviceYaml, viewOf, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import { findingText } from '../model/mesh-object.ts';
import { peerAuthenticationFindings } from './peer-authentication-use.ts';

const MESH = serviceYaml('a') + workloadYaml('a-1', 'a', 'v1', '10.0.0.1');

function policy(name: string, namespace: string, spec: string, kind = 'PeerAuthentication'): string {
  const group = kind === 'MeshConfig' ? 'mesh.istio.io/v1alpha1' : 'security.istio.io/v1';
  return `
---
apiVersion: ${group}
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
}

function rule(trafficPolicy: string): string {
  return `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: a, namespace: default }
spec: { host: a, trafficPolicy: ${trafficPolicy} }
`;
}

function findings(yaml: string): string[] {
  return peerAuthenticationFindings(viewOf(MESH + yaml)).map((finding) => (
    `${finding.level ?? 'warning'} ${findingText(finding).replace(/^test\.yaml:\d+: /, '')}`
  ));
}

const MODE = (mode: string): string => policy('p', 'default', `{ mtls: { mode: ${mode} } }`);

test('callers in clear where mutual TLS is required, and the other way round', () => {
  const clear = rule('{ tls: { mode: DISABLE } }');
  const mutual = rule('{ portLevelSettings: [{ port: { number: 9080 }, tls: { mode: ISTIO_MUTUAL } }] }');
  assert.deepEqual(findings(MODE('STRICT') + clear), ['error DestinationRule default/a spec.trafficPolicy.tls: '
    + 'every request fails: PeerAuthentication lets in mutual TLS alone (ISTIO_MUTUAL)']);
  assert.deepEqual(findings(MODE('DISABLE') + mutual), [
    'error DestinationRule default/a spec.trafficPolicy.portLevelSettings[0].tls: '
      + 'every request fails: PeerAuthentication turns mutual TLS off there']);
  for (const mode of ['PERMISSIVE', 'DISABLE']) assert.deepEqual(findings(MODE(mode) + clear), []);
  for (const mode of ['PERMISSIVE', 'STRICT']) assert.deepEqual(findings(MODE(mode) + mutual), []);
});

test('policies that another one hides, and those that stand where they select nothing', () => {
  const found = findings(MODE('STRICT') + policy('q', 'default', '{}')
    + policy('r', 'istio-system', '{ selector: { matchLabels: { app: a } } }')
    + policy('m', 'istio-system', '{}', 'MeshConfig') + policy('n', 'default', '{}', 'MeshConfig'));
  assert.deepEqual(found.map((line) => line.replace(/ \(.*?\)/, '')), [
    'warning PeerAuthentication default/q: has no effect: PeerAuthentication default/p holds for the namespace',
    'warning PeerAuthentication istio-system/r spec.selector: '
      + 'has no effect: in the root namespace nothing is selected',
    'warning MeshConfig default/n: has no effect: it must be in namespace istio-system',
  ]);
});
