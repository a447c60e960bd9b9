// Tenants of one listener, told apart by SNI: which hosts a client of one may ask for, by weft and by a real Envoy.
import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import { meshValidation, mutualTlsListener, tenantListener } from '../harness/mutual-tls.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import { TENANT_DIFFERENCES } from './differences.ts';

const root = testRoot();
const own = testLeaf(root, { more: [{ dns: '*.example' }] });
const client = testLeaf(root);

/** The closed tenant asks for certificates, the open one does not; each answers any host that reaches it. */
function bootstrap(): object {
  const answer = (text: string): object => ({ directResponse: { status: 200, body: { inlineString: text } } });
  const parts = { own, validation: meshValidation(root) };
  const anybody = { own, validation: { trustedCa: { inlineString: root.cert } }, requiresCertificate: false };
  return {
    staticResources: {
      listeners: [tenantListener('tenants', [
        ['closed.example', mutualTlsListener('closed', answer('closed'), parts)],
        ['open.example', mutualTlsListener('open', answer('open'), anybody)],
      ])],
    },
  };
}

interface Case {
  readonly name: string;
  readonly sni: string;
  readonly host: string;
  readonly shows: boolean;
  readonly expected: number | 'closed';
}

const CASES: readonly Case[] = [
  { name: 'the open tenant', sni: 'open.example', host: 'open.example:8443', shows: false, expected: 200 },
  { name: 'the closed tenant', sni: 'closed.example', host: 'closed.example', shows: true, expected: 200 },
  { name: 'SNI and host in upper case', sni: 'CLOSED.example', host: 'Closed.Example', shows: true, expected: 200 },
  { name: 'the closed tenant without a certificate', sni: 'closed.example', host: 'closed.example', shows: false,
    expected: 'closed' },
  { name: 'SNI of the open tenant, host of the closed one', sni: 'open.example', host: 'closed.example', shows: false,
    expected: 421 },
  { name: 'SNI of the closed tenant, host of nobody', sni: 'closed.example', host: 'else.example', shows: true,
    expected: 421 },
  { name: 'SNI of nobody', sni: 'else.example', host: 'open.example', shows: true, expected: 'closed' },
  { name: 'no SNI', sni: '', host: 'open.example', shows: true, expected: 'closed' },
];

async function asked(port: number, { sni, host, shows }: Case, http2: boolean): Promise<number | 'closed'> {
  const credentials = shows ? { cert: client.chain, key: client.key } : {};
  const ALPNProtocols = http2 ? ['h2'] : [];
  const options = { ALPNProtocols, ...credentials };
  const socket = connect({ port, host: '127.0.0.1', servername: sni, rejectUnauthorized: false, ...options });
  socket.on('error', () => {});
  const answer = new Promise<number | 'closed'>((resolve) => {
    socket.once('close', () => resolve('closed'));
    if (http2) {
      const session = connectHttp2(`https://${host}`, { createConnection: () => socket });
      session.on('error', () => {});
      session.request({ ':authority': host }).on('error', () => {})
        .on('response', (headers) => resolve(headers[':status'] ?? 0)).end();
    } else {
      socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
      socket.on('data', (chunk: Buffer) => resolve(Number(chunk.toString('latin1').slice(9, 12))));
    }
  });
  const status = await answer;
  socket.destroy();
  return status;
}

for (const { kind, skip } of candidates()) {
  test(`S54 ${kind}: hosts that clients of tenants may ask for, by node:tls and node:http2`, { skip }, async () => {
    await using proxy = await ProxyProcess.start(kind, bootstrap());
    for (const which of CASES) {
      const difference = TENANT_DIFFERENCES.find(({ request }) => request === which.name);
      const expected = kind === 'envoy' ? difference?.envoy ?? which.expected : which.expected;
      assert.ok(kind === 'envoy' || difference === undefined || difference.weft === expected);
      // What ends with the handshake ends before the protocol.
      for (const http2 of expected === 'closed' ? [false] : [false, true]) {
        assert.equal(await asked(proxy.port('tenants'), which, http2), expected, `${which.name}, h2 ${http2}`);
      }
    }
  });
}
