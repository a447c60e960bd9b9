// Clusters whose servers choose the protocol by ALPN, against node:http2 servers that take both, or one of them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { serverLeaf, testRoot } from '../../test/harness/certificates.ts';
import { NOTHING_HELD, get } from '../../test/harness/upstream-server.ts';
import { RecordingSink, TestClusters, eventually, started } from '../../test/harness/upstreams.ts';
import { HTTP_PROTOCOL_OPTIONS } from '../config/type-url.ts';
import type { Attempt } from './upstream.ts';

const ROOT = testRoot();
const LEAF = serverLeaf(ROOT, [{ dns: 'localhost' }]);
const BOTH = ['h2', 'http/1.1'];
const UPSTREAM_TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

/** A server that answers with its protocol's version, after `release` if it is held; `chooses` may change. */
class ChoosingServer implements AsyncDisposable {
  readonly clusters = new TestClusters();
  readonly offers: string[] = [];
  readonly sockets = new Set<Socket>();
  #waiting: (() => void)[] = [];
  connections = 0;
  held = false;
  readonly #server: Http2SecureServer;

  private constructor(chooses: () => string) {
    // What is returned in the end must be among what was offered.
    const choose = ({ protocols }: { protocols: string[] }): string | undefined => {
      this.offers.push(protocols.join());
      return protocols.includes(chooses()) ? chooses() : undefined;
    };
    const options = { cert: LEAF.chain, key: LEAF.key, allowHTTP1: true, ALPNCallback: choose };
    this.#server = createSecureServer(options, (request, response) => this.#answer(request, response));
    this.#server.on('secureConnection', (socket: Socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket)).on('error', () => {});
    });
  }

  static async start(chooses: () => string, alpnProtocols?: string[]): Promise<ChoosingServer> {
    const server = new ChoosingServer(chooses);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    const common = { validationContext: { trustedCa: { inlineString: ROOT.cert } } };
    server.clusters.apply([(server.#server.address() as AddressInfo).port], {
      transportSocket: { name: 'tls', typedConfig: {
        '@type': UPSTREAM_TLS, sni: 'localhost',
        commonTlsContext: alpnProtocols === undefined ? common : { ...common, alpnProtocols },
      } },
      typedExtensionProtocolOptions: {
        [HTTP_PROTOCOL_OPTIONS]: { '@type': `type.googleapis.com/${HTTP_PROTOCOL_OPTIONS}`, autoConfig: {} },
      },
    });
    return server;
  }

  start(sink: RecordingSink): Attempt {
    return started(this.clusters.cluster.startAttempt(this.clusters.pick(), sink, get(), true));
  }

  /** Versions that so many requests at once were answered by. */
  async versions(count: number): Promise<string[]> {
    const sinks = Array.from({ length: count }, () => new RecordingSink());
    for (const sink of sinks) this.start(sink);
    if (this.held) {
      await eventually(() => this.#waiting.length === count);
      for (const release of this.#waiting.splice(0)) release();
    }
    return Promise.all(sinks.map(async (sink) => (await sink.end()).body || String(sink.error?.cause)));
  }

  /** Also what is still shaking hands. */
  async hangUp(): Promise<void> {
    await eventually(() => {
      for (const socket of this.sockets) socket.destroy();
      return this.clusters.stat('upstream_cx_active') === 0;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.clusters.set.close();
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }

  #answer({ httpVersion }: Http2ServerRequest, response: Http2ServerResponse): void {
    if (this.held) this.#waiting.push(() => response.end(httpVersion));
    else response.end(httpVersion);
  }
}

const times = (count: number, version: string): string[] => Array.from({ length: count }, () => version);

test('a server that chooses h2 gets all requests on the connection that asked it (node:http2)', async () => {
  await using server = await ChoosingServer.start(() => 'h2');
  server.held = true;
  assert.deepEqual(await server.versions(20), times(20, '2.0'));
  assert.deepEqual(server.offers, [BOTH.join()]);
  assert.equal(server.connections, 1);
  assert.equal(server.clusters.stat('upstream_cx_http2_total'), 1);
  assert.equal(server.clusters.stat('upstream_cx_http1_total'), 0);
});

test('a server that chooses http/1.1 gets a connection for each request at a time (node:http2)', async () => {
  await using server = await ChoosingServer.start(() => 'http/1.1');
  server.held = true;
  assert.deepEqual(await server.versions(5), times(5, '1.1'));
  assert.equal(server.connections, 5);
  assert.deepEqual(await server.versions(5), times(5, '1.1'));
  assert.equal(server.connections, 5);
  assert.equal(server.clusters.stat('upstream_cx_http1_total'), 5);
  assert.equal(server.clusters.stat('upstream_cx_http2_total'), 0);
});

test('a server that changes its mind is followed, both ways, and nothing is lost (node:http2)', async () => {
  let choice = 'h2';
  await using server = await ChoosingServer.start(() => choice);
  for (const [next, version] of [['h2', '2.0'], ['http/1.1', '1.1'], ['h2', '2.0'], ['http/1.1', '1.1']] as const) {
    choice = next;
    await server.hangUp();
    assert.deepEqual(await server.versions(4), times(4, version));
  }
  await server.hangUp();
  assert.deepEqual(server.clusters.held(), NOTHING_HELD);
});

test('pools made anew plan by what the endpoint chose last (node:http2)', async () => {
  await using server = await ChoosingServer.start(() => 'http/1.1');
  await server.versions(1);
  server.clusters.pick().drainPools();
  const sinks = [new RecordingSink(), new RecordingSink(), new RecordingSink()];
  for (const sink of sinks) server.start(sink);
  // As for HTTP/2 there would be one until its handshake is done.
  assert.equal(server.clusters.stat('upstream_cx_total'), 1 + 3);
  for (const sink of sinks) assert.equal((await sink.end()).body, '1.1');
});

test('protocols that the transport socket names are offered in place of ours, as in Envoy (node:http2)', async () => {
  await using server = await ChoosingServer.start(() => 'http/1.1', ['http/1.1']);
  assert.deepEqual(await server.versions(2), times(2, '1.1'));
  assert.deepEqual(new Set(server.offers), new Set(['http/1.1']));
});

test('who gives up during the handshake leaves nothing behind (node:http2)', async () => {
  await using server = await ChoosingServer.start(() => 'http/1.1');
  server.held = true;
  const sinks = [new RecordingSink(), new RecordingSink()];
  for (const sink of sinks) server.start(sink).cancel();
  await eventually(() => server.connections > 0);
  server.clusters.pick().drainPools();
  await eventually(() => server.clusters.stat('upstream_cx_active') === 0);
  assert.deepEqual(server.clusters.held(), NOTHING_HELD);
});
