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
  /** Of bytes towards the application, one of which the policy allows. */
  readonly allowed: number;
  readonly denied: number;
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
    - { port: { number: ${listen.allowed}, protocol: TCP }, bind: 127.0.0.1, defaultEndpoint: ${bytes(upstream)} }
    - { port: { number: ${listen.denied}, protocol: TCP }, bind: 127.0.0.1, defaultEndpoint: ${bytes(upstream)} }
  egress:
    - { port: { number: ${listen.web}, protocol: HTTP }, hosts: ['./*'] }
    - { port: { number: ${listen.bytes}, protocol: TCP }, bind: 127.0.0.1, hosts: ['./*'] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: self, namespace: default }
spec:
  action: ALLOW
  rules: [{ to: [{ operation: { ports: ['${listen.ingress}', '${listen.allowed}'] } }] }]
`;

const bytes = ({ bytes: port }: Ports): string => `'127.0.0.1:${port}'`;

const NONE: Ports = { web: 0, bytes: 0, ingress: 0, app: 0, allowed: 0, denied: 0 };

for (const { kind, skip } of candidates()) {
  void test(`${kind} listens where a Sidecar says, as a policy allows (undici, node:net)`, { skip }, async (t) => {
    await using web = await EchoServer.start('web');
    await using app = await EchoServer.start('app');
    const upstream = { web: web.port, bytes: await startNamed(t, 'bytes'), app: app.port };
    const [webPort, tcp, ingress, outbound, allowed, denied] =
      await freePorts(6) as [number, number, number, number, number, number];
    const listen = { web: webPort, bytes: tcp, ingress, allowed, denied };
    const yaml = mesh({ ...NONE, ...upstream }, { ...NONE, ...listen });
    await startControlled(t, kind, yaml, {
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
    await until('bytes', async () => (await hear(tcp)) === 'bytes|hello');
    assert.deepEqual(await ask(ingress, 'any.test'), [200, 'app']);
    assert.deepEqual([await hear(allowed), await hear(denied)], ['bytes|hello', ''], 'by the AuthorizationPolicy');
  });
}
