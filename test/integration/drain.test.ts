// Drains under load (faults.md F17): peers that go when they are asked to lose nothing, and the application none of its
// own connections.
import assert from 'node:assert/strict';
import { Agent, get } from 'node:http';
import { connect, constants } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { test } from 'node:test';
import { request } from 'undici';
import { EchoServer } from '../harness/echo-server.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const ROUNDS = 4;
const REQUESTS_BEFORE = 40;

function withDirection(listener: unknown, direction: string): unknown {
  return { ...(listener as object), traffic_direction: direction };
}

interface Answer {
  readonly status: number;
  readonly closes: boolean;
}

/** One GET over a connection that is kept; rejects when it fails. */
function fetchKept(agent: Agent, port: number, delayMs = 0): Promise<Answer> {
  const headers = delayMs === 0 ? {} : { 'x-delay-ms': String(delayMs) };
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent, headers }, (incoming) => {
      const closes = incoming.headers.connection === 'close';
      incoming.resume().on('end', () => resolve({ status: incoming.statusCode ?? 0, closes })).on('error', reject);
    }).on('error', reject);
  });
}

test('F17 inbound drains alone: the application goes on with its connections until it closes them (node:http)',
  async () => {
    await using app = await EchoServer.start('app');
    const listeners = [
      withDirection(httpListener([routeTo('app')], {}, 'in'), 'INBOUND'),
      withDirection(httpListener([routeTo('app')], {}, 'out'), 'OUTBOUND'),
    ];
    await using proxy = await TestProxy.start(bootstrapOf(listeners, [staticCluster('app', [app.port])]));
    const [inward, outward] = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true, maxSockets: 1 })];
    try {
      assert.deepEqual(await fetchKept(outward, proxy.port('out')), { status: 200, closes: false });
      let over = false;
      const drained = proxy.running.drain().then(() => (over = true));
      assert.deepEqual(await fetchKept(inward, proxy.port('in')), { status: 200, closes: true });
      for (let i = 0; i < 5; i++) {
        assert.deepEqual(await fetchKept(outward, proxy.port('out')), { status: 200, closes: false });
      }
      assert.equal(proxy.stat('http.out.downstream_cx_total'), 1, 'one connection for all of them');
      await until('nobody is connected inbound', () => proxy.stat('http.in.downstream_cx_active') === 0);
      assert.equal(over, false, 'the application is still connected');
      outward.destroy();
      await drained;
    } finally {
      inward.destroy();
      outward.destroy();
    }
  });

test('F17 no request fails when the proxy drains under keep-alive and HTTP/2 clients (node:http, node:http2)',
  { timeout: 60_000 }, async () => {
    await using app = await EchoServer.start('app');
    const bootstrap = bootstrapOf([httpListener([routeTo('app')])], [staticCluster('app', [app.port])]);
    await using other = await TestProxy.start(bootstrap);
    for (let round = 0; round < ROUNDS; round++) {
      await using proxy = await TestProxy.start(bootstrap, { concurrency: 2 });
      const load = new Load(proxy.port(), other.port());
      const clients = [load.http1(), load.http1(), load.http1(), load.http2(), load.http2()];
      await until('the load runs', () => load.done >= REQUESTS_BEFORE);
      const movedBefore = load.moved;
      await proxy.running.drain();
      assert.equal(movedBefore, 0);
      await until('every client has moved', () => load.moved === clients.length);
      load.stop = true;
      await Promise.all(clients);
      assert.deepEqual(load.failures, []);
    }
  });

test('F17 /drain_listeners closes inbound listeners at once, or asks and leaves them open (node:http)', async () => {
  await using app = await EchoServer.start('app');
  const listeners = [
    withDirection(httpListener([routeTo('app')], {}, 'in'), 'INBOUND'),
    withDirection(httpListener([routeTo('app')], {}, 'out'), 'OUTBOUND'),
  ];
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } };
  const bootstrap = bootstrapOf(listeners, [staticCluster('app', [app.port])]) as object;
  await using proxy = await TestProxy.start({ ...bootstrap, admin });
  const post = async (query: string): Promise<number> => {
    const response = await request(`http://${proxy.running.adminAddress}/drain_listeners${query}`, { method: 'POST' });
    await response.body.dump();
    return response.statusCode;
  };
  const agent = new Agent();
  assert.equal(await post('?skip_exit'), 400);
  assert.equal(await post('?graceful&inboundonly&skip_exit'), 200);
  await until('inbound is asked to go', async () => (await fetchKept(agent, proxy.port('in'))).closes);
  assert.equal(await post('?inboundonly'), 200);
  await until('inbound is closed',
    () => fetchKept(agent, proxy.port('in')).then(() => false, (cause: Error) => /ECONNREFUSED/.test(cause.message)));
  assert.equal((await fetchKept(agent, proxy.port('out'))).status, 200);
});

/** Clients that ask the first port until their connection is ended in order, and the second one from then on. */
class Load {
  stop = false;
  done = 0;
  moved = 0;
  readonly failures: string[] = [];
  readonly #first: number;
  readonly #second: number;

  constructor(first: number, second: number) {
    this.#first = first;
    this.#second = second;
  }

  async http1(): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let port = this.#first;
    while (!this.stop) {
      try {
        const { status, closes } = await fetchKept(agent, port, 1);
        this.#count(`HTTP/1.1 ${status}`, status === 200);
        if (closes && port === this.#first) port = this.#move();
      } catch (cause) {
        this.#count(`HTTP/1.1 ${String(cause)}`, false);
        return;
      }
    }
    agent.destroy();
  }

  async http2(): Promise<void> {
    let port = this.#first;
    while (!this.stop) {
      const session = connect(`http://127.0.0.1:${port}`);
      session.on('error', (cause) => this.#count(`session: ${String(cause)}`, false));
      let gone = false;
      session.on('goaway', () => (gone = true)).on('close', () => (gone = true));
      while (!this.stop && !gone) await Promise.all([this.#stream(session), this.#stream(session)]);
      session.close();
      if (!this.stop) port = this.#move();
    }
  }

  #stream(session: ClientHttp2Session): Promise<void> {
    return new Promise((resolve) => {
      const stream = session.request({ ':path': '/', 'x-delay-ms': '1' });
      let status = 0;
      stream.on('response', (headers) => (status = headers[':status'] ?? 0));
      let unsent = false;
      stream.on('error', (cause) => {
        // What is not sent yet when the GOAWAY comes node:http2 refuses itself: to be asked elsewhere (RFC 9113 8.7).
        unsent = session.closed && stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
        if (!unsent) this.#count(`stream: ${String(cause)}`, false);
      });
      stream.resume().on('close', () => {
        if (!unsent) this.#count(`HTTP/2 ${status}`, status === 200);
        resolve();
      });
    });
  }

  #move(): number {
    this.moved++;
    return this.#second;
  }

  #count(what: string, good: boolean): void {
    if (good) this.done++;
    else this.failures.push(what);
  }
}
