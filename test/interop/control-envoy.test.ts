// Our control plane drives a real Envoy: routing, pushes under load, authorization, tunnels and spans.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startControl, type ControlHandle } from '../../control/control.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { EchoServer, type Echo } from '../harness/echo-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { answers, ServerProcess } from '../harness/process.ts';
import { until } from '../harness/until.ts';
import { xdsBootstrap } from '../harness/xds-mesh.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const LOOPBACK = { host: '127.0.0.1', port: 0 };
/** Apart from the endpoints' 127.0.0.1, so that Envoy takes them for others'. */
const POD = '127.0.0.9';

interface Bench {
  readonly control: ControlHandle;
  readonly folder: string;
  /** Ports of the explicit proxy, of the workload itself, and of Envoy's admin interface. */
  readonly outbound: number;
  readonly inbound: number;
  write(file: string, text: string): void;
}

const service = (name: string, port = 'name: http') => `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { selector: { app: ${name} }, ports: [{ ${port}, port: 9080 }] }
`;

const instance = (name: string, app: string, version: string, address: string, port: number) => `---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: default }
spec: { address: ${address}, ports: { http: ${port}, tcp: ${port} }, labels: { app: ${app}, version: ${version} } }
`;

const ROUTES = (rules: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo, namespace: default }
spec:
  hosts: [echo]
  http:
${rules}`;

const V1 = '    - route: [{ destination: { host: echo, subset: v1 } }]\n';
const V2 = V1.replace('v1', 'v2');
const JASON = V2.replace('- route', '- match: [{ headers: { end-user: { exact: jason } } }]\n      route');

const MESH = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo, namespace: default }
spec:
  host: echo
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: DISABLE } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-admin, namespace: default }
spec: { selector: { matchLabels: { app: self } }, action: DENY, rules: [{ to: [{ operation: { paths: [/admin*] } }] }] }
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: mesh, namespace: istio-system }
spec: { tracing: [{ randomSamplingPercentage: 100 }] }
`;

async function start(t: TestContext): Promise<Bench> {
  const root = temporaryFolder(t);
  const folder = join(root, 'mesh');
  mkdirSync(folder);
  const write = (file: string, text: string): void => {
    writeFileSync(join(root, file), text);
    renameSync(join(root, file), join(folder, file));
  };
  const [v1, v2] = [await EchoServer.start('v1'), await EchoServer.start('v2')];
  const [outbound, inbound, admin] = await freePorts(3) as [number, number, number];
  write('mesh.yaml', MESH);
  write('routes.yaml', ROUTES(JASON + V1));
  write('services.yaml', service('echo') + service('raw', 'name: tcp') + service('self')
    + instance('echo-v1', 'echo', 'v1', '127.0.0.1', v1.port) + instance('echo-v2', 'echo', 'v2', '127.0.0.1', v2.port)
    + instance('raw-1', 'raw', 'v1', '127.0.0.1', v1.port) + instance('self-1', 'self', 'v1', POD, inbound));
  const log = { info: () => undefined, warning: () => undefined };
  const control = await startControl({ configDir: folder, caDir: join(root, 'ca'), xds: LOOPBACK, secure: LOOPBACK,
    http: LOOPBACK, log });
  const file = join(root, 'envoy.json');
  writeFileSync(file, xdsBootstrap(admin, control.xds.port, nodeOf(outbound, inbound, v1.port)));
  const server = new ServerProcess(envoy, ['-c', file, '--concurrency', '1', '-l', 'error', '--use-dynamic-base-id']);
  t.after(async () => {
    await server.stop();
    await control.close();
    for (const echo of [v1, v2]) await echo[Symbol.asyncDispose]();
  });
  await server.until(() => answers(`http://127.0.0.1:${admin}/ready`));
  await until('routes', async () => (await call({ outbound }, 'http://echo:9080/')).status === 200);
  return { control, folder, outbound, inbound, write };
}

/** What the sidecar tells of itself. */
function nodeOf(outbound: number, inbound: number, app: number): object {
  return {
    id: `sidecar~${POD}~self-1.default~default.svc.cluster.local`,
    cluster: 'self.default',
    metadata: {
      NAMESPACE: 'default', LABELS: { app: 'self', version: 'v1' }, INSTANCE_IPS: POD,
      WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}`, WEFT_APP_PORTS: { [inbound]: `127.0.0.1:${app}` },
    },
  };
}

interface Answer {
  readonly status: number;
  readonly echo: Echo | undefined;
  readonly text: string;
}

/** Through the explicit proxy, by absolute-form target. */
function call({ outbound }: { readonly outbound: number }, url: string, headers = {}): Promise<Answer> {
  return fetchVia('127.0.0.1', outbound, url, { host: new URL(url).host, ...headers });
}

function fetchVia(host: string, port: number, path: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve) => {
    const failed = (): void => resolve({ status: 0, echo: undefined, text: '' });
    const outgoing = request({ host, port, path, headers, agent: false }, (incoming: IncomingMessage) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
      incoming.on('error', failed);
      incoming.on('end', () => {
        const status = incoming.statusCode ?? 0;
        resolve({ status, text, echo: status === 200 ? JSON.parse(text) as Echo : undefined });
      });
    });
    outgoing.on('error', failed).end();
  });
}

test('rules by header reach a real Envoy, and every ACK is seen', { skip }, async (t) => {
  const bench = await start(t);
  const others = await call(bench, 'http://echo:9080/');
  const jason = await call(bench, 'http://echo/', { 'end-user': 'jason' });
  assert.deepEqual([others.echo?.server, jason.echo?.server], ['v1', 'v2']);
  assert.equal((await call(bench, 'http://nobody:9080/')).status, 502);
  const [proxy] = bench.control.status().proxies;
  assert.deepEqual(proxy?.types.map(({ type, nack }) => [type, nack]).toSorted(),
    [['cds', undefined], ['eds', undefined], ['lds', undefined], ['rds', undefined]]);
});

test('F04 a real Envoy fails no request while rules change', { skip }, async (t) => {
  const bench = await start(t);
  const seen = new Map<string, number>();
  let isOver = false;
  const load = async (): Promise<void> => {
    while (!isOver) {
      const { status, echo } = await call(bench, 'http://echo:9080/');
      const key = `${status} ${echo?.server ?? ''}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
  };
  const clients = Promise.all(Array.from({ length: 4 }, load));
  for (const rules of [V2, V1, JASON + V1, V2]) {
    const wanted = rules === V2 ? 'v2' : 'v1';
    bench.write('routes.yaml', ROUTES(rules));
    await until(wanted, async () => (await call(bench, 'http://echo:9080/')).echo?.server === wanted);
  }
  isOver = true;
  await clients;
  assert.deepEqual([...seen.keys()].toSorted(), ['200 v1', '200 v2'], JSON.stringify([...seen]));
});

test('a DENY policy holds at a real Envoy', { skip }, async (t) => {
  const bench = await start(t);
  const direct = (path: string) => fetchVia(POD, bench.inbound, path, { host: 'self' });
  await until('the inbound listener', async () => (await direct('/')).status === 200);
  const denied = await direct('/admin/x');
  assert.deepEqual([denied.status, denied.text], [403, 'RBAC: access denied']);
});

test('what is not HTTP passes a real Envoy by CONNECT', { skip }, async (t) => {
  const bench = await start(t);
  const reply = await new Promise<string>((resolve, reject) => {
    const target = { host: '127.0.0.1', port: bench.outbound, method: 'CONNECT', path: 'raw:9080', agent: false };
    const outgoing = request(target);
    outgoing.on('connect', (response, socket) => {
      assert.equal(response.statusCode, 200);
      socket.on('data', (chunk: Buffer) => {
        resolve(chunk.toString());
        socket.destroy();
      });
      socket.write('GET /through HTTP/1.1\r\nhost: raw\r\n\r\n');
    });
    outgoing.on('error', reject).end();
  });
  assert.match(reply, /^HTTP\/1\.1 200 /);
});

test("spans of a real Envoy arrive in the control plane's store", { skip }, async (t) => {
  const bench = await start(t);
  await call(bench, 'http://echo:9080/traced');
  const url = `http://127.0.0.1:${bench.control.http.port}`;
  await until('a trace', async () => {
    const traces = await (await fetch(`${url}/api/traces`)).json() as { name: string }[];
    return traces.some(({ name }) => name === 'echo.default.svc.cluster.local:9080/*');
  });
});
