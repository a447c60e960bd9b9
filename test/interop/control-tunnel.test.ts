// Our control plane tells weft and a real Envoy alike to carry TCP through a proxy of node:http, as a DestinationRule's
// tunnel says: from a gateway's port, from a sidecar's, and for an application that asks its sidecar by CONNECT.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { startControlled, WITHOUT_MTLS } from '../harness/controlled-proxy.ts';
import { hear, startNamed } from '../harness/named-server.ts';
import { candidates } from '../harness/proxy-process.ts';
import { startTunnelProxy } from '../harness/tunnel-proxy.ts';
import { until } from '../harness/until.ts';

const object = (kind: string, name: string, spec: string): string => `---
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: default }
spec: ${spec}
`;

const entry = (host: string, port: number, targetPort: number): string => object('ServiceEntry', host, `{
  hosts: [${host}], resolution: STATIC, ports: [{ number: ${port}, name: tcp, targetPort: ${targetPort} }],
  endpoints: [{ address: 127.0.0.1 }] }`);

/** `far.test` is reached through `proxy.test`, which is asked for `target`. */
const mesh = (proxy: number, target: number, protocol: string): string => WITHOUT_MTLS
  + entry('far.test', 9000, 1) + entry('proxy.test', 3128, proxy)
  + object('DestinationRule', 'proxy', `{ host: proxy.test, trafficPolicy: { tunnel: { protocol: ${protocol},
    targetHost: target.test, targetPort: ${target} } } }`)
  + object('VirtualService', 'far', `{ hosts: [far.test], gateways: [mesh, edge],
    tcp: [{ route: [{ destination: { host: proxy.test, port: { number: 3128 } } }] }] }`)
  + object('Gateway', 'edge', `{ selector: { istio: edge },
    servers: [{ port: { number: 9000, name: tcp, protocol: TCP }, hosts: [far.test] }] }`);

const sidecar = (port: number): string => object('Sidecar', 'default', `{
  egress: [{ hosts: ['*/*'] }, { hosts: ['*/far.test'], bind: 127.0.0.1, port: { number: 9000, protocol: TCP } }] }`)
  .replace('number: 9000', `number: ${port}`);

for (const { kind, skip } of candidates()) {
  for (const protocol of ['CONNECT', 'POST']) {
    void test(`${kind} is a gateway that carries TCP by ${protocol} (node:net, node:http)`, { skip }, async (t) => {
      const target = await startNamed(t, 'far');
      const proxy = await startTunnelProxy(t, 'h1', target);
      const [tcp] = await freePorts(1) as [number];
      await startControlled(t, kind, mesh(proxy.port, target, protocol), {
        role: 'router', address: '127.0.0.8',
        metadata: { LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 9000: tcp } },
      });
      await until('the way', async () => (await hear(tcp)) === 'far|hello');
      assert.equal(proxy.requests.at(-1), `${protocol} target.test:${target}`);
    });
  }

  void test(`${kind} is a sidecar that carries TCP by CONNECT (node:net, undici)`, { skip }, async (t) => {
    const target = await startNamed(t, 'far');
    const proxy = await startTunnelProxy(t, 'h1', target);
    const [outbound, own] = await freePorts(2) as [number, number];
    const yaml = mesh(proxy.port, target, 'CONNECT').replaceAll('9000', String(own)) + sidecar(own);
    await startControlled(t, kind, yaml, {
      role: 'sidecar', address: '127.0.0.9',
      metadata: { LABELS: { app: 'self' }, WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}` },
    });
    await until('the way', async () => (await hear(own)) === 'far|hello');
    const agent = new Agent();
    const origin = `http://127.0.0.1:${outbound}`;
    const { statusCode, socket } = await agent.connect({ origin, path: 'proxy.test:3128' });
    assert.equal(statusCode, 200);
    socket.write('hello');
    const heard = await new Promise((resolve) => socket.once('data', (chunk: Buffer) => resolve(String(chunk))));
    assert.match(String(heard), /^far\|/);
    socket.destroy();
    await agent.destroy();
    assert.deepEqual([...new Set(proxy.requests)], [`CONNECT target.test:${target}`]);
  });
}
