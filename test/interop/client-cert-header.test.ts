// x-forwarded-client-cert under every mode and detail: weft and a real Envoy send the same to an upstream.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'node:https';
import { Oid } from '../../certs/oid.ts';
import { REVIEWS, testLeaf, testRoot } from '../harness/certificates.ts';
import type { TestCertificate } from '../harness/certificates.ts';
import { craft, element, uriName } from '../harness/crafted-certificate.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { mutualTlsListener } from '../harness/mutual-tls.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { staticCluster } from '../harness/weft.ts';

const MODES = ['SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'];
const DETAILS: Readonly<Record<string, object>> = {
  none: {},
  all: { subject: true, uri: true, dns: true },
  certificates: { cert: true, chain: true, dns: true },
};
const BEFORE: Readonly<Record<string, readonly string[]>> = {
  nothing: [],
  forged: ['By=spiffe://cluster.local/ns/a/sa/a;Hash=00;URI=spiffe://cluster.local/ns/a/sa/admin'],
  'two lines': ['Hash=01', 'Hash=02,Hash=03'],
};

const root = testRoot();
const organisation: [string, string][] = [[Oid.organization, 'Acme, Inc. "East"'], [Oid.commonName, 'c=\u00fc+1;x']];
const middle = craft(root, { ca: {}, keyUsage: 6, uses: [], names: [], subject: [[Oid.commonName, 'middle']] });
const CLIENTS: Readonly<Record<string, TestCertificate | undefined>> = {
  'an SVID': testLeaf(root, { identity: 'spiffe://cluster.local/ns/default/sa/client' }),
  'an SVID with DNS names below an intermediate': craft(middle, {
    names: [uriName(REVIEWS), element(0x82, 'a.example'), element(0x82, '*.example')],
  }),
  'a certificate with an awkward subject': craft(root, { subject: organisation, names: [element(0x82, 'a.example')] }),
  'a certificate with two URIs': craft(root, { names: [uriName('https://a/'), uriName('https://b/?c=d')] }),
  'no certificate': undefined,
};

/** A listener for each mode with each set of details. */
function bootstrap(upstream: number): object {
  const own = testLeaf(root, { more: [{ dns: 'localhost' }] });
  const listeners = MODES.flatMap((mode) => Object.entries(DETAILS).map(([name, details]) => (
    mutualTlsListener(`${mode} ${name}`, { route: { cluster: 'echo' } }, {
      own, validation: { trustedCa: { inlineString: root.cert } }, requiresCertificate: false,
    }, { forwardClientCertDetails: mode, setCurrentClientCertDetails: details })
  )));
  return { staticResources: { listeners, clusters: [staticCluster('echo', [upstream])] } };
}

/** What reaches the upstream, as one text; undefined when nothing does. */
function forwarded(
  port: number, client: TestCertificate | undefined, lines: readonly string[],
): Promise<string | undefined> {
  const credentials = client === undefined ? {} : { cert: client.chain, key: client.key };
  const headers = lines.length === 0 ? {} : { 'x-forwarded-client-cert': [...lines] };
  const options = { host: '127.0.0.1', port, rejectUnauthorized: false, agent: false, headers, ...credentials };
  return new Promise((resolve, reject) => {
    request(options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      // Two lines are as good as one.
      response.on('end', () => (
        resolve((JSON.parse(text) as Echo).headers['x-forwarded-client-cert']?.replace('=01, ', '=01,'))
      ));
    }).on('error', reject).end();
  });
}

test('S47 x-forwarded-client-cert is what Envoy makes of it', { skip: reasonToSkip(findEnvoy(false)) }, async (t) => {
  await using echo = await EchoServer.start('echo');
  await using weft = await ProxyProcess.start('weft', bootstrap(echo.port));
  await using envoy = await ProxyProcess.start('envoy', bootstrap(echo.port));
  for (const mode of MODES) {
    for (const details of Object.keys(DETAILS)) {
      await t.test(`${mode}, ${details}`, async () => {
        for (const [who, client] of Object.entries(CLIENTS)) {
          for (const [what, lines] of Object.entries(BEFORE)) {
            const name = `${mode} ${details}`;
            const [ours, theirs] = await Promise.all(
              [weft, envoy].map((proxy) => forwarded(proxy.port(name), client, lines)),
            );
            assert.equal(ours, theirs, `${who}, ${what} before`);
          }
        }
      });
    }
  }
});
