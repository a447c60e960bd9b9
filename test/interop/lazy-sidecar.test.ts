// A lazy sidecar, weft and a real Envoy alike: our control plane tells it of hosts when its application first calls
// them, with the clusters that their routes lead to, and of nothing else.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { request } from 'undici';
import { statusText } from '../../cli/status.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { startControlled, WITHOUT_MTLS, type Controlled } from '../harness/controlled-proxy.ts';
import { EchoServer, type Echo } from '../harness/echo-server.ts';
import { candidates, type ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const SERVICES = 30;

const entry = (name: string, port: number): string => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [${name}.test]
  resolution: STATIC
  ports: [{ number: 80, name: http }]
  endpoints: [{ address: 127.0.0.1, ports: { http: ${port} } }]
`;

/** What is for /other goes to another service. */
const SPLIT = `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: svc-0, namespace: default }
spec:
  hosts: [svc-0.test]
  http:
    - match: [{ uri: { prefix: /other } }]
      route: [{ destination: { host: svc-1.test } }]
    - route: [{ destination: { host: svc-0.test } }]
`;

interface Lazy extends Controlled {
  ask(host: string, path?: string): Promise<string | number>;
  held(type: string): number;
}

async function start(t: TestContext, kind: ProxyKind, mesh: string): Promise<Lazy> {
  const [outbound] = await freePorts(1) as [number];
  const controlled = await startControlled(t, kind, mesh, {
    role: 'sidecar', address: '127.0.0.9',
    metadata: { LABELS: { app: 'self' }, WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}`, WEFT_LAZY: 'true' },
  });
  const ask = async (host: string, path = '/'): Promise<string | number> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${outbound}${path}`, { headers: { host } });
    const text = await body.text();
    return statusCode === 200 ? (JSON.parse(text) as Echo).server : statusCode;
  };
  await until('the listener', async () => (await ask('nobody.test').catch(() => 0)) === 502);
  const held = (type: string): number => controlled.control.status().proxies[0]!.types
    .find((each) => each.type === type)?.resources ?? 0;
  return { ...controlled, ask, held };
}

for (const { kind, skip } of candidates()) {
  void test(`a lazy ${kind} holds what its application has called (undici)`, { skip }, async (t) => {
    await using one = await EchoServer.start('one');
    await using two = await EchoServer.start('two');
    const entries = Array.from({ length: SERVICES }, (_, i) => entry(`svc-${i}`, i === 1 ? two.port : one.port));
    const mesh = WITHOUT_MTLS + entries.join('');
    const lazy = await start(t, kind, mesh + SPLIT);
    const before = lazy.held('cds');
    assert.ok(before < 5, `${before} clusters before the first call`);

    assert.deepEqual([await lazy.ask('svc-0.test'), await lazy.ask('svc-0.test', '/other')], ['one', 'two']);
    assert.deepEqual([await lazy.ask('svc-5.test:80'), await lazy.ask('SVC-6.test')], ['one', 'one']);
    assert.equal(await lazy.ask('nobody.test'), 502);
    await until('clusters of four services', () => lazy.held('cds') === before + 4 && lazy.held('eds') === 4);
    const hosts = (): string => lazy.control.status().proxies[0]!.types.flatMap((type) => type.hosts ?? [])
      .filter((name) => name.includes('svc')).join(' ');
    await until('hosts', () => hosts() === 'http_proxy/svc-0.test http_proxy/svc-5.test:80 http_proxy/svc-6.test');

    assert.match(statusText(lazy.control.status(), Date.now()), /^sidecar~\S+: holds .*http_proxy\/svc-5\.test:80/m);

    // A rule that goes takes its cluster with it; hosts that were asked for follow.
    lazy.write(mesh);
    await until('the rule to go', async () => (await lazy.ask('svc-0.test', '/other')) === 'one');
    await until('its cluster to go', () => lazy.held('cds') === before + 3);

    // A name that was nobody's becomes a service's.
    lazy.write(mesh + entry('nobody', two.port));
    await until('the new service', async () => (await lazy.ask('nobody.test')) === 'two');
  });
}
