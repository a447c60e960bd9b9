// Our control plane tells weft and a real Envoy alike to listen where a Sidecar says: undici and node:net call through
// its egress listeners, and reach the application behind its ingress listener.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { WITHOUT_MTLS, startControlled } from '../harness/controlled-proxy.ts';
import { EchoServer, type Echo } from '../harness/echo-server.ts';
import { hear, startNamed } from '../harness/named-server.ts';
import { candidates } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

interface Ports {
  readonly web: number;
  readonly bytes: number;
  readonly ingress: number;
  readonly app: number;
}

const mesh = (upstream: Ports, listen: Ports): string => `${WITHOUT_MTLS}---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: out, namespace: default }
spec:
  hosts: [out.test]
  resolution: STATIC
  ports:
    - { name: http, number: ${listen.web}, targetPort: ${upstream.web} }
    - { name: tcp, number: ${listen.bytes}, targetPort: ${upstream.bytes} }
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: self, namespace: default }
spec:
  workloadSelector: { labels: { app: self } }
  ingress:
    - port: { number: ${listen.ingress}, protocol: HTTP }
      bind: 127.0.0.1
      defaultEndpoint: '127.0.0.1:${upstream.app}'
      connectionPool: { http: { maxRequestsPerConnection: 1 } }
  egress:
    - { port: { number: ${listen.web}, protocol: HTTP }, hosts: ['./*'] }
    - { port: { number: ${listen.bytes}, protocol: TCP }, bind: 127.0.0.1, hosts: ['./*'] }
`;

for (const { kind, skip } of candidates()) {
  void test(`${kind} listens where a Sidecar says (undici, node:net)`, { skip }, async (t) => {
    await using web = await EchoServer.start('web');
    await using app = await EchoServer.start('app');
    const upstream = { web: web.port, bytes: await startNamed(t, 'bytes'), ingress: 0, app: app.port };
    const [webPort, bytes, ingress, outbound] = await freePorts(4) as [number, number, number, number];
    await startControlled(t, kind, mesh(upstream, { web: webPort, bytes, ingress, app: 0 }), {
      role: 'sidecar', address: '127.0.0.9',
      metadata: { LABELS: { app: 'self' }, WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}` },
    });
    const ask = async (port: number, host: string): Promise<[number, string]> => {
      const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, { headers: { host } });
      const text = await body.text();
      return [statusCode, statusCode !== 200 ? '' : (JSON.parse(text) as Echo).server];
    };
    const isUp = async (): Promise<boolean> => (await ask(webPort, 'out.test').catch(() => [0]))[0] === 200;
    await until('the listener', isUp);
    assert.deepEqual(await ask(webPort, 'out.test'), [200, 'web']);
    assert.equal((await ask(webPort, 'nobody.test'))[0], 502);
    assert.equal((await ask(outbound, 'out.test'))[0], 502, 'it has a listener of its own');
    await until('bytes', async () => (await hear(bytes)) === 'bytes|hello');
    assert.deepEqual(await ask(ingress, 'any.test'), [200, 'app']);
  });
}
