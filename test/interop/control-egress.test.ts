// Our control plane tells weft and a real Envoy alike to be an egress gateway: plain HTTP comes in, TLS goes out, and
// servers of node:https say which name was asked for and who came.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf, testRoot, type TestCertificate } from '../harness/certificates.ts';
import { EchoServer, type Echo } from '../harness/echo-server.ts';
import { CLIENT_ID, CLIENT_SECRET, OidcServer } from '../harness/oidc-server.ts';
import { startControlled, WITHOUT_MTLS, type ControlledNode } from '../harness/controlled-proxy.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { candidates, type ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const ROOT = testRoot();
const OTHER_ROOT = testRoot();
const EXACT = testLeaf(ROOT, { names: [{ dns: 'a.shop.test' }] });
const WILD = testLeaf(ROOT, { names: [{ dns: '*.wide.test' }] });
const CLIENT = testLeaf(ROOT, { names: [{ dns: 'client.test' }] });

interface Secured {
  readonly certificate: TestCertificate;
  /** Clients must show one of the root. */
  readonly asks?: boolean;
}

/** Answers with the name in SNI and the client's name. */
async function startSecured(t: TestContext, { certificate, asks = false }: Secured): Promise<number> {
  const options = { cert: certificate.chain, key: certificate.key, ca: ROOT.cert, requestCert: asks };
  const server = createServer({ ...options, rejectUnauthorized: asks }, (incoming, outgoing) => {
    const socket = incoming.socket as TLSSocket & { servername?: string };
    outgoing.end(`${String(socket.servername)} ${asks ? socket.getPeerCertificate().subjectaltname ?? '' : '-'}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const object = (kind: string, name: string, spec: string): string => `---
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: default }
spec: ${spec}
`;

/** A server outside, reached by a host of its own through the gateway with the TLS of a rule. */
function outside(host: string, port: number, tls: string): string {
  const name = host.replace('*', 'any');
  return object('ServiceEntry', name, `{ hosts: ['${host}'], resolution: STATIC,
      ports: [{ number: 80, name: http, targetPort: ${port} }], endpoints: [{ address: 127.0.0.1 }] }`)
    + object('DestinationRule', name, `{ host: '${host}', trafficPolicy: { tls: { ${tls} } } }`)
    + object('VirtualService', name, `{ hosts: ['${host}'], gateways: [egress],
      http: [{ route: [{ destination: { host: '${host}' } }] }] }`);
}

function secret(name: string, stringData: Record<string, string>): string {
  const metadata = { name, namespace: 'default' };
  return `---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata, stringData })}\n`;
}

const EGRESS = WITHOUT_MTLS + object('Gateway', 'egress', `{ selector: { istio: egress },
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }] }`);

/** Says what a host answers through the gateway; a status that is not 200 with it. */
async function startGateway(
  t: TestContext, kind: ProxyKind, mesh: string, env: Record<string, string> = {},
): Promise<(host: string) => Promise<string>> {
  const [http] = await freePorts(1) as [number];
  const node: ControlledNode = {
    role: 'router', address: '127.0.0.8', shows: 'certificate', env,
    metadata: { LABELS: { istio: 'egress' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 80: http } },
  };
  await startControlled(t, kind, mesh, node);
  return async (host) => {
    const { statusCode, body } = await request(`http://127.0.0.1:${http}/`, { headers: { host } });
    const text = await body.text();
    return statusCode === 200 ? text : String(statusCode);
  };
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} originates TLS by a rule, with certificates from Secrets (node:https)`, { skip }, async (t) => {
    const plain = await startSecured(t, { certificate: EXACT });
    const asking = await startSecured(t, { certificate: EXACT, asks: true });
    const wide = await startSecured(t, { certificate: WILD });
    const named = 'mode: SIMPLE, subjectAltNames: [a.shop.test]';
    const ask = await startGateway(t, kind, EGRESS
      + secret('client', { 'tls.crt': CLIENT.chain, 'tls.key': CLIENT.key, 'ca.crt': ROOT.cert })
      + secret('roots', { 'ca.crt': ROOT.cert }) + secret('others', { 'ca.crt': OTHER_ROOT.cert })
      + outside('a.shop.test', plain, 'mode: SIMPLE, credentialName: roots')
      + outside('b.shop.test', plain, 'mode: SIMPLE, credentialName: roots')
      + outside('c.shop.test', plain, `${named}, credentialName: roots, sni: a.shop.test`)
      + outside('d.shop.test', plain, `${named}, credentialName: others`)
      + outside('e.shop.test', asking, `${named.replace('SIMPLE', 'MUTUAL')}, credentialName: client`)
      + outside('f.shop.test', asking, `${named}, credentialName: roots`)
      + outside('g.shop.test', plain, 'mode: SIMPLE, insecureSkipVerify: true, credentialName: others')
      + outside('*.wide.test', wide, 'mode: SIMPLE, credentialName: roots'));
    await until('the secrets', async () => (await ask('a.shop.test').catch(() => '')).startsWith('a.shop.test'));
    await until('all of them', async () => (await ask('e.shop.test')) === 'e.shop.test DNS:client.test');
    assert.equal(await ask('b.shop.test'), '503', 'another name than the certificate');
    assert.equal(await ask('c.shop.test'), 'a.shop.test -', 'sni and names of the rule');
    assert.equal(await ask('d.shop.test'), '503', 'another root');
    assert.equal(await ask('f.shop.test'), '503', 'without a certificate');
    assert.equal(await ask('g.shop.test'), 'g.shop.test -', 'not verified');
    assert.equal(await ask('x.wide.test'), 'x.wide.test -', "SNI by each request's host");
    assert.equal(await ask('y.wide.test'), 'y.wide.test -');
    assert.equal(await ask('x.y.wide.test'), '503', 'a name that the wildcard does not cover');
  });
}

const CREDENTIALS = `---
apiVersion: security.weft.dev/v1
kind: EgressCredential
metadata: { name: token, namespace: default }
spec:
  selector: { matchLabels: { istio: egress } }
  hosts: [a.shop.test]
  clientCredentials:
    { tokenEndpoint: 'http://idp.test/token', clientId: ${CLIENT_ID}, credentialName: idp, scopes: [read] }
---
apiVersion: security.weft.dev/v1
kind: EgressCredential
metadata: { name: key, namespace: default }
spec:
  hosts: ['*.key.test']
  overwrite: true
  header: { name: x-key, prefix: 'k=', credentialName: key }
`;

for (const { kind, skip } of candidates()) {
  void test(`${kind} attaches tokens and keys to requests for some hosts (oidc-provider)`, { skip }, async (t) => {
    await using idp = await OidcServer.listen();
    await idp.serveMachines(600);
    await using echo = await EchoServer.start('echo');
    const plain = (host: string): string => outside(host, echo.port, 'mode: DISABLE');
    const ask = await startGateway(t, kind, EGRESS + CREDENTIALS + plain('a.shop.test') + plain('b.shop.test')
      + plain('a.key.test') + outside('idp.test', Number(new URL(idp.issuer).port), 'mode: DISABLE')
      + secret('idp', { 'client-secret': CLIENT_SECRET }) + secret('key', { credential: 'abc' }));
    const given = async (host: string): Promise<readonly unknown[]> => {
      const { headers } = JSON.parse(await ask(host)) as Echo;
      return [headers['authorization'], headers['x-key']];
    };
    await until('a token', async () => (await ask('a.shop.test').catch(() => '')).includes('Bearer'));
    const [token, key] = await given('a.shop.test');
    const { active, client_id: client } = await idp.introspect(String(token).replace('Bearer ', ''));
    assert.deepEqual([active, client, key], [true, CLIENT_ID, undefined]);
    assert.deepEqual(await given('a.key.test'), [undefined, 'k=abc']);
    assert.deepEqual(await given('b.shop.test'), [undefined, undefined]);
    assert.deepEqual(await given('idp.test').catch(() => 'not echo'), 'not echo');
  });
}

void test("weft originates TLS by the system's roots where a rule names none (node:https)", async (t) => {
  const port = await startSecured(t, { certificate: EXACT });
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'none'));
  writeFileSync(join(folder, 'system.pem'), ROOT.cert);
  const mesh = EGRESS + outside('a.shop.test', port, 'mode: SIMPLE');
  const trusting = await startGateway(t, 'weft', mesh, {
    SSL_CERT_FILE: join(folder, 'system.pem'), SSL_CERT_DIR: join(folder, 'none'),
  });
  await until('the way out', async () => (await trusting('a.shop.test').catch(() => '')) === 'a.shop.test -');
  const strange = await startGateway(t, 'weft', mesh);
  await until('the way out', async () => (await strange('a.shop.test').catch(() => '')) === '503');
});
