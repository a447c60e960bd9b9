// Two control planes over one folder and one authority: proxies go from one to the other, and nobody can tell which of
// them made what.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { createCsr } from '../../certs/csr.ts';
import { parseSpiffeId } from '../../certs/spiffe.ts';
import { startControl } from '../../control/control.ts';
import type { ControlHandle } from '../../control/control.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { joinHostPort } from '../../proxy/base/host-port.ts';
import { CLUSTER_TYPE, LISTENER_TYPE } from '../../proxy/config/type-url.ts';
import { requestCertificate } from '../../proxy/supervisor/ca-client.ts';
import { ecKey, REVIEWS } from '../harness/certificates.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { answers, ServerProcess } from '../harness/process.ts';
import { RawXds, RawXdsClient } from '../harness/raw-xds.ts';
import { until } from '../harness/until.ts';
import { xdsBootstrap } from '../harness/xds-mesh.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const HOST = 'echo.example';

const entry = (port: number, hosts = HOST): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: echo, namespace: default }
spec:
  hosts: [${hosts}]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1, ports: { http: ${port} } }]
`;

interface Pair {
  readonly folder: string;
  readonly one: ControlHandle;
  readonly other: ControlHandle;
  /** Ends the first. */
  kill(): Promise<void>;
}

async function pair(t: TestContext, mesh: string): Promise<Pair> {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'mesh.yaml'), mesh);
  const log = { info: () => undefined, warning: () => undefined };
  const start = (): Promise<ControlHandle> => startControl({
    configDir: folder, caDir: join(folder, 'ca'), xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK, log,
    settings: { zipkin: { host: '127.0.0.1', port: 9411 } },
  });
  const [one, other] = [await start(), await start()];
  let isKilled = false;
  const kill = async (): Promise<void> => {
    if (!isKilled) await one.close();
    isKilled = true;
  };
  t.after(() => Promise.all([kill(), other.close()]));
  return { folder, one, other, kill };
}

const fields = (values: Record<string, string>): object => ({
  fields: Object.fromEntries(Object.entries(values).map(([key, stringValue]) => [key, { stringValue }])),
});
const NODE = {
  id: 'sidecar~10.0.0.9~a.default~default.svc.cluster.local', cluster: 'a.default', user_agent_name: 'weft',
  metadata: fields({ NAMESPACE: 'default', WEFT_OUTBOUND_LISTEN: '127.0.0.1:15001' }),
};

/** A grpc-js client that has what `known` says. */
function ask(t: TestContext, { xds }: ControlHandle, type: string, known: Record<string, string> = {}): RawXdsClient {
  const client = new RawXdsClient(new RawXds(), joinHostPort(xds.host, xds.port));
  t.after(() => client[Symbol.dispose]());
  client.send({ type_url: type, resource_names_subscribe: [], initial_resource_versions: known, node: NODE });
  return client;
}

test('F30 two control planes give one version to one content: nothing is sent again to who goes over', async (t) => {
  const { folder, one, other } = await pair(t, entry(8080));
  for (const [type, short] of [[CLUSTER_TYPE, 'Cluster'], [LISTENER_TYPE, 'Listener']] as const) {
    const versions: Record<string, string>[] = [];
    for (const control of [one, other]) {
      const { resources } = await ask(t, control, type).next(short);
      versions.push(Object.fromEntries(resources.map(({ name, version }) => [name, version])));
    }
    assert.ok(Object.keys(versions[0]!).length > 0);
    assert.deepEqual(versions[1], versions[0], 'as grpc-js\'s client is told');
  }
  const { resources } = await ask(t, one, CLUSTER_TYPE).next('Cluster');
  const known = Object.fromEntries(resources.map(({ name, version }) => [name, version]));
  const moved = ask(t, other, CLUSTER_TYPE, known);
  const greeting = moved.next('Cluster').then((response) => {
    moved.ack(response);
    return response.resources.length === 0 ? moved.next('Cluster') : response;
  });
  await until('it is connected', () => other.status().proxies.some(({ connected }) => connected));
  writeFileSync(join(folder, 'more.yaml'), entry(8081, 'more.example').replace('name: echo', 'name: more'));
  const changed = (await greeting).resources.map(({ name }) => name);
  assert.deepEqual(changed, ['outbound|80||more.example'], 'the first that comes is what is new');
});

test('F30 two control planes are one authority: same roots, and either takes the token of the other', async (t) => {
  const { one, other } = await pair(t, entry(8080));
  const identity = parseSpiffeId(REVIEWS)!;
  const roots = readFileSync(one.rootFile, 'utf8');
  assert.equal(readFileSync(other.rootFile, 'utf8'), roots);
  for (const [issuer, control] of [[one, other], [other, one]] as const) {
    const chain = await requestCertificate({
      address: joinHostPort('localhost', control.secure.port), roots, token: await issuer.mintToken(identity),
      csr: createCsr(ecKey(), identity), signal: new AbortController().signal,
    });
    assert.equal(chain.length, 2);
  }
});

for (const apiType of ['DELTA_GRPC', 'GRPC'] as const) {
  test(`F30 no request of undici fails while weft proxy (${apiType}) goes over to the other`, async (t) => {
    const [echo, second] = [await EchoServer.start('echo'), await EchoServer.start('second')];
    t.after(() => Promise.all([echo[Symbol.asyncDispose](), second[Symbol.asyncDispose]()]));
    const { folder, one, other, kill } = await pair(t, entry(echo.port));
    const [admin, outbound] = await freePorts(2) as [number, number];
    const file = join(folder, 'bootstrap.json');
    writeFileSync(file, withBoth(xdsBootstrap(admin, one.xds.port, {
      id: NODE.id, cluster: NODE.cluster,
      metadata: { NAMESPACE: 'default', WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}` },
    }, {}, apiType), other.xds.port));
    const proxy = new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1', '-l', 'error']);
    t.after(() => proxy.stop());
    await proxy.until(() => answers(`http://127.0.0.1:${admin}/ready`));
    const seen = new Map<string, number>();
    let isOver = false;
    const traffic = (async () => {
      while (!isOver) {
        const { statusCode, body } = await request(`http://127.0.0.1:${outbound}/`, { headers: { host: HOST } });
        const text = await body.text();
        const key = statusCode === 200 ? (JSON.parse(text) as { server: string }).server : `${statusCode} ${text}`;
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }
    })();
    await until('requests pass', () => seen.has('echo'));
    await kill();
    const isThere = (): boolean => other.status().proxies.some(({ connected, types }) => connected
      && types.every(({ pending, sent, acked }) => !pending && sent === acked));
    await until('it has gone over', isThere, 15_000);
    writeFileSync(join(folder, 'mesh.yaml'), entry(second.port));
    await until('the other is followed', () => seen.has('second'), 15_000);
    isOver = true;
    await traffic;
    assert.deepEqual([...seen.keys()], ['echo', 'second']);
  });
}

/** The management server's cluster has two endpoints. */
function withBoth(bootstrap: string, port: number): string {
  return bootstrap.replace(/"lb_endpoints":\[(\{.*?\}\}\}\})\]/, (_all, first: string) => (
    `"lb_endpoints":[${first},${first.replace(/"port_value":\d+/, `"port_value":${port}`)}]`));
}
