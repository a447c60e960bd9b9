// A real Envoy sidecar, a weft sidecar and gRPC clients without any in one mesh of our control plane: mutual TLS
// between them both ways, routing, faults and authorization (peers: Envoy, grpc-js-xds, undici).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { status } from '@grpc/grpc-js';
import { ProxyAgent, request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { GrpcTestServer } from '../harness/grpc-test-service.ts';
import { MixedMesh } from '../harness/mixed-mesh.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { until } from '../harness/until.ts';
import type { ApiType } from '../harness/xds-mesh.ts';

const NEAR = '127.0.0.9';
const FAR = '127.0.0.8';

interface Ports {
  readonly near: number;
  readonly far: number;
  readonly calls: number;
}

const service = (name: string, ports: string): string => `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { selector: { app: ${name} }, ports: [${ports}] }
`;

const instance = (name: string, address: string, ports: string): string => `---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}-1, namespace: default }
spec: { address: ${address}, ports: { ${ports} }, labels: { app: ${name} }, serviceAccount: ${name} }
`;

const policy = (app: string, caller: string, path = '/open*'): string => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${app}, namespace: default }
spec:
  selector: { matchLabels: { app: ${app} } }
  rules:
  - from: [{ source: { principals: [cluster.local/ns/default/sa/${caller}] } }]
    to: [{ operation: { paths: [${path}] } }]
`;

const rules = (host: string): string => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${host}, namespace: default }
spec:
  hosts: [${host}]
  http:
  - match: [{ headers: { x-fault: { exact: teapot } } }]
    fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }
    route: [{ destination: { host: ${host} } }]
  - match: [{ uri: { prefix: /old } }]
    rewrite: { uri: /open/new }
    route: [{ destination: { host: ${host} } }]
  - route: [{ destination: { host: ${host} } }]
`;

const STRICT = (more = ''): string => `---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
${more}`;

const MUTUAL = `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: near, namespace: default }
spec: { host: near, trafficPolicy: { tls: { mode: ISTIO_MUTUAL } } }
`;

const mesh = ({ near, far, calls }: Ports, more: string): string => STRICT(more)
  + service('near', '{ name: http, port: 9080 }, { name: grpc, port: 9090 }')
  + service('far', '{ name: http, port: 9080 }')
  + instance('near', NEAR, `http: ${near}, grpc: ${calls}`) + instance('far', FAR, `http: ${far}`);

const permissive = (port: number): string => `---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: near, namespace: default }
spec: { selector: { matchLabels: { app: near } }, portLevelMtls: { ${port}: { mode: PERMISSIVE } } }
`;

interface Bench {
  readonly mesh: MixedMesh;
  readonly ports: Ports;
  /** Explicit proxies of the two applications. */
  readonly outbound: { readonly near: number; readonly far: number };
}

async function start(t: TestContext): Promise<{ app: Record<keyof Ports, number>; ports: Ports }> {
  const [near, far] = [await EchoServer.start('near'), await EchoServer.start('far')];
  const calls = await GrpcTestServer.start();
  t.after(async () => {
    for (const each of [near, far, calls]) await each[Symbol.asyncDispose]();
  });
  const [nearPort, farPort, callsPort] = await freePorts(3) as [number, number, number];
  return { app: { near: near.port, far: far.port, calls: calls.port },
    ports: { near: nearPort, far: farPort, calls: callsPort } };
}

async function startBoth(t: TestContext, apiType: ApiType): Promise<Bench> {
  const { app, ports } = await start(t);
  const [near, far] = await freePorts(2) as [number, number];
  const yaml = mesh(ports, policy('near', 'far') + policy('far', 'near') + rules('near') + rules('far'));
  const one = await MixedMesh.start(t, yaml);
  const nearPorts = new Map([[app.near, ports.near], [app.calls, ports.calls]]);
  await Promise.all([
    one.sidecar({ name: 'near', kind: 'weft', address: NEAR, outbound: near, inbound: nearPorts, apiType }),
    one.sidecar({ name: 'far', kind: 'envoy', address: FAR, outbound: far, inbound: new Map([[app.far, ports.far]]),
      apiType }),
  ]);
  return { mesh: one, ports, outbound: { near, far } };
}

/** From one application to the other, through both sidecars. */
async function ask(
  { outbound }: Bench, from: 'near' | 'far', path: string, headers: Record<string, string> = {},
): Promise<{ readonly code: number; readonly echo: Echo | undefined }> {
  const to = from === 'near' ? 'far' : 'near';
  const dispatcher = new ProxyAgent({ uri: `http://127.0.0.1:${outbound[from]}`, proxyTunnel: false });
  try {
    const { statusCode, body } = await request(`http://${to}:9080${path}`, { dispatcher, headers });
    const text = await body.text();
    return { code: statusCode, echo: statusCode === 200 ? JSON.parse(text) as Echo : undefined };
  } finally {
    await dispatcher.close();
  }
}

const skip = reasonToSkip(findEnvoy(false));

for (const apiType of ['DELTA_GRPC', 'GRPC'] as const) {
  test(`a real Envoy and weft as sidecars of one mesh over ${apiType}: mTLS, policy, faults`, { skip }, async (t) => {
    const bench = await startBoth(t, apiType);
    for (const [from, to] of [['near', 'far'], ['far', 'near']] as const) {
      await until(`${from} reaches ${to}`, async () => (await ask(bench, from, '/open')).code === 200, 15_000);
      const { echo } = await ask(bench, from, '/open/a');
      assert.equal(echo?.server, to);
      // Who called is in the certificate: the other side has verified it.
      const caller = new RegExp(`URI=spiffe://cluster.local/ns/default/sa/${from}`);
      assert.match(echo.headers['x-forwarded-client-cert'] ?? '', caller);
      assert.equal((await ask(bench, from, '/closed')).code, 403);
      assert.equal((await ask(bench, from, '/old/x')).echo?.url, '/open/new/x');
      assert.equal((await ask(bench, from, '/open', { 'x-fault': 'teapot' })).code, 418);
    }
    // Plaintext past the sidecar is refused under STRICT, by either.
    for (const [address, port] of [[NEAR, bench.ports.near], [FAR, bench.ports.far]] as const) {
      await assert.rejects(request(`http://${address}:${port}/open`));
    }
    const nacks = bench.mesh.control.status().proxies.flatMap(({ types }) => types.map(({ nack }) => nack));
    assert.deepEqual(nacks.filter((nack) => nack !== undefined), []);
  });
}

test('grpc-js-xds calls a service behind a weft sidecar, in plaintext and by mutual TLS', async (t) => {
  const { app, ports } = await start(t);
  const [near] = await freePorts(1) as [number];
  const one = await MixedMesh.start(t, mesh(ports, permissive(ports.calls) + rules('near')));
  const inbound = new Map([[app.near, ports.near], [app.calls, ports.calls]]);
  await one.sidecar({ name: 'near', kind: 'weft', address: NEAR, outbound: near, inbound });
  const plain = one.proxyless('xds:///near.default.svc.cluster.local:9090', 'plain', 'plain');
  assert.deepEqual(await plain.call(), { code: status.OK, details: '', size: 5 });
  // Envoy's fault filter, as gRPC's libraries run it themselves.
  assert.equal((await plain.call({ 'x-fault': 'teapot' })).code, status.UNKNOWN);
  one.write(mesh(ports, MUTUAL + policy('near', 'mutual', '/grpc.testing.TestService/*')));
  const mutual = one.proxyless('xds:///near:9090', 'mutual', 'mtls');
  await until('mutual TLS', async () => (await mutual.call()).code === status.OK, 15_000);
  // The policy lets no other identity in, and STRICT nobody without one.
  const other = one.proxyless('xds:///near:9090', 'other', 'mtls');
  assert.equal((await other.call()).code, status.PERMISSION_DENIED);
  assert.equal((await plain.call()).code, status.UNAVAILABLE);
});
