// Mutual TLS with a real Envoy at the other end: its server and our client, its client and our server, and resumption.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { RequestHead } from '../../proxy/http/message.ts';
import { testLeaf } from '../harness/certificates.ts';
import type { TestCertificate } from '../harness/certificates.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ServerProcess, answers } from '../harness/process.ts';
import { MESH_NAMES, ROOT, SERVER, TlsListener, certificateOf } from '../harness/tls-listener.ts';
import { RecordingSink, TestClusters, started } from '../harness/upstreams.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const CLIENT = testLeaf(ROOT, { identity: 'spiffe://cluster.local/ns/default/sa/client' });
const envoy = findEnvoy(false);

function common(certificate: TestCertificate) {
  return {
    tlsCertificates: [certificateOf(certificate)],
    validationContext: { trustedCa: { inlineString: ROOT.cert }, matchTypedSubjectAltNames: MESH_NAMES },
    alpnProtocols: ['http/1.1'],
  };
}

function httpManager(route: object): object {
  const filters = 'type.googleapis.com/envoy.extensions.filters';
  return {
    name: 'http',
    typedConfig: {
      '@type': `${filters}.network.http_connection_manager.v3.HttpConnectionManager`,
      statPrefix: 'test',
      httpFilters: [{ name: 'router', typedConfig: { '@type': `${filters}.http.router.v3.Router` } }],
      routeConfig: {
        virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }] }],
      },
    },
  };
}

function address(portValue: number): object {
  return { socketAddress: { address: '127.0.0.1', portValue } };
}

/** `secure` answers by itself over mTLS; `plain` forwards to `upstream` over mTLS. */
function bootstrap(secure: number, plain: number, admin: number, upstream: number): string {
  const mutual = { requireClientCertificate: true, commonTlsContext: common(SERVER) };
  const server = { '@type': `${TLS}.DownstreamTlsContext`, ...mutual };
  const client = { '@type': `${TLS}.UpstreamTlsContext`, sni: 'reviews', commonTlsContext: common(CLIENT) };
  const answer = httpManager({ directResponse: { status: 200, body: { inlineString: 'from envoy' } } });
  const forward = httpManager({ route: { cluster: 'weft' } });
  const lbEndpoints = [{ endpoint: { address: address(upstream) } }];
  return JSON.stringify({
    admin: { address: address(admin) },
    staticResources: {
      listeners: [
        {
          name: 'secure',
          address: address(secure),
          filterChains: [{ filters: [answer], transportSocket: { name: 'tls', typedConfig: server } }],
        },
        { name: 'plain', address: address(plain), filterChains: [{ filters: [forward] }] },
      ],
      clusters: [{
        name: 'weft',
        loadAssignment: { clusterName: 'weft', endpoints: [{ lbEndpoints }] },
        transportSocket: { name: 'tls', typedConfig: client },
      }],
    },
  });
}

test('mutual TLS with Envoy in both directions', { skip: reasonToSkip(envoy) }, async (t) => {
  await using listener = await TlsListener.start();
  listener.waitsForData = true;
  listener.greeting = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfrom weft';
  const folder = mkdtempSync(join(tmpdir(), 'weft-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [secure, plain, admin] = (await freePorts(3)) as [number, number, number];
  const file = join(folder, 'envoy.json');
  writeFileSync(file, bootstrap(secure, plain, admin, listener.port), { mode: 0o600 });
  const args = ['-c', file, '--concurrency', '1', '-l', 'error', '--use-dynamic-base-id'];
  await using process = new ServerProcess(envoy, args, { name: 'envoy' });
  await process.until(() => answers(`http://127.0.0.1:${admin}/ready`));

  await t.test("Envoy's client and our server", async () => {
    const response = await fetch(`http://127.0.0.1:${plain}/`);
    assert.equal(await response.text(), 'from weft');
    const { info } = await listener.outcome();
    assert.equal(info!.peerUriSan, 'spiffe://cluster.local/ns/default/sa/client');
    assert.equal(info!.alpn, 'http/1.1');
  });

  await t.test("our client and Envoy's server, three connections of which two are resumed", async () => {
    const clusters = new TestClusters();
    const context = { sni: 'reviews', commonTlsContext: common(CLIENT) };
    const typedConfig = { '@type': `${TLS}.UpstreamTlsContext` as const, ...context };
    clusters.apply([secure], { transportSocket: { name: 'tls', typedConfig } });
    for (const resumed of [0, 1, 2]) {
      const sink = new RecordingSink();
      const head = new RequestHead('GET', 'reviews', '/');
      started(clusters.cluster.startAttempt(clusters.pick(), sink, head, true));
      await sink.end();
      assert.equal(sink.body, 'from envoy');
      assert.equal(sink.tls!.peerUriSan, 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews');
      assert.equal(clusters.stat('ssl.session_reused'), resumed);
      for (const endpoint of clusters.cluster.endpoints) endpoint.drainPools();
    }
  });
});
