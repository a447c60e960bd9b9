// Our control plane tells weft and a real Envoy alike that a port speaks HTTP/2: gRPC passes, in clear and by CONNECT.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request as http1Request } from 'node:http';
import { connect, createServer } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startControl } from '../../control/control.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { findEnvoy } from '../harness/peers.ts';
import { answers, freePorts, ServerProcess } from '../harness/process.ts';
import { candidates } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { xdsBootstrap } from '../harness/xds-mesh.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const LOOPBACK = { host: '127.0.0.1', port: 0 };
const POD = '127.0.0.9';
const METHOD = '/test.Service/Call';

const mesh = (port: number): string => `
apiVersion: v1
kind: Service
metadata: { name: calls, namespace: default }
spec: { selector: { app: calls }, ports: [{ name: grpc, port: 9080 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: calls-1, namespace: default }
spec: { address: 127.0.0.1, ports: { grpc: ${port} }, labels: { app: calls, version: v1 } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: DISABLE } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: calls, namespace: default }
spec:
  hosts: [calls]
  http:
    - match: [{ headers: { fail: { exact: 'yes' } } }]
      fault: { abort: { grpcStatus: UNAVAILABLE, percentage: { value: 100 } } }
      route: [{ destination: { host: calls } }]
    - route: [{ destination: { host: calls } }]
`;

/** Answers as a gRPC server does, whatever it is asked. */
async function grpcServer(t: TestContext): Promise<number> {
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.pipe(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function startProxy(t: TestContext, kind: ProxyKind): Promise<number> {
  const root = temporaryFolder(t);
  writeFileSync(join(root, 'mesh.yaml'), mesh(await grpcServer(t)));
  const log = { info: () => undefined, warning: () => undefined };
  const control = await startControl({
    configDir: root, caDir: join(root, 'ca'), xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK, log,
  });
  const [outbound, inbound, admin] = await freePorts(3) as [number, number, number];
  const file = join(root, 'bootstrap.json');
  writeFileSync(file, xdsBootstrap(admin, control.xds.port, {
    id: `sidecar~${POD}~self-1.default~default.svc.cluster.local`,
    cluster: 'self.default',
    metadata: {
      NAMESPACE: 'default', LABELS: { app: 'self', version: 'v1' }, INSTANCE_IPS: POD,
      WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}`, WEFT_APP_PORTS: { [inbound]: '127.0.0.1:1' },
    },
  }));
  const server = kind === 'envoy'
    ? new ServerProcess(findEnvoy(false), ['-c', file, '--concurrency', '1', '-l', 'error', '--use-dynamic-base-id'])
    : new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1', '-l', 'warning']);
  t.after(async () => {
    await server.stop();
    await control.close();
  });
  await server.until(() => answers(`http://127.0.0.1:${admin}/ready`));
  await until('the route', async () => (await callOnce(outbound)).body === 'ping');
  return outbound;
}

interface Answer {
  readonly head: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: string;
}

async function callOnce(port: number): Promise<Answer> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  try {
    return await call(session);
  } catch {
    return { head: {}, trailers: {}, body: '' };
  } finally {
    session.close();
  }
}

async function call(session: ClientHttp2Session, headers: Record<string, string> = {}): Promise<Answer> {
  const stream = session.request({
    ':method': 'POST', ':path': METHOD, ':authority': 'calls:9080', 'content-type': 'application/grpc', te: 'trailers',
    ...headers,
  });
  let [head, trailers, body]: [IncomingHttpHeaders, IncomingHttpHeaders, string] = [{}, {}, ''];
  stream.on('response', (fields) => (head = fields)).on('trailers', (fields) => (trailers = fields));
  stream.end('ping');
  for await (const chunk of stream) body += String(chunk);
  return { head, trailers, body };
}

/** A connection through the explicit proxy, as libraries of gRPC make it. */
function tunnel(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const outgoing = http1Request({ port, host: '127.0.0.1', method: 'CONNECT', path: 'calls:9080' });
    outgoing.on('connect', (response, socket) => {
      if (response.statusCode === 200) resolve(socket);
      else reject(new Error(`CONNECT was answered ${response.statusCode}`));
    });
    outgoing.on('error', reject).end();
  });
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} carries gRPC of a mesh that names a port grpc (node:http2)`, { skip }, async (t) => {
    const port = await startProxy(t, kind);
    await t.test('by HTTP/2', async () => {
      const { head, trailers, body } = await callOnce(port);
      assert.deepEqual([head[':status'], body, trailers['grpc-status']], [200, 'ping', '0']);
    });
    await t.test('a fault by gRPC status', async () => {
      const session = connect(`http://127.0.0.1:${port}`);
      const { head, body } = await call(session, { fail: 'yes' });
      assert.deepEqual([head[':status'], head['grpc-status'], body], [200, '14', '']);
      session.close();
    });
    await t.test('by CONNECT', async () => {
      const socket = await tunnel(port);
      const session = connect('http://calls:9080', { createConnection: () => socket });
      const { trailers, body } = await call(session);
      assert.deepEqual([body, trailers['grpc-status']], ['ping', '0']);
      session.destroy();
    });
  });
}
