// Our control plane tells weft and a real Envoy alike to be a gateway of bytes: node:net and node:tls reach servers
// behind it by port and by server name, with TLS that passes through or ends there.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import { WITHOUT_MTLS, startControlled } from '../harness/controlled-proxy.ts';
import { hear, startNamed } from '../harness/named-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { candidates } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const ROOT = testRoot();
const OURS = testLeaf(ROOT, { names: [{ dns: 'a.test' }, { dns: 'b.test' }] });
const EDGE = testLeaf(ROOT, { names: [{ dns: 'edge.test' }] });
const CLIENT = testLeaf(ROOT, { names: [{ dns: 'client.test' }] });

const object = (kind: string, name: string, spec: string): string => `---
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: default }
spec: ${spec}
`;

const entry = (name: string, port: number): string => object('ServiceEntry', name, `{ hosts: [${name}.bytes],
  resolution: STATIC, ports: [{ number: 9000, name: tcp, targetPort: ${port} }],
  endpoints: [{ address: 127.0.0.1 }] }`);
const to = (name: string): string => `route: [{ destination: { host: ${name}.bytes } }]`;

interface Ports {
  readonly plain: number;
  readonly inner: number;
  readonly a: number;
  readonly b: number;
}

const mesh = (folder: string, { plain, inner, a, b }: Ports): string => WITHOUT_MTLS
  + entry('plain', plain) + entry('inner', inner) + entry('a', a) + entry('b', b)
  + object('Gateway', 'edge', `
  selector: { istio: edge }
  servers:
    - { port: { number: 9000, name: tcp, protocol: TCP }, hosts: ['*'] }
    - { port: { number: 443, name: pass, protocol: TLS }, hosts: ['*.test'], tls: { mode: PASSTHROUGH } }
    - port: { number: 443, name: ends, protocol: TLS }
      hosts: [edge.test]
      tls:
        mode: MUTUAL
        serverCertificate: ${folder}/cert.pem
        privateKey: ${folder}/key.pem
        caCertificates: ${folder}/ca.pem
        subjectAltNames: [client.test]
`) + object('VirtualService', 'bytes', `
  hosts: ['*']
  gateways: [edge]
  tcp:
    - { match: [{ port: 443 }], ${to('inner')} }
    - { ${to('plain')} }
  tls:
    - { match: [{ sniHosts: [a.test] }], ${to('a')} }
    - { match: [{ sniHosts: ['*.test'] }], ${to('b')} }
`);

const EAST_WEST = (a: number): string => WITHOUT_MTLS
  + entry('a', a).replace('a.bytes', 'a.local').replace('resolution', 'location: MESH_INTERNAL, resolution')
  + object('Gateway', 'edge', `
  selector: { istio: edge }
  servers:
    - port: { number: 15443, name: tls, protocol: TLS }
      hosts: ['*.local']
      tls: { mode: AUTO_PASSTHROUGH }
`);

for (const { kind, skip } of candidates()) {
  void test(`${kind} passes TLS of a mesh to the cluster of its server name (node:tls)`, { skip }, async (t) => {
    const [tls] = await freePorts(1) as [number];
    await startControlled(t, kind, EAST_WEST(await startNamed(t, 'a', OURS)), {
      role: 'router', address: '127.0.0.8',
      metadata: { LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 15443: tls } },
    });
    const mesh = { servername: 'outbound_.9000_._.a.local', ALPNProtocols: ['istio'], rejectUnauthorized: false };
    await until('the listener', async () => (await hear(tls, mesh)) === 'a|hello');
    const other = { ...mesh, servername: 'outbound_.9000_._.b.local' };
    assert.deepEqual([await hear(tls, other), await hear(tls, { ...mesh, ALPNProtocols: ['h2'] })], ['', '']);
  });
}

/** Answers with a status under a path; older ones have a lower number. */
const answers = (name: string, host: string, status: number, path: string, namespace = 'default'): string => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace}, creationTimestamp: '2024-01-01T00:00:0${name.at(-1)}Z' }
spec:
  hosts: ['${host}']
  gateways: [default/edge]
  http: [{ ${path === '/' ? '' : `match: [{ uri: { prefix: ${path} } }], `}directResponse: { status: ${status} } }]
`;

const HTTP_MESH = object('Gateway', 'edge', `
  selector: { istio: edge }
  servers:
    - { port: { number: 80, name: a, protocol: HTTP }, hosts: [./a.test, other/b.test, '*/*.c.test'] }
    - { port: { number: 80, name: b, protocol: HTTP2 }, hosts: [to-tls.test], tls: { httpsRedirect: true } }
    - { port: { number: 80, name: c, protocol: TCP }, hosts: ['*'] }
`) + answers('young-2', 'a.test', 411, '/') + answers('old-1', 'a.test', 412, '/')
  + answers('path-3', 'a.test', 413, '/p') + answers('deaf-1', 'a.test', 414, '/', 'other')
  + answers('own-1', 'b.test', 415, '/')
  + answers('theirs-2', 'b.test', 416, '/', 'other') + answers('wide-1', '*.c.test', 417, '/')
  + answers('close-2', 'x.c.test', 418, '/') + answers('none-1', 'd.test', 419, '/');

for (const { kind, skip } of candidates()) {
  void test(`${kind} is a gateway whose servers share a port and whose rules meet (undici)`, { skip }, async (t) => {
    const [http] = await freePorts(1) as [number];
    await startControlled(t, kind, HTTP_MESH, {
      role: 'router', address: '127.0.0.8',
      metadata: { LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 80: http } },
    });
    const ask = async (host: string, path = '/'): Promise<string> => {
      const { statusCode, headers, body } = await request(`http://127.0.0.1:${http}${path}`, { headers: { host } });
      await body.dump();
      return `${statusCode} ${String(headers['location'] ?? '')}`.trim();
    };
    await until('the routes', async () => (await ask('a.test').catch(() => '')) !== '');
    assert.deepEqual([await ask('a.test'), await ask('a.test', '/p/x'), await ask('a.test:80')], ['412', '413', '412']);
    assert.deepEqual([await ask('b.test'), await ask('x.c.test'), await ask('y.c.test')], ['416', '418', '417']);
    assert.deepEqual([await ask('d.test'), await ask('to-tls.test', '/q')], ['404', '301 https://to-tls.test/q']);
  });
}

const secret = (name: string, data: Record<string, string>): string => `---
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: default }
data: ${JSON.stringify(Object.fromEntries(Object.entries(data).map(([key, text]) =>
  [key, Buffer.from(text).toString('base64')])))}
`;

const SECRET_MESH = (plain: number): string => WITHOUT_MTLS + entry('plain', plain)
  + secret('edge', { 'tls.crt': EDGE.chain, 'tls.key': EDGE.key }) + secret('edge-cacert', { 'ca.crt': ROOT.cert })
  + object('Gateway', 'edge', `
  selector: { istio: edge }
  servers:
    - { port: { number: 9000, name: tcp, protocol: TCP }, hosts: ['*'] }
    - port: { number: 443, name: ends, protocol: TLS }
      hosts: ['*']
      tls: { mode: MUTUAL, credentialName: edge, subjectAltNames: [client.test] }
`) + object('VirtualService', 'bytes', `{ hosts: ['*'], gateways: [edge], tcp: [{ ${to('plain')} }] }`);

for (const { kind, skip } of candidates()) {
  void test(`${kind} is a gateway with certificates from Secrets (node:tls)`, { skip }, async (t) => {
    const [tcp, tls] = await freePorts(2) as [number, number];
    await startControlled(t, kind, SECRET_MESH(await startNamed(t, 'plain')), {
      role: 'router', address: '127.0.0.8', shows: 'certificate',
      metadata: {
        LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 9000: tcp, 443: tls },
      },
    });
    const known = { servername: 'edge.test', ca: ROOT.cert, cert: CLIENT.chain, key: CLIENT.key };
    await until('the secret', async () => (await hear(tls, known)) === 'plain|hello');
    assert.equal(await hear(tls, { ...known, cert: OURS.chain, key: OURS.key }), '');
    assert.equal(await hear(tcp), 'plain|hello');
  });
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} is a gateway of TCP and TLS (node:net, node:tls)`, { skip }, async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'cert.pem'), EDGE.chain);
    writeFileSync(join(folder, 'key.pem'), EDGE.key);
    writeFileSync(join(folder, 'ca.pem'), ROOT.cert);
    const ports: Ports = {
      plain: await startNamed(t, 'plain'), inner: await startNamed(t, 'inner'),
      a: await startNamed(t, 'a', OURS), b: await startNamed(t, 'b', OURS),
    };
    const [tcp, tls] = await freePorts(2) as [number, number];
    await startControlled(t, kind, mesh(folder, ports), {
      role: 'router', address: '127.0.0.8',
      metadata: {
        LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 9000: tcp, 443: tls },
      },
    });
    await until('the listener', async () => (await hear(tcp)) === 'plain|hello');
    const named = (servername: string, client = {}) => hear(tls, { servername, ca: ROOT.cert, ...client });
    await t.test('passes TLS through by its name', async () => {
      assert.deepEqual([await named('a.test'), await named('b.test')], ['a|hello', 'b|hello']);
    });
    await t.test('closes what no server has', async () => {
      assert.equal(await named('a.other'), '');
    });
    await t.test('ends TLS, of clients that it knows', async () => {
      const client = { cert: CLIENT.chain, key: CLIENT.key };
      const stranger = { cert: OURS.chain, key: OURS.key };
      assert.equal(await named('edge.test', client), 'inner|hello');
      assert.equal(await named('edge.test', stranger), '');
    });
  });
}
