// A weft sidecar of a mesh whose MeshConfig names another trust domain and an old name: node:tls clients of each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import type { TestIssuer } from '../harness/certificates.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { POD, startMeshSidecar } from '../harness/mesh-sidecar.ts';
import { believesClient } from '../harness/mutual-tls.ts';
import { until } from '../harness/until.ts';

const west = testRoot('west.example');

const mesh = (port: number): string => `
apiVersion: v1
kind: Service
metadata: { name: self, namespace: default }
spec: { selector: { app: self }, ports: [{ name: http, port: 9080 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: self-1, namespace: default }
spec: { address: ${POD}, ports: { http: ${port} }, labels: { app: self } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: callers, namespace: default }
spec:
  rules:
    - from: [{ source: { principals: [cluster.local/ns/default/sa/caller, west.example/ns/default/sa/caller] } }]
---
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
metadata: { name: default, namespace: istio-system }
spec:
  trustDomainAliases: [old.domain]
  caCertificates: [{ trustDomains: [west.example], pem: ${JSON.stringify(west.cert)} }]
`;

test('S52 S57 a mesh takes its own, its old and its neighbour\'s workloads, each by its own roots', async (t) => {
  await using app = await EchoServer.start('app');
  const [port] = await freePorts(1) as [number];
  const { own } = await startMeshSidecar(t, mesh(port), new Map([[port, app.port]]));
  const asks = (issuer: TestIssuer, identity: string): Promise<boolean> => (
    believesClient(port, testLeaf(issuer, { identity }), { host: POD })
  );
  await until('the own workload is let in', () => asks(own, 'spiffe://cluster.local/ns/default/sa/caller'));
  const cases: readonly (readonly [TestIssuer, string, boolean])[] = [
    [own, 'spiffe://old.domain/ns/default/sa/caller', true],
    [west, 'spiffe://west.example/ns/default/sa/caller', true],
    [west, 'spiffe://west.example/ns/default/sa/other', false],
    [west, 'spiffe://cluster.local/ns/default/sa/caller', false],
    [west, 'spiffe://old.domain/ns/default/sa/caller', false],
    [own, 'spiffe://west.example/ns/default/sa/caller', false],
    [own, 'spiffe://third.domain/ns/default/sa/caller', false],
  ];
  for (const [issuer, identity, expected] of cases) {
    assert.equal(await asks(issuer, identity), expected, `${identity} by ${issuer === west ? 'west' : 'own'}`);
  }
});
