// TLS towards upstreams: who is believed, what is sent, sessions, and the choice of the transport socket by endpoint.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createServer as createHttpsServer } from 'node:https';
import { createServer } from 'node:tls';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { caLeaf, expiredLeaf, serverLeaf, testLeaf, testRoot, twoUriLeaf } from '../../test/harness/certificates.ts';
import type { TestCertificate } from '../../test/harness/certificates.ts';
import { temporaryFolder, withoutOpenssl } from '../../test/harness/openssl.ts';
import { certificateOf } from '../../test/harness/tls-listener.ts';
import { RecordingSink, TestClusters, eventually, loopback, started } from '../../test/harness/upstreams.ts';
import { ManualClock } from '../base/clock.ts';
import type { Cluster as ClusterConfig } from '../config/cluster.ts';
import { HTTP_PROTOCOL_OPTIONS } from '../config/type-url.ts';
import { RequestHead, UpstreamAlpn } from '../http/message.ts';
import type { CertificateValidationContext, SubjectAltNameMatcher, UpstreamTlsContext } from '../config/tls.ts';

const ROOT = testRoot();
const CLIENT = testLeaf(ROOT, { identity: 'spiffe://cluster.local/ns/default/sa/client' });
const REVIEWS: SubjectAltNameMatcher[] = [
  { sanType: 'URI', matcher: { exact: 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews' } },
];

function validation(names: SubjectAltNameMatcher[] = REVIEWS): CertificateValidationContext {
  return { trustedCa: { inlineString: ROOT.cert }, matchTypedSubjectAltNames: names };
}

function upstreamTls(changes: Partial<UpstreamTlsContext> = {}, names = REVIEWS) {
  return {
    name: 'tls',
    typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext' as const,
      commonTlsContext: { tlsCertificates: [certificateOf(CLIENT)], validationContext: validation(names) },
      sni: 'outbound_.9080_._.reviews.default.svc.cluster.local',
      ...changes,
    },
  };
}

/** A node:tls server that says hello. Its `sockets` are those that finished the handshake. */
class Hello implements AsyncDisposable {
  readonly sockets: TLSSocket[] = [];
  readonly #server: Server;

  private constructor(certificate: TestCertificate, options: TlsOptions) {
    this.#server = createServer({ cert: certificate.chain, key: certificate.key, ...options }, (socket) => {
      this.sockets.push(socket);
      socket.on('error', () => {});
      socket.write('hello');
    });
    this.#server.on('tlsClientError', () => {});
  }

  static async start(certificate: TestCertificate, options: TlsOptions = {}): Promise<Hello> {
    const hello = new Hello(certificate, options);
    hello.#server.listen(0, '127.0.0.1');
    await once(hello.#server, 'listening');
    return hello;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }
}

function clustersFor(port: number, changes: Partial<ClusterConfig>): TestClusters {
  const clusters = new TestClusters();
  clusters.apply([loopback(port, { endpoint: { ...loopback(port).endpoint, hostname: 'api.example.com' } })], changes);
  return clusters;
}

/** Connects, and waits for the greeting or the error. */
async function greeted(clusters: TestClusters): Promise<RecordingSink> {
  const sink = new RecordingSink();
  const tunnel = started(clusters.cluster.startTunnel(clusters.pick(), sink));
  await sink.until(() => sink.body === 'hello' || sink.error !== undefined);
  tunnel.cancel();
  return sink;
}

async function refusal(certificate: TestCertificate, socket = upstreamTls()): Promise<string> {
  await using server = await Hello.start(certificate);
  const clusters = clustersFor(server.port, { transportSocket: socket });
  const { error, events } = await greeted(clusters);
  assert.deepEqual(events, ['error upstream-tls']);
  assert.deepEqual([error!.kind, error!.retry, error!.detail], ['upstream-tls', 'safe', 'tls_error']);
  assert.equal(clusters.stat('ssl.handshake'), 0);
  assert.equal(clusters.stat('ssl.connection_error'), 1);
  return String(error!.cause);
}

test('Istio\'s ALPN of a request goes before its cluster\'s, and no preamble is agreed on (node:tls)', async () => {
  const names = ['istio-peer-exchange', 'istio-http/1.1', 'istio', 'http/1.1'];
  await using server = await Hello.start(testLeaf(ROOT), { ALPNProtocols: names });
  const transportSocket = upstreamTls();
  transportSocket.typedConfig.commonTlsContext = { ...transportSocket.typedConfig.commonTlsContext,
    alpnProtocols: ['istio-peer-exchange', 'istio'] } as never;
  const agreed = async (changes: Partial<ClusterConfig>, alpn: UpstreamAlpn | undefined): Promise<string> => {
    const clusters = clustersFor(server.port, { transportSocket, ...changes });
    const request = new RequestHead('GET', 'api.example.com', '/');
    request.upstreamAlpn = alpn;
    const sink = new RecordingSink();
    const attempt = started(clusters.cluster.startAttempt(clusters.pick(), sink, request, true));
    await sink.until(() => sink.tls !== undefined || sink.error !== undefined);
    attempt.cancel();
    return sink.tls?.alpn ?? String(sink.error?.cause);
  };
  const alpn = new UpstreamAlpn(['istio-http/1.1', 'istio', 'http/1.1'], []);
  assert.equal(await agreed({}, alpn), 'istio-http/1.1');
  assert.equal(await agreed({}, undefined), 'istio');
  assert.equal(await agreed({ metadata: { filterMetadata: { istio: { alpn_override: 'false' } } } }, alpn), 'istio');
});

test('mTLS to a node:tls server: SNI, ALPN, our certificate and its names', async () => {
  const options = { ca: ROOT.cert, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['istio'] };
  await using server = await Hello.start(testLeaf(ROOT), options);
  const transportSocket = upstreamTls();
  transportSocket.typedConfig.commonTlsContext = { ...transportSocket.typedConfig.commonTlsContext,
    alpnProtocols: ['istio-peer-exchange', 'istio'] } as never;
  const { tls, body } = await greeted(clustersFor(server.port, { transportSocket }));
  assert.equal(body, 'hello');
  assert.equal(tls!.peerUriSan, 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews');
  assert.equal(tls!.localUriSan, 'spiffe://cluster.local/ns/default/sa/client');
  assert.equal(tls!.alpn, 'istio');
  const [seen] = server.sockets;
  assert.equal(seen!.servername, 'outbound_.9080_._.reviews.default.svc.cluster.local');
});

test('a server of another root, of another name, or without need of one is told apart', async () => {
  assert.match(await refusal(testLeaf(testRoot())), /^TLS_error:_UNABLE_TO_/);
  assert.match(await refusal(testLeaf(ROOT, { identity: 'spiffe://cluster.local/ns/default/sa/other' })),
    /^TLS_error:_no_accepted_name_among_"spiffe:\/\/cluster.local\/ns\/default\/sa\/other"$/);
});

test('S51 S50 expired, CA, client-only and two-name servers are refused', async () => {
  assert.match(await refusal(expiredLeaf(ROOT)), /EXPIRED/);
  assert.match(await refusal(caLeaf(ROOT)), /CA_certificate|INVALID/);
  const clientOnly = testLeaf(ROOT, { template: { extendedKeyUsage: ['1.3.6.1.5.5.7.3.2'] } });
  assert.match(await refusal(clientOnly), /INVALID_PURPOSE|serverAuth/);
  assert.match(await refusal(twoUriLeaf(ROOT)), /2_URI_names/);
});

test('a server that wants a certificate of ours gets an alert from nobody, and we tell why it failed', async () => {
  await using server = await Hello.start(testLeaf(ROOT), { ca: ROOT.cert, requestCert: true, rejectUnauthorized: true,
    maxVersion: 'TLSv1.2' });
  const transportSocket = upstreamTls();
  transportSocket.typedConfig.commonTlsContext.tlsCertificates = [];
  const { error } = await greeted(clustersFor(server.port, { transportSocket }));
  assert.equal(error!.kind, 'upstream-tls');
  assert.match(String(error!.cause), /handshake_failure|alert/);
});

test('openssl s_server is spoken to', { skip: withoutOpenssl }, async (t) => {
  const { port, stop } = await sServer(t, testLeaf(ROOT));
  const clusters = clustersFor(port, { transportSocket: upstreamTls() });
  const sink = new RecordingSink();
  const tunnel = started(clusters.cluster.startTunnel(clusters.pick(), sink));
  tunnel.sendData(Buffer.from('ping\n'), false);
  // s_server -rev sends every line back reversed.
  await sink.until(() => sink.body.includes('gnip') || sink.error !== undefined);
  assert.equal(sink.error, undefined);
  tunnel.cancel();
  await stop();
});

async function sServer(t: TestContext, certificate: TestCertificate) {
  const folder = temporaryFolder(t);
  const [cert, key, ca] = [join(folder, 'cert.pem'), join(folder, 'key.pem'), join(folder, 'ca.pem')];
  writeFileSync(cert, certificate.chain);
  writeFileSync(key, certificate.key, { mode: 0o600 });
  writeFileSync(ca, ROOT.cert);
  const args = ['-accept', '127.0.0.1:0', '-cert', cert, '-key', key, '-CAfile', ca, '-Verify', '2', '-rev'];
  const child = spawn('openssl', ['s_server', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await eventually(() => /ACCEPT 127\.0\.0\.1:\d+/.test(output) || child.exitCode !== null);
  const port = Number(/ACCEPT 127\.0\.0\.1:(\d+)/.exec(output)?.[1]);
  const stop = async (): Promise<void> => {
    child.kill();
    await once(child, 'close');
  };
  return { port, stop };
}

test('SNI and a required name come from the endpoint where the context says so', async () => {
  const named = serverLeaf(ROOT, [{ dns: '*.example.com' }]);
  await using server = await Hello.start(named);
  const context = { autoHostSni: true, autoSniSanValidation: true };
  const transportSocket = upstreamTls(context, []);
  transportSocket.typedConfig.commonTlsContext.tlsCertificates = [];
  const { tls } = await greeted(clustersFor(server.port, { transportSocket }));
  assert.deepEqual(tls!.peerDnsSans, ['*.example.com']);
  assert.equal(server.sockets[0]!.servername, 'api.example.com');
  const other = serverLeaf(ROOT, [{ dns: 'www.example.org' }]);
  assert.match(await refusal(other, transportSocket), /"api.example.com"_is_not_among/);
});

test('HTTP over mTLS shares a connection; auto_sni gives each authority its own, with its name checked', async () => {
  const seen: string[] = [];
  const certificate = serverLeaf(ROOT, [{ dns: 'a.example.com' }, { dns: 'b.example.com' }]);
  const server = createHttpsServer({ cert: certificate.chain, key: certificate.key }, (request, response) => {
    seen.push(`${(request.socket as TLSSocket).servername} ${request.socket.remotePort}`);
    response.end('hello');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const clusters = new TestClusters();
  const typed = {
    '@type': `type.googleapis.com/${HTTP_PROTOCOL_OPTIONS}` as const,
    upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: true },
  };
  clusters.apply([(server.address() as AddressInfo).port], {
    transportSocket: upstreamTls({}, []),
    typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: typed },
  });
  const get = async (authority: string): Promise<RecordingSink> => {
    const sink = new RecordingSink();
    started(clusters.cluster.startAttempt(clusters.pick(), sink, new RequestHead('GET', authority, '/'), true));
    return sink.end();
  };
  for (const authority of ['a.example.com', 'b.example.com:443', 'a.example.com:8443', 'b.example.com']) {
    const sink = await get(authority);
    assert.equal(sink.body, 'hello');
    assert.deepEqual(sink.tls!.peerDnsSans, ['a.example.com', 'b.example.com']);
  }
  assert.deepEqual(seen.map((line) => line.split(' ')[0]), ['a', 'b', 'a', 'b'].map((host) => `${host}.example.com`));
  assert.deepEqual([seen[2], seen[3]], [seen[0], seen[1]]);
  assert.match(String((await get('c.example.com')).error!.cause), /"c.example.com"_is_not_among/);
  clusters.set.close();
  server.close();
});

test('without a validation context the server is not verified, as in Envoy, and no name of it is told', async () => {
  await using server = await Hello.start(testLeaf(testRoot()));
  const transportSocket = upstreamTls({ commonTlsContext: {} as never });
  const { tls, body } = await greeted(clustersFor(server.port, { transportSocket }));
  assert.equal(body, 'hello');
  assert.equal(tls!.peerUriSan, undefined);
});

test('S53 a session is resumed with the endpoint that gave it, and not after a change of the secrets', async () => {
  await using server = await Hello.start(testLeaf(ROOT));
  const transportSocket = upstreamTls();
  transportSocket.typedConfig.commonTlsContext = { ...transportSocket.typedConfig.commonTlsContext,
    validationContext: undefined, validationContextSdsSecretConfig: { name: 'ROOTCA' } } as never;
  const clusters = clustersFor(server.port, { transportSocket });
  const roots = { name: 'ROOTCA', validationContext: validation() };
  clusters.secrets.apply(roots);
  for (const reused of [0, 1]) {
    const { body, tls } = await greeted(clusters);
    assert.equal(body, 'hello');
    assert.equal(tls!.peerUriSan, 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews');
    assert.equal(clusters.stat('ssl.session_reused'), reused);
  }
  await greeted(clusters);
  clusters.secrets.apply(roots);
  assert.equal((await greeted(clusters)).body, 'hello');
  assert.equal(clusters.stat('ssl.session_reused'), 1);
});

test('S53 a resumed server is judged again by the certificate that it showed first', async () => {
  const clock = new ManualClock(Date.now());
  await using server = await Hello.start(testLeaf(ROOT, { notAfterMs: 600_000 }));
  const clusters = new TestClusters(clock);
  clusters.apply([server.port], { transportSocket: upstreamTls() });
  assert.equal((await greeted(clusters)).body, 'hello');
  clock.advance(700_000);
  assert.match(String((await greeted(clusters)).error!.cause), /out_of_date/);
});

test('S53 max_session_keys 0 turns resumption off', async () => {
  await using server = await Hello.start(testLeaf(ROOT));
  const clusters = clustersFor(server.port, { transportSocket: upstreamTls({ maxSessionKeys: 0 }) });
  for (let i = 0; i < 3; i++) assert.equal((await greeted(clusters)).body, 'hello');
  assert.equal(clusters.stat('ssl.session_reused'), 0);
  assert.equal(clusters.stat('ssl.handshake'), 3);
});

test('transport_socket_matches: endpoints with tlsMode istio get mTLS, the others plaintext', async () => {
  await using secure = await Hello.start(testLeaf(ROOT));
  const plain = createTcpServer((socket) => socket.on('error', () => {}).end('hello')).listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const clusters = new TestClusters();
  const labelled = loopback(secure.port, {
    metadata: { filterMetadata: { 'envoy.transport_socket_match': { tlsMode: 'istio' }, istio: { workload: 'w;ns' } } },
  });
  clusters.apply([labelled, (plain.address() as AddressInfo).port], {
    transportSocketMatches: [
      { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket: upstreamTls() },
      { name: 'tlsMode-disabled', match: {}, transportSocket: rawBuffer() },
    ],
  });
  const seen = new Map<boolean, string | undefined>();
  for (let i = 0; i < 2; i++) {
    const endpoint = clusters.pick();
    const sink = new RecordingSink();
    const tunnel = started(clusters.cluster.startTunnel(endpoint, sink));
    await sink.until(() => sink.body === 'hello');
    tunnel.cancel();
    seen.set(sink.tls !== undefined, endpoint.workload);
  }
  assert.deepEqual(seen, new Map([[true, 'w;ns'], [false, undefined]]));
  plain.close();
});

function rawBuffer() {
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer' as const;
  return { name: 'raw', typedConfig: { '@type': type } };
}

test('F23 a cluster whose secrets are missing is warming and does not connect without them', async () => {
  await using server = await Hello.start(testLeaf(ROOT));
  const clusters = clustersFor(server.port, {});
  const endpoint = clusters.pick();
  const transportSocket = upstreamTls();
  transportSocket.typedConfig.commonTlsContext = { tlsCertificateSdsSecretConfigs: [{ name: 'default' }],
    validationContext: validation() } as never;
  clusters.apply([server.port], { transportSocket });
  assert.equal(clusters.cluster.pick(undefined), 'queue');
  assert.deepEqual(clusters.set.warming(), [{ name: 'a', missing: ['secret default'] }]);
  const sink = new RecordingSink();
  const refused = clusters.cluster.startTunnel(endpoint, sink);
  assert.match(String((refused as { cause?: unknown }).cause), /secrets_are_not_there_yet:_default/);
  clusters.secrets.apply({ name: 'default', tlsCertificate: certificateOf(CLIENT) });
  assert.deepEqual(clusters.set.warming(), []);
  assert.equal((await greeted(clusters)).body, 'hello');
});

test('S55 failed handshakes leave no socket, timer or count behind', async () => {
  await using server = await Hello.start(testLeaf(testRoot()));
  const clusters = clustersFor(server.port, { transportSocket: upstreamTls() });
  for (let i = 0; i < 50; i++) assert.equal((await greeted(clusters)).error!.kind, 'upstream-tls');
  await eventually(() => server.sockets.every((socket) => socket.destroyed || socket.readableEnded));
  assert.equal(clusters.timers.size, 0);
  assert.equal(Object.values(clusters.held()).every((value) => value === 0), true);
  assert.equal(clusters.stat('ssl.fail_verify_error'), 50);
});
