// The real API server of the harness: it takes Istio's and the Gateway API's kinds, and lives again after its death.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeApiServer } from '../harness/kube-apiserver.ts';
import { findKubePeers } from '../harness/kube-peers.ts';

const peers = findKubePeers();
const skip = typeof peers === 'string' ? peers.slice('skip:'.length).trim() : false;

test('objects of Istio and the Gateway API outlive the API server (kube-apiserver, etcd)', { skip }, async (t) => {
  assert.ok(typeof peers !== 'string');
  const server = await KubeApiServer.start(t, peers);
  await server.installCrds('istio', 'gateway-api-standard');
  await server.apply(`
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: shop }
spec: { hosts: [web], http: [{ route: [{ destination: { host: web } }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web, namespace: shop }
`);
  assert.match(await server.serviceAccountToken('shop', 'web', 'istio-ca'), /^eyJ/);
  await server.killServer();
  await server.startServer();
  const route = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService',
    metadata: { name: 'web', namespace: 'shop' } };
  assert.deepEqual((await server.get(route))['spec'], {
    hosts: ['web'], http: [{ route: [{ destination: { host: 'web' } }] }],
  });
  const denied = await server.call('GET', '/api/v1/secrets', undefined, undefined, 'nobody');
  assert.equal(denied.status, 403);
});
