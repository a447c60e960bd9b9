// Our control plane tells weft and a real Envoy alike that a port speaks HTTP/2: gRPC passes, in clear and by CONNECT.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as http1Request } from 'node:http';
import { connect, createServer } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { WITHOUT_MTLS, startControlled } from '../harness/controlled-proxy.ts';
import { candidates } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

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
${WITHOUT_MTLS}---
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
  const [outbound, inbound] = await freePorts(2) as [number, number];
  await startControlled(t, kind, mesh(await grpcServer(t)), {
    role: 'sidecar', address: '127.0.0.9',
    metadata: {
      LABELS: { app: 'self', version: 'v1' },
      WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}`, WEFT_APP_PORTS: { [inbound]: '127.0.0.1:1' },
    },
  });
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
    outgoing.on('connect', (response, socket, early) => {
      // The server's SETTINGS may come with the answer.
      socket.unshift(early);
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
