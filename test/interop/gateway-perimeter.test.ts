// What a gateway of our control plane lets in, as weft and as a real Envoy: curl with certificates, names and versions
// of TLS of every kind; clients by their address behind a trusted proxy; heads and bodies that are too large.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { rsaKey, testLeaf, testRoot } from '../harness/certificates.ts';
import { WITHOUT_MTLS, startControlled } from '../harness/controlled-proxy.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { findProgram, reasonToSkip } from '../harness/peers.ts';
import { candidates } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const run = promisify(execFile);
const ROOT = testRoot();
const EDGE = testLeaf(ROOT, { names: [{ dns: 'edge.test' }, { dns: 'ask.test' }, { dns: 'two.test' }] });
const RSA = testLeaf(ROOT, { names: [{ dns: 'two.test' }], privateKey: rsaKey() });
const CLIENT = testLeaf(ROOT, { names: [{ dns: 'client.test' }] });
const OTHER = testLeaf(ROOT, { names: [{ dns: 'other.test' }] });
const STRANGER = testLeaf(testRoot(), { names: [{ dns: 'client.test' }] });
const noCurl = reasonToSkip(findProgram('curl'));

const object = (kind: string, name: string, spec: string, annotations = ''): string => `---
apiVersion: ${kind === 'AuthorizationPolicy' ? 'security' : 'networking'}.istio.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: default, annotations: { ${annotations} } }
spec: ${spec}
`;

const server = (name: string, host: string, tls: string): string =>
  `    - { port: { number: 443, name: ${name}, protocol: HTTPS }, hosts: [${host}], tls: { ${tls} } }\n`;

const mesh = (folder: string): string => {
  const own = `serverCertificate: ${folder}/edge.pem, privateKey: ${folder}/edge.key`;
  const pem = (text: string): string => JSON.stringify(text);
  return `${WITHOUT_MTLS}---
apiVersion: v1
kind: Secret
metadata: { name: rsa, namespace: default }
stringData: { tls.crt: ${pem(RSA.chain)}, tls.key: ${pem(RSA.key)} }
---
apiVersion: v1
kind: Secret
metadata: { name: ecdsa, namespace: default }
stringData: { cert: ${pem(EDGE.chain)}, key: ${pem(EDGE.key)} }
${object('Gateway', 'edge', `
  selector: { istio: edge }
  servers:
${server('simple', 'edge.test', `mode: SIMPLE, ${own}, maxProtocolVersion: TLSV1_2,
      cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384]`)}${server('optional', 'ask.test', `mode: OPTIONAL_MUTUAL, ${own},
      caCertificates: ${folder}/ca.pem, minProtocolVersion: TLSV1_3`)}${server('mutual', 'must.test',
    `mode: MUTUAL, ${own},
      caCertificates: ${folder}/ca.pem, subjectAltNames: [client.test]`)}${server('two', 'two.test',
    'mode: SIMPLE, credentialNames: [rsa, ecdsa]')}`)}${object('VirtualService', 'all',
    "{ hosts: ['*'], gateways: [edge], http: [{ directResponse: { status: 200, body: { string: in } } }] }")}`;
};

function writeCertificates(t: TestContext): string {
  const folder = temporaryFolder(t);
  const files = { edge: EDGE, client: CLIENT, other: OTHER, stranger: STRANGER };
  for (const [name, { chain, key }] of Object.entries(files)) {
    writeFileSync(join(folder, `${name}.pem`), chain);
    writeFileSync(join(folder, `${name}.key`), key, { mode: 0o600 });
  }
  writeFileSync(join(folder, 'ca.pem'), ROOT.cert);
  return folder;
}

/** Status of the answer, or 0 where there is none, with whatever is to be written of it. */
async function curl(url: string, ...args: string[]): Promise<string> {
  const all = ['-sk', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '10', ...args, url];
  const { stdout } = await run('curl', all).catch((cause: { stdout: string }) => cause);
  return String(Number(stdout));
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} ends TLS of every mode as the Gateway says (curl)`, { skip: skip || noCurl }, async (t) => {
    const [port] = await freePorts(1) as [number];
    const folder = writeCertificates(t);
    await startControlled(t, kind, mesh(folder), {
      role: 'router', address: '127.0.0.8', shows: 'certificate',
      metadata: { LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 443: port } },
    });
    const ask = (host: string, ...args: string[]): Promise<string> =>
      curl(`https://${host}:${port}/`, '--resolve', `${host}:${port}:127.0.0.1`, ...args);
    const as = (name: string): string[] => (
      ['--cert', join(folder, `${name}.pem`), '--key', join(folder, `${name}.key`)]);
    const tls12 = (cipher: string): string[] => ['--tls-max', '1.2', '--ciphers', cipher];
    await until('the gateway', async () => (await ask('edge.test')) === '200' && (await ask('two.test')) === '200');
    const outcomes = {
      simple: await ask('edge.test'), 'TLS 1.3 above the most': await ask('edge.test', '--tlsv1.3'),
      'a cipher of the list': await ask('edge.test', '--ciphers', 'ECDHE-ECDSA-AES256-GCM-SHA384'),
      'one that is not': await ask('edge.test', '--ciphers', 'ECDHE-ECDSA-AES128-GCM-SHA256'),
      'TLS 1.2 below the least': await ask('ask.test', '--tls-max', '1.2'),
      'optional, without': await ask('ask.test'), 'optional, with': await ask('ask.test', ...as('client')),
      'optional, a stranger': await ask('ask.test', ...as('stranger')),
      'mutual, without': await ask('must.test'), 'mutual, with': await ask('must.test', ...as('client')),
      'mutual, another name': await ask('must.test', ...as('other')),
      'mutual, a stranger': await ask('must.test', ...as('stranger')),
      'a host that no server has': await ask('no.test'),
      'of two certificates the RSA one': await ask('two.test', ...tls12('ECDHE-RSA-AES128-GCM-SHA256')),
      'of two the ECDSA one': await ask('two.test', ...tls12('ECDHE-ECDSA-AES128-GCM-SHA256')),
    };
    assert.deepEqual(outcomes, {
      simple: '200', 'TLS 1.3 above the most': '0', 'a cipher of the list': '200', 'one that is not': '0',
      'TLS 1.2 below the least': '0', 'optional, without': '200', 'optional, with': '200', 'optional, a stranger': '0',
      'mutual, without': '0', 'mutual, with': '200', 'mutual, another name': '0', 'mutual, a stranger': '0',
      'a host that no server has': '0', 'of two certificates the RSA one': '200', 'of two the ECDSA one': '200',
    });
  });
}

const PERIMETER = WITHOUT_MTLS + object('Gateway', 'edge',
  "{ selector: { istio: edge }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }] }",
  "gateway.weft.dev/max-request-bytes: '1000', gateway.weft.dev/max-request-headers-kb: '16'")
  + object('VirtualService', 'all', "{ hosts: ['*'], gateways: [edge], http: [{ directResponse: { status: 200 } }] }")
  + object('AuthorizationPolicy', 'offices', `{ selector: { matchLabels: { istio: edge } },
    rules: [{ from: [{ source: { remoteIpBlocks: [203.0.113.0/24] } }] }] }`);

for (const { kind, skip } of candidates()) {
  void test(`${kind} lets in by client address and request size (curl)`, { skip: skip || noCurl }, async (t) => {
    const [port] = await freePorts(1) as [number];
    await startControlled(t, kind, PERIMETER, {
      role: 'router', address: '127.0.0.8',
      metadata: {
        LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 80: port },
        PROXY_CONFIG: { gatewayTopology: { numTrustedProxies: 1 } },
      },
    });
    const ask = (from: string, ...args: string[]): Promise<string> =>
      curl(`http://127.0.0.1:${port}/`, ...(from === '' ? [] : ['-H', `x-forwarded-for: ${from}`]), ...args);
    await until('the gateway', async () => (await ask('203.0.113.7')) === '200');
    const body = (bytes: number): string[] => ['-d', 'x'.repeat(bytes)];
    const long = (name: string): string[] => ['-H', `${name}: ${'x'.repeat(6000)}`];
    const outcomes = [
      await ask('198.51.100.1'), await ask('203.0.113.7, 198.51.100.1'), await ask('198.51.100.1, 203.0.113.7'),
      await ask(''), await ask('203.0.113.7', ...body(1000)), await ask('203.0.113.7', ...body(1001)),
      await ask('203.0.113.7', ...body(1001), '-H', 'transfer-encoding: chunked'),
      await ask('198.51.100.1', ...body(1001)), await ask('203.0.113.7', ...long('a'), ...long('b')),
      await ask('203.0.113.7', ...long('a'), ...long('b'), ...long('c')),
    ];
    assert.deepEqual(outcomes, ['403', '403', '200', '403', '200', '413', '413', '403', '200', '431']);
  });
}

const COUNTED = WITHOUT_MTLS + object('Gateway', 'edge',
  "{ selector: { istio: edge }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }] }",
  "gateway.weft.dev/max-requests-per-second: '1000', gateway.weft.dev/max-requests-per-second-per-client: '2'")
  + object('VirtualService', 'all', "{ hosts: ['*'], gateways: [edge], http: [{ directResponse: { status: 200 } }] }");

for (const { kind, skip } of candidates()) {
  void test(`${kind} counts requests by client address (curl)`, { skip: skip || noCurl }, async (t) => {
    const [port] = await freePorts(1) as [number];
    await startControlled(t, kind, COUNTED, {
      role: 'router', address: '127.0.0.8',
      metadata: {
        LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 80: port },
        PROXY_CONFIG: { gatewayTopology: { numTrustedProxies: 1 } },
      },
    });
    const url = `http://127.0.0.1:${port}/`;
    /** Heads of the answers to requests on one connection. */
    const ask = async (from: string, times = 1): Promise<string> => {
      const urls = Array.from({ length: times }, () => ['-o', '/dev/null', url]).flat();
      return (await run('curl', ['-s', '-D', '-', '-H', `x-forwarded-for: ${from}`, ...urls])).stdout;
    };
    const statuses = (heads: string): string => heads.match(/(?<=^HTTP\S+ )\d+/gm)?.join(' ') ?? '';
    await until('the gateway', async () => (await curl(url, '-H', 'x-forwarded-for: 203.0.113.1')) === '200');
    const many = await ask('203.0.113.2', 20);
    assert.match(statuses(many), /^200 200 .*429/);
    assert.match(many, /x-ratelimit-limit: 2/i);
    assert.equal(statuses(await ask('203.0.113.3')), '200');
  });
}
