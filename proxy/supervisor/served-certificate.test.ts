// What a listener shows, seen from outside without a connection coming to life.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { AgentFixture, until } from '../../test/harness/agent-fixture.ts';
import { testLeaf, testRoot } from '../../test/harness/certificates.ts';
import { SeededRandom } from '../base/random.ts';
import type { Listener } from '../config/listener.ts';
import { DOWNSTREAM_TLS_TYPE, TCP_PROXY_TYPE } from '../config/type-url.ts';
import { AgentService } from './agent-service.ts';
import { placesOf, servedFingerprint } from './served-certificate.ts';
import type { ServedPlace } from './served-certificate.ts';

const root = testRoot();

async function listen(t: TestContext, server: Server): Promise<ServedPlace> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { listener: 'in', host: '127.0.0.1', port, alpn: [], serverName: undefined };
}

for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
  test(`node:tls with ${maxVersion} is asked for its certificate, and no connection comes to life`, async (t) => {
    const leaf = testLeaf(root);
    let secured = 0;
    const options: TlsOptions = { cert: leaf.chain, key: leaf.key, maxVersion, requestCert: true, ca: root.cert };
    const server = createServer(options, () => secured++);
    const broken = once(server, 'tlsClientError');
    const place = await listen(t, server);
    assert.equal(await servedFingerprint(place), leaf.x509.fingerprint256);
    await broken;
    assert.equal(secured, 0);
  });
}

test('who says nothing of TLS, too much, or nothing at all is not judged', async (t) => {
  const answers = ['HTTP/1.1 400 Bad Request\r\n\r\n', Buffer.alloc(1_000_000), ''];
  for (const answer of answers) {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.end(answer);
    });
    assert.equal(await servedFingerprint(await listen(t, server)), undefined);
  }
});

function listenerOf(name: string, address: string, match: object, secret: string): Listener {
  const sdsConfig = { ads: {} };
  const commonTlsContext = { tlsCertificateSdsSecretConfigs: [{ name: secret, sdsConfig }] };
  return {
    name,
    address: { socketAddress: { address, portValue: 0 } },
    filterChains: [{
      filterChainMatch: match,
      transportSocket: { name: 'tls', typedConfig: { '@type': DOWNSTREAM_TLS_TYPE, commonTlsContext } },
      filters: [{ name: 'tcp', typedConfig: { '@type': TCP_PROXY_TYPE, statPrefix: 'x', cluster: 'c' } }],
    }],
  };
}

test('listeners that show the secret are found, with what their chain asks for', () => {
  const listeners = [
    listenerOf('a', '0.0.0.0', { applicationProtocols: ['istio'], serverNames: ['*.x', 'y.x'] }, 'default'),
    listenerOf('b', '::', {}, 'default'), listenerOf('other', '::', {}, 'gateway'),
    listenerOf('elsewhere', '::', { destinationPort: 80 }, 'default'), listenerOf('down', '::', {}, 'default'),
  ];
  const places = placesOf(listeners, 'default', (name) => (name === 'down' ? undefined : 5));
  assert.deepEqual(places, [
    { listener: 'a', host: '127.0.0.1', port: 5, alpn: ['istio'], serverName: 'y.x' },
    { listener: 'b', host: '::1', port: 5, alpn: [], serverName: undefined },
  ]);
});

test('F05 a listener that shows the old certificate after a renewal is told and counted', async (t) => {
  const fixture = new AgentFixture(t);
  const old = testLeaf(root);
  const place = await listen(t, createServer({ cert: old.chain, key: old.key }).on('tlsClientError', () => {}));
  const errors: string[] = [];
  const quiet = (): void => undefined;
  const { clock, wheel, stats, tokenFile, rootFile } = fixture;
  await fixture.newToken();
  const service = await AgentService.start({
    config: { address: 'ca:1', tokenFile, rootFile, trustDomain: 'cluster.local' },
    clock, wheel, stats, random: new SeededRandom(1), places: () => [place], apply: async () => [],
    log: { info: quiet, warning: quiet, error: (line) => void errors.push(line) },
    request: async ({ csr }) => fixture.issue(csr),
    follow: () => ({ close: quiet }),
  });
  t.after(() => service.stop());
  await until(() => errors.length > 0);
  assert.deepEqual(errors, ['listener in still shows another certificate than the renewed one']);
  const value = (name: string): number => stats.gauge({ flat: `agent.${name}`, family: '', labels: [] }).value;
  assert.equal(value('served_certificate_stale'), 1);
  assert.equal(value('issued_by_first_root'), 1);
});
