// Upstream connections are a worker's, not a client's: clients that connect for each request cause no handshakes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SeededRandom } from '../../proxy/base/random.ts';
import { testLeaf } from '../harness/certificates.ts';
import { askOnce, askSteadily } from '../harness/new-connections.ts';
import { ROOT, SERVER } from '../harness/tls-listener.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const AT_ONCE = 8;
const REQUESTS = 2000;
/** There is less than one handshake for so many requests, once the workers have what they need at once. */
const PER_HANDSHAKE = 1000;
/** So many requests wait for one another at first, that each worker of two gets `AT_ONCE` of them. */
const TOGETHER = 64;
const SEED = Number(process.env['WEFT_SEED'] ?? Date.now() % 1_000_000);

/**
 * A node:https server that wants a certificate of the mesh, and counts handshakes, resumed ones too. The first
 * `TOGETHER` requests are answered when all of them are there.
 */
class CountingServer implements AsyncDisposable {
  readonly #server = createServer({
    ca: ROOT.cert, cert: SERVER.chain, key: SERVER.key, requestCert: true, rejectUnauthorized: true,
    keepAliveTimeout: 600_000,
  }, (_incoming, outgoing) => this.#serve(outgoing));
  #waiting: ServerResponse[] = [];
  handshakes = 0;
  requests = 0;

  static async start(): Promise<CountingServer> {
    const started = new CountingServer();
    started.#server.on('secureConnection', () => started.handshakes++);
    started.#server.listen(0, '127.0.0.1');
    await once(started.#server, 'listening');
    return started;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(outgoing: ServerResponse): void {
    this.#waiting.push(outgoing);
    if (++this.requests < TOGETHER) return;
    for (const response of this.#waiting.splice(0)) response.end('hello');
  }
}

function overMutualTls(port: number): unknown {
  const { chain, key } = testLeaf(ROOT);
  return staticCluster('app', [port], {
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': TLS,
        sni: 'localhost',
        common_tls_context: {
          tls_certificates: [{ certificate_chain: { inline_string: chain }, private_key: { inline_string: key } }],
          validation_context: { trusted_ca: { inline_string: ROOT.cert } },
        },
      },
    },
  });
}

/** Bursts of one to `atOnce` requests: all but one connection may be idle, and all may be needed a moment later. */
async function inBursts(port: number, count: number, atOnce: number): Promise<void> {
  const random = new SeededRandom(SEED);
  for (let left = count; left > 0;) {
    const burst = Math.min(left, 1 + Math.floor(random.float() * atOnce));
    await Promise.all(Array.from({ length: burst }, () => askOnce(port)));
    left -= burst;
  }
}

for (const concurrency of [1, 2]) {
  for (const [how, load] of [['steadily', askSteadily], ['in bursts', inBursts]] as const) {
    const title = `a connection per request, ${how} by node:http, shares the mutual TLS connections of `
      + `${concurrency === 1 ? 'one worker' : 'two workers'} to node:https (seed ${SEED})`;
    void test(title, async () => {
      await using upstream = await CountingServer.start();
      const bootstrap = bootstrapOf([httpListener([routeTo('app')])], [overMutualTls(upstream.port)]);
      await using proxy = await TestProxy.start(bootstrap, { concurrency });
      await Promise.all(Array.from({ length: TOGETHER }, () => askOnce(proxy.port())));
      assert.equal(upstream.handshakes, TOGETHER, 'one for each that is under way, not more');
      await load(proxy.port(), REQUESTS, AT_ONCE);
      assert.equal(upstream.requests, TOGETHER + REQUESTS, 'no request was tried twice');
      assert.equal(proxy.stat('http.http.downstream_cx_total'), TOGETHER + REQUESTS, 'each had its connection');
      const more = upstream.handshakes - TOGETHER;
      assert.ok(more < REQUESTS / PER_HANDSHAKE, `${more} handshakes for ${REQUESTS} requests`);
      // Else they would run out, later than this test looks.
      assert.equal(proxy.stat('cluster.app.upstream_cx_destroy'), 0, 'no connection was lost on the way');
      assert.equal(proxy.stat('cluster.app.upstream_cx_active'), upstream.handshakes);
    });
  }
}
