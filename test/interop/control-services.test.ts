// Our control plane tells weft and a real Envoy alike which services there are and whose rules hold: undici calls by
// host and by virtual address, through entries that add up and rules that conflict.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { WITHOUT_MTLS, startControlled } from '../harness/controlled-proxy.ts';
import { EchoServer, type Echo } from '../harness/echo-server.ts';
import { candidates, type ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const object = (kind: string, name: string, spec: string, created = '2024-01-01', namespace = 'default'): string => `---
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace}, creationTimestamp: '${created}T00:00:00Z' }
spec: ${spec}
`;

const entry = (name: string, port: number, more: string): string => object('ServiceEntry', name, `
  hosts: [shop.test]
  resolution: STATIC
  ports: [{ number: 80, name: http }]
  endpoints: [{ address: 127.0.0.1, ports: { http: ${port} }, labels: { version: ${name} } }]
  ${more}`);
const answers = (name: string, status: number, created: string, more: string): string =>
  object('VirtualService', name, `{ http: [{ directResponse: { status: ${status} } }], ${more} }`, created);

const mesh = (one: number, two: number): string => WITHOUT_MTLS
  + entry('one', one, "addresses: [240.0.0.7, '2001:db8::7']") + entry('two', two, '')
  + object('DestinationRule', 'subsets', `
  host: shop.test
  trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }
  subsets: [{ name: two, labels: { version: two } }]`)
  + object('VirtualService', 'shop', `
  hosts: [shop.test]
  http:
    - match: [{ uri: { prefix: /two } }]
      route: [{ destination: { host: shop.test, subset: two } }]
    - route: [{ destination: { host: shop.test } }]`)
  + answers('wide', 410, '2020-01-01', "hosts: ['*.rules.test']")
  + answers('young', 411, '2024-01-02', 'hosts: [one.rules.test]')
  + answers('zold', 412, '2024-01-01', 'hosts: [one.rules.test]')
  + answers('hidden', 413, '2019-01-01', "hosts: [one.rules.test], exportTo: ['~']");

async function startMesh(t: TestContext, kind: ProxyKind, yaml: string): Promise<number> {
  const [outbound] = await freePorts(1) as [number];
  await startControlled(t, kind, yaml, {
    role: 'sidecar', address: '127.0.0.9',
    metadata: { LABELS: { app: 'self' }, WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}` },
  });
  return outbound;
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} calls services that entries describe, as the oldest and closest rule says (undici)`, { skip },
    async (t) => {
      await using one = await EchoServer.start('one');
      await using two = await EchoServer.start('two');
      const outbound = await startMesh(t, kind, mesh(one.port, two.port));
      const ask = async (host: string, path = '/'): Promise<string | number> => {
        const { statusCode, body } = await request(`http://127.0.0.1:${outbound}${path}`, { headers: { host } });
        const text = await body.text();
        return statusCode === 200 ? (JSON.parse(text) as Echo).server : statusCode;
      };
      await until('the route', async () => (await ask('shop.test').catch(() => 0)) === 'one');
      const both = async (host: string): Promise<string[]> => {
        const seen: string[] = [];
        for (let i = 0; i < 4; i++) seen.push(String(await ask(host)));
        return [...new Set(seen)].toSorted();
      };
      for (const host of ['shop.test', 'shop.test:80', '240.0.0.7', '240.0.0.7:80', '[2001:db8::7]:80']) {
        assert.deepEqual(await both(host), ['one', 'two'], host);
      }
      assert.deepEqual([await ask('shop.test', '/two/a'), await ask('shop.test', '/two/b')], ['two', 'two']);
      assert.deepEqual([await ask('one.rules.test'), await ask('two.rules.test'), await ask('rules.test')],
        [412, 410, 502]);
    });
}
