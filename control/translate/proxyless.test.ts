// What clients of gRPC without a proxy are told, and that it can be said in protobuf.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Wire } from '../../proxy/config/wire.ts';
import { SnapshotBuilder } from '../push/snapshot.ts';
import { nodeOf, serviceYaml, viewOf, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import { parseProxyNode } from './proxy-node.ts';
import { Translator } from './proxy-resources.ts';

const RULES = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo, namespace: default }
spec:
  hosts: [echo]
  http:
  - match: [{ uri: { prefix: /a }, queryParams: { q: { exact: x } } }]
    route: [{ destination: { host: echo } }]
  - match: [{ uri: { prefix: /moved } }]
    redirect: { uri: /there }
  - route: [{ destination: { host: echo, subset: v1 }, weight: 20 }, { destination: { host: echo }, weight: 80 }]
    timeout: 2s
    retries: { attempts: 0 }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo, namespace: default }
spec: { host: echo, subsets: [{ name: v1, labels: { version: v1 } }], trafficPolicy: { tls: { mode: ISTIO_MUTUAL } } }
`;

const mesh = serviceYaml('echo') + workloadYaml('echo-1', 'echo', 'v1', '10.0.0.1')
  + workloadYaml('echo-2', 'echo', 'v2', '10.0.0.2') + RULES;

test('a gRPC client is told a listener for each name, routes that it can follow, and weights', () => {
  const resources = new Translator(viewOf(mesh)).resourcesFor(nodeOf({ GENERATOR: 'grpc' }));
  const names = resources.apiListeners!.map(({ name }) => name);
  const full = 'echo.default.svc.cluster.local:9080';
  assert.deepEqual(names, [full, 'echo.default.svc:9080', 'echo.default:9080', 'echo:9080']);
  assert.deepEqual(resources.listeners, []);
  const [table] = resources.routes;
  assert.equal(resources.apiListeners![0]!.apiListener.apiListener.rds?.routeConfigName, table!.name);
  const [moved, rest] = table!.virtualHosts![0]!.routes!;
  assert.equal(table!.virtualHosts![0]!.routes!.length, 2);
  assert.ok('nonForwardingAction' in moved!);
  assert.deepEqual(rest!.route!.maxStreamDuration, { maxStreamDuration: '2s' });
  assert.equal(rest!.route!.retryPolicy, undefined);
  const [endpoints] = resources.endpoints;
  const localities = endpoints!.endpoints!.map(({ locality, loadBalancingWeight: weight }) => [locality, weight]);
  assert.deepEqual(localities, [[{}, 2]]);
  assert.deepEqual(resources.clusters.map(({ lbPolicy }) => lbPolicy), ['ROUND_ROBIN', 'ROUND_ROBIN']);
});

test('its TLS is by the certificate providers of its own bootstrap, and all of it is valid protobuf', () => {
  const { clusters, ...others } = new Translator(viewOf(mesh)).resourcesFor(nodeOf({ GENERATOR: 'grpc' }));
  const tls = (clusters[0]!.transportSocket!.typedConfig as unknown as { commonTlsContext: object }).commonTlsContext;
  const identity = (app: string) => ({ exact: `spiffe://cluster.local/ns/default/sa/bookinfo-${app}` });
  const provider = { instanceName: 'default' };
  assert.deepEqual(tls, {
    tlsCertificateProviderInstance: provider,
    validationContext: { caCertificateProviderInstance: provider, matchSubjectAltNames: [identity('echo')] },
  });
  assert.equal(new SnapshotBuilder(new Wire()).build({ clusters, ...others }).types.size, 6);
});

test('a generator that is not known is refused by name', () => {
  const node = { id: 'sidecar~10.0.0.9~pod.default~d', metadata: { NAMESPACE: 'default', GENERATOR: 'event' } };
  assert.match(parseProxyNode(node) as string, /^metadata GENERATOR event is not supported; use grpc/);
});
