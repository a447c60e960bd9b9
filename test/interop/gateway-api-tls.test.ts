// TLS, TCP and gRPC of the Gateway API through weft and a real Envoy as gateways (node:tls, node:https, node:http2).
// Facts are those of upstream's HTTPRouteHTTPSListener, HTTPRouteHTTPSListenerDetectMisdirectedRequests, TLSRoute*,
// TCPRoute*, GatewayWithClientCertificateValidation, GatewayTLSBackendClientCertificate,
// BackendTLSPolicy and GRPCRoute*.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp2 } from 'node:http2';
import { createServer as createHttps, request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { request } from 'undici';
import { Oid } from '../../certs/oid.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import { startControlled, WITHOUT_MTLS } from '../harness/controlled-proxy.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { hear, startNamed } from '../harness/named-server.ts';
import { candidates } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const ROOT = testRoot();
const EDGE = testLeaf(ROOT, { names: ['example.org', 'second.org', '*.wildcard.org', 'ends.test']
  .map((dns) => ({ dns })) });
const INNER = testLeaf(ROOT, { names: [{ dns: 'pass.test' }] });
/** As upstream's: with a SPIFFE id beside the name, and for servers alone. */
const BACKEND = testLeaf(ROOT, {
  names: [{ dns: 'backend.test' }, { uri: 'spiffe://backend.test/identity' }],
  template: { extendedKeyUsage: [Oid.serverAuth] },
});
const CLIENT = testLeaf(ROOT, { names: [{ dns: 'client.test' }] });

const object = (kind: string, name: string, spec: string, api = 'gateway.networking.k8s.io/v1'): string => `---
apiVersion: ${api}
kind: ${kind}
metadata: { name: ${name}, namespace: default }
spec: ${spec}
`;
const service = (name: string, port: number, protocol: string): string =>
  object('Service', name, `{ ports: [{ name: main, port: 80, appProtocol: ${protocol} }] }`, 'v1') + `---
apiVersion: v1
kind: Endpoints
metadata: { name: ${name}, namespace: default }
subsets: [{ addresses: [{ ip: 127.0.0.1 }], ports: [{ name: main, port: ${port} }] }]
`;
const secret = `---
apiVersion: v1
kind: Secret
metadata: { name: edge, namespace: default }
stringData: ${JSON.stringify({ 'tls.crt': EDGE.chain, 'tls.key': EDGE.key })}
---
apiVersion: v1
kind: Secret
metadata: { name: client, namespace: default }
stringData: ${JSON.stringify({ 'tls.crt': CLIENT.chain, 'tls.key': CLIENT.key })}
---
apiVersion: v1
kind: ConfigMap
metadata: { name: roots, namespace: default }
data: ${JSON.stringify({ 'ca.crt': ROOT.cert })}
`;
const CERTIFICATE = 'tls: { mode: Terminate, certificateRefs: [{ name: edge }] }';
const GATEWAY = object('Gateway', 'edge', `
  gatewayClassName: weft
  listeners:
    - { name: any, port: 443, protocol: HTTPS, ${CERTIFICATE} }
    - { name: second, port: 443, protocol: HTTPS, hostname: second.org, ${CERTIFICATE} }
    - { name: wild, port: 443, protocol: HTTPS, hostname: '*.wildcard.org', ${CERTIFICATE} }
    - { name: known, port: 444, protocol: HTTPS, ${CERTIFICATE} }
    - { name: pass, port: 445, protocol: TLS, hostname: '*.test', tls: { mode: Passthrough } }
    - { name: ends, port: 445, protocol: TLS, hostname: ends.test, ${CERTIFICATE} }
    - { name: tcp, port: 446, protocol: TCP }
    - { name: http, port: 80, protocol: HTTP }
    - { name: grpc, port: 81, protocol: HTTP }
  tls:
    backend: { clientCertificateRef: { name: client } }
    frontend:
      default: {}
      perPort: [{ port: 444,
        tls: { validation: { caCertificateRefs: [{ group: '', kind: ConfigMap, name: roots }] } } }]
`);
const route = (kind: string, name: string, section: string, rules: string, more = ''): string =>
  object(kind, name, `{ parentRefs: [{ name: edge, sectionName: ${section} }], ${more}rules: [${rules}] }`);
const to = (name: string): string => `{ backendRefs: [{ name: ${name}, port: 80 }] }`;
const policy = (name: string, target: string, validation: string): string => object('BackendTLSPolicy', name,
  `{ targetRefs: [{ group: '', kind: Service, name: ${target}, sectionName: main }],
  validation: { ${validation} } }`);
const ROOTS = "caCertificateRefs: [{ group: '', kind: ConfigMap, name: roots }]";

const ROUTES = route('HTTPRoute', 'any', 'any', to('v1'), 'hostnames: [example.org], ')
  + route('HTTPRoute', 'second', 'second', to('v2')) + route('HTTPRoute', 'wild', 'wild', to('v2'))
  + route('HTTPRoute', 'known', 'known', to('v1')) + route('TLSRoute', 'pass', 'pass', to('inner'),
    'hostnames: [pass.test], ')
  + route('TLSRoute', 'ends', 'ends', to('plain'), 'hostnames: [ends.test], ') + route('TCPRoute', 'tcp', 'tcp',
    to('plain'))
  + route('HTTPRoute', 'backends', 'http', ['good', 'wrong', 'lost'].map((name) =>
    `{ matches: [{ path: { value: /${name} } }], backendRefs: [{ name: ${name}, port: 80 }] }`).join())
  + route('GRPCRoute', 'grpc', 'grpc', `{ matches: [{ method: { service: a.Echo, method: One } }],
    backendRefs: [{ name: grpc, port: 80 }] }, { matches: [{ method: { method: Two, type: RegularExpression },
    headers: [{ name: color, value: blue }] }], backendRefs: [{ name: grpc, port: 80 }] }`)
  + policy('good', 'good', `hostname: backend.test, ${ROOTS}`) + policy('wrong', 'wrong',
    `hostname: other.test, ${ROOTS}`)
  + policy('lost', 'lost', "hostname: backend.test, caCertificateRefs: [{ group: '', kind: ConfigMap, name: absent }]");

/** Answers with the server name that it was asked for, and the name of the client's certificate. */
async function startBackend(t: TestContext): Promise<number> {
  const server = createHttps({ cert: BACKEND.chain, key: BACKEND.key, ca: ROOT.cert, requestCert: true },
    (asked, answer) => {
    const socket = asked.socket as TLSSocket;
    answer.end(`${String(socket.servername)} ${socket.getPeerX509Certificate()?.subjectAltName ?? 'nobody'}`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Answers each call with OK, of HTTP/2 alone. */
async function startGrpc(t: TestContext): Promise<number> {
  const server = createHttp2((_, answer) => {
    // A client of HTTP/1.1 has no trailers.
    answer.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '0' });
    answer.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function get(port: number, servername: string, host: string, more: RequestOptions = {}): Promise<string> {
  const asked = httpsRequest({ host: '127.0.0.1', port, servername, ca: ROOT.cert, agent: false, headers: { host },
    ...more });
  asked.end();
  try {
    const [answer] = await once(asked, 'response') as [IncomingMessage];
    let text = '';
    for await (const chunk of answer) text += String(chunk);
    return answer.statusCode === 200 ? (JSON.parse(text) as { server: string }).server : String(answer.statusCode);
  } catch {
    return 'closed';
  }
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} is a gateway of the Gateway API's TLS, TCP and gRPC (node:tls, undici)`, { skip }, async (t) => {
    const [v1, v2] = await Promise.all([EchoServer.start('v1'), EchoServer.start('v2')]);
    t.after(() => Promise.all([v1, v2].map((echo) => echo[Symbol.asyncDispose]())));
    const backend = await startBackend(t);
    const mesh = WITHOUT_MTLS + GATEWAY + ROUTES + secret + service('v1', v1.port, 'http') + service('v2', v2.port,
      'http')
      + service('inner', await startNamed(t, 'inner', INNER), 'tcp') + service('plain', await startNamed(t, 'plain'),
        'tcp')
      + ['good', 'wrong', 'lost'].map((name) => service(name, backend, 'http')).join('')
      + service('grpc', await startGrpc(t), 'kubernetes.io/h2c');
    const listens = [443, 444, 445, 446, 80, 81];
    const ports = await freePorts(listens.length) as [number, number, number, number, number, number];
    await startControlled(t, kind, mesh, {
      role: 'router', address: '127.0.0.8', shows: 'certificate',
      metadata: {
        LABELS: { 'gateway.networking.k8s.io/gateway-name': 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1',
        WEFT_GATEWAY_PORTS: Object.fromEntries(listens.map((listen, at) => [listen, ports[at]])),
      },
    });
    const [https, known, tls, tcp, http, grpc] = ports;
    await until('HTTPS', async () => (await get(https, 'example.org', 'example.org')) === 'v1');
    await t.test('HTTPRouteHTTPSListenerDetectMisdirectedRequests', async () => {
      assert.equal(await get(https, 'second.org', 'second.org'), 'v2');
      assert.equal(await get(https, 'a.wildcard.org', 'b.wildcard.org'), 'v2');
      assert.equal(await get(https, 'example.org', 'second.org'), '421');
      assert.equal(await get(https, 'second.org', 'example.org'), '421');
      assert.equal(await get(https, 'second.org', 'unknown.org'), '421');
      assert.equal(await get(https, 'example.org', 'unknown.org'), '404');
    });
    await t.test('GatewayWithClientCertificateValidation', async () => {
      assert.equal(await get(known, 'example.org', 'example.org'), 'closed');
      const own = { cert: CLIENT.chain, key: CLIENT.key };
      assert.equal(await get(known, 'example.org', 'example.org', own), 'v1');
    });
    await t.test('TLSRouteSimpleSameNamespace, TLSRouteTerminateSimpleSameNamespace, TCPRoute', async () => {
      assert.equal(await hear(tls, { servername: 'pass.test', ca: ROOT.cert }), 'inner|hello');
      assert.equal(await hear(tls, { servername: 'ends.test', ca: ROOT.cert }), 'plain|hello');
      assert.equal(await hear(tls, { servername: 'other.test', rejectUnauthorized: false }), '');
      assert.equal(await hear(tcp), 'plain|hello');
    });
    await t.test('BackendTLSPolicy, GatewayTLSBackendClientCertificate', async () => {
      const ask = async (path: string): Promise<string> => {
        const { statusCode, body } = await request(`http://127.0.0.1:${http}${path}`);
        const text = await body.text();
        return statusCode === 200 ? text : String(statusCode);
      };
      await until('the client certificate', async () => (await ask('/good')) === 'backend.test DNS:client.test');
      assert.equal(await ask('/wrong'), '503');
      assert.equal(await ask('/lost'), '503');
    });
    await t.test('GRPCExactMethodMatching, GRPCRouteHeaderMatching', async () => {
      const call = async (path: string, headers = {}): Promise<string> => {
        const { statusCode, headers: got, body } = await request(`http://127.0.0.1:${grpc}${path}`, {
          method: 'POST', headers: { 'content-type': 'application/grpc', te: 'trailers', ...headers },
            body: '\0\0\0\0\0',
        });
        await body.dump();
        return `${statusCode} ${String(got['grpc-status'])}`;
      };
      assert.equal(await call('/a.Echo/One'), '200 0');
      assert.equal(await call('/a.Echo/Two', { color: 'blue' }), '200 0');
      // UNIMPLEMENTED, as 404 of HTTP.
      assert.equal(await call('/a.Echo/Two'), '200 12');
      assert.equal(await call('/a.Echo/Three'), '200 12');
    });
  });
}
