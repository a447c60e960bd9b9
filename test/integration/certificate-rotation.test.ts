// Leaves and roots change under load, between two proxies with a real authority: no request may fail.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { TestContext } from 'node:test';
import { Agent, request } from 'undici';
import { bundleNumber } from '../../certs/chain.ts';
import { createCsr } from '../../certs/csr.ts';
import { addRoot, removeRoot, switchRoot } from '../../certs/root-rotation.ts';
import { parseSpiffeId } from '../../certs/spiffe.ts';
import { openStore } from '../../certs/store.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { TestAuthority, clusterOf, listenerTo, sdsTls } from '../harness/agent-mesh.ts';
import { ecKey } from '../harness/certificates.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const CLIENT = 'spiffe://cluster.local/ns/default/sa/client';
const SERVER = 'spiffe://cluster.local/ns/default/sa/server';

/** More rounds of the same, by hand: each is a root rotation with at least two leaf rotations. */
const ROUNDS = Number(process.env['WEFT_ROOT_ROTATIONS'] ?? 3);

async function startUpstream(t: TestContext): Promise<number> {
  const server = createServer((_request, response) => response.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A sidecar before an application, for the client's identity alone. */
async function startServer(t: TestContext, authority: TestAuthority): Promise<ProxyProcess> {
  const app = clusterOf('app', await startUpstream(t));
  return ProxyProcess.start('weft', {
    node: { id: 'server', cluster: 'server', metadata: await authority.metadata(SERVER) },
    static_resources: { listeners: [listenerTo('app', sdsTls('DownstreamTlsContext', CLIENT))], clusters: [app] },
  });
}

/** Requests that go on until it is told to end. */
class Load {
  sent = 0;
  readonly failures: string[] = [];
  readonly #agent = new Agent({ connections: 8 });
  readonly #loops: Promise<void>[];
  #isOver = false;

  constructor(url: string) {
    this.#loops = Array.from({ length: 6 }, () => this.#loop(url));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    await this.#agent.close();
  }

  async #loop(url: string): Promise<void> {
    while (!this.#isOver) {
      this.sent++;
      try {
        const { statusCode, body } = await request(url, { dispatcher: this.#agent });
        const text = await body.text();
        if (statusCode !== 200) this.failures.push(`${statusCode} ${text}`);
      } catch (cause) {
        this.failures.push(String(cause));
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/** What `weft ca root` says to wait for between two steps. */
async function untilInForce(authority: TestAuthority, proxies: readonly ProxyProcess[]): Promise<void> {
  const bundle = bundleNumber(openStore({ dir: authority.dir }).roots);
  for (const proxy of proxies) {
    await until(`bundle ${bundle} is in force`, async () => {
      const text = await proxy.admin('/stats?filter=agent');
      return text.includes(`agent.bundle: ${bundle}\n`) && text.includes('agent.issued_by_first_root: 1\n');
    }, 30_000);
  }
}

test(`F05 S58 ${ROUNDS} root rotations and the leaf rotations with them under undici's load: no request fails`,
  { timeout: 60_000 + ROUNDS * 20_000 }, async (t) => {
    const authority = new TestAuthority(t, 60_000);
    await authority.start();
    await using server = await startServer(t, authority);
    await using client = await ProxyProcess.start('weft', {
      node: { id: 'client', cluster: 'client', metadata: await authority.metadata(CLIENT) },
      static_resources: {
        listeners: [listenerTo('peer')],
        clusters: [clusterOf('peer', server.port('in'), sdsTls('UpstreamTlsContext', SERVER))],
      },
    });
    const proxies = [server, client];
    const load = new Load(`http://127.0.0.1:${client.port('in')}/`);
    await until('traffic', () => load.sent > 50);
    const options = { dir: authority.dir, clock: systemClock };
    for (let round = 0; round < ROUNDS; round++) {
      for (const step of [addRoot, switchRoot, removeRoot]) {
        step(options);
        await untilInForce(authority, proxies);
        const sent = load.sent;
        await until('traffic after the step', () => load.sent > sent + 50);
      }
    }
    await load.end();
    const leaves = authority.issued.filter(({ identity }) => identity === CLIENT || identity === SERVER).length - 2;
    const handshakes = await client.stat('cluster.peer.ssl.handshake');
    t.diagnostic(`${load.sent} requests, ${leaves} leaf rotations, ${handshakes} handshakes`);
    assert.deepEqual(load.failures, []);
    assert.ok(leaves >= 2 * ROUNDS, `${leaves} leaves`);
    assert.ok(handshakes > 5, `${handshakes} handshakes`);
    for (const proxy of proxies) {
      assert.equal(await proxy.stat('agent.served_certificate_mismatch'), 0);
      assert.equal(await proxy.stat('agent.certificate_failed'), 0);
    }
    assert.deepEqual(authority.refusals, []);
  });

test('F05 a removed root is refused for new handshakes of node:tls within a second, and its old connections drain',
  async (t) => {
    // A switch is followed within a twentieth of the life.
    const authority = new TestAuthority(t, 200_000);
    await authority.start();
    await using server = await startServer(t, authority);
    const [key, identity] = [ecKey(), parseSpiffeId(CLIENT)!];
    const result = authority.ca.issue({ csr: createCsr(key, identity), identity, caller: 'test' });
    assert.ok('issued' in result);
    const pem = key.export({ type: 'pkcs8', format: 'pem' });
    const options = {
      port: server.port('in'), host: '127.0.0.1', rejectUnauthorized: false, key: pem,
      cert: result.issued.chain.join(''),
    };
    const old = await OldClient.open(options);
    assert.doesNotMatch(await old.ask(), /connection: close/);
    const steps = { dir: authority.dir, clock: systemClock };
    for (const step of [addRoot, switchRoot]) {
      step(steps);
      await untilInForce(authority, [server]);
      assert.doesNotMatch(await old.ask(), /connection: close/);
      assert.match(await (await OldClient.open(options)).ask(), /^HTTP\/1\.1 200/);
    }
    removeRoot(steps);
    const start = performance.now();
    await until('the old leaf is refused', async () => (await (await OldClient.open(options)).ask()) === '');
    t.diagnostic(`refused ${Math.round(performance.now() - start)} ms after the root's removal`);
    assert.match(await old.ask(), /^HTTP\/1\.1 200.*connection: close/s);
    await until('the old connection ends', () => old.isClosed);
  });

/** Requests on one connection. */
class OldClient {
  readonly #socket: TLSSocket;
  #text = '';
  isClosed = false;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => (this.#text += chunk.toString()));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  static async open(options: ConnectionOptions): Promise<OldClient> {
    const client = new OldClient(connect(options));
    await once(client.#socket, 'secureConnect');
    return client;
  }

  /** The response, or nothing when the connection is closed. */
  async ask(): Promise<string> {
    this.#text = '';
    this.#socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await until('an answer', () => this.isClosed || this.#text.endsWith('ok') || this.#text.endsWith('0\r\n\r\n'));
    return this.#text;
  }
}
