// F06: an upstream that dies at any point of its response is seen to have died, by clients of HTTP/1.1 and of HTTP/1.0.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { test } from 'node:test';
import { request } from 'undici';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

/** Where it dies: what it had sent, and what of that a client must have got by then (nothing: no response began). */
const PLACES: readonly (readonly [name: string, sent: string, seen: string])[] = [
  ['before its response', '', ''],
  ['in its status line', 'HTTP/1.1 20', ''],
  ['in its head', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\nx-a: ', ''],
  ['after an interim response', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', 'HTTP/1.1 103 '],
  ['after a head with content-length', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n', 'HTTP/1.1 200 '],
  ['in a body with content-length', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello', 'hello'],
  ['after a chunked head', CHUNKED, 'HTTP/1.1 200 '],
  ['in a chunk size', `${CHUNKED}5\r\nhello\r\n1`, 'hello'],
  ['in a chunk', `${CHUNKED}a\r\nhello`, 'hello'],
  ['between a chunk and its CRLF', `${CHUNKED}5\r\nhello`, 'hello'],
  ['between chunks', `${CHUNKED}5\r\nhello\r\n`, 'hello'],
  ['in the last chunk', `${CHUNKED}5\r\nhello\r\n0`, 'hello'],
  ['after the last chunk', `${CHUNKED}5\r\nhello\r\n0\r\n`, 'hello'],
  ['in the trailers', `${CHUNKED}5\r\nhello\r\n0\r\nx-sum: `, 'hello'],
  ['before the end of the trailers', `${CHUNKED}5\r\nhello\r\n0\r\nx-sum: 1\r\n`, 'hello'],
];

const DEATHS = ['FIN', 'RST'] as const;

/** Sends `sent` to each request and waits; a request for /whole gets a whole response. */
class DyingUpstream implements AsyncDisposable {
  readonly #server: Server;
  sent = '';
  connections = 0;
  /** The one whose request waits. */
  #asked: Socket | undefined = undefined;

  constructor() {
    this.#server = createServer((socket) => {
      this.connections++;
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => this.#onData(socket, chunk.toString('latin1')));
    });
  }

  #onData(socket: Socket, text: string): void {
    if (text.startsWith('GET /whole ')) {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole');
      return;
    }
    socket.write(this.sent);
    this.#asked = socket;
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  get asked(): boolean {
    return this.#asked !== undefined;
  }

  die(how: 'FIN' | 'RST'): void {
    if (how === 'FIN') this.#asked!.end();
    else this.#asked!.resetAndDestroy();
    this.#asked = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A client of raw bytes: what it got, and how its connection ended. */
class RawClient {
  received = '';
  ended: 'open' | 'end' | 'reset' = 'open';

  constructor(port: number, bytes: string) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
    });
    socket.on('error', () => {
      this.ended = 'reset';
    });
    socket.on('close', () => {
      if (this.ended === 'open') this.ended = 'end';
    });
    socket.write(bytes);
  }
}

/** One request for each place, and for each of them the upstream's death once the client has what it must have. */
async function atEachDeath(
  upstream: DyingUpstream, ask: () => RawClient, check: (client: RawClient, seen: string, where: string) => void,
): Promise<void> {
  for (const how of DEATHS) {
    for (const [name, sent, seen] of PLACES) {
      upstream.sent = sent;
      const client = ask();
      const where = `${how} ${name}`;
      await until(`${where}: the upstream was asked`, () => upstream.asked);
      // HTTP/1.0 knows no interim responses.
      const awaited = seen.startsWith('HTTP/1.1 1') && client.received === '' ? '' : seen.replace('HTTP/1.1 2', ' 2');
      await until(`${where}: the client has what came so far`, () => client.received.includes(awaited));
      upstream.die(how);
      await until(`${where}: the client's connection ends`, () => client.ended !== 'open');
      check(client, seen, where);
    }
  }
}

async function proxyTo(port: number): Promise<TestProxy> {
  const manager = { http_protocol_options: { accept_http_10: true, enable_trailers: true } };
  const cluster = staticCluster('app', [port]);
  return TestProxy.start(bootstrapOf([httpListener([routeTo('app')], manager)], [cluster]));
}

/** The message is complete by its own framing. */
function isWhole(text: string): boolean {
  const head = text.slice(0, text.indexOf('\r\n\r\n'));
  const body = text.slice(head.length + 4);
  const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
  if (length !== undefined) return body.length >= Number(length);
  return /\r\ntransfer-encoding: chunked/.test(head) && /(^|\r\n)0\r\n([^]*\r\n)?\r\n$/.test(body);
}

test('F06 a raw HTTP/1.1 client gets 503 before the response, and after it a message without its end', async () => {
  await using upstream = new DyingUpstream();
  await using proxy = await proxyTo(await upstream.listen());
  const bytes = 'GET /cut HTTP/1.1\r\nhost: a\r\n\r\n';
  // A 503 keeps the connection, which the client then ends itself.
  const ask = (): RawClient => new RawClient(proxy.port(), bytes.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
  await atEachDeath(upstream, ask, ({ received }, seen, where) => {
    const final = received.replace(/^HTTP\/1\.1 103 [^]*?\r\n\r\n/, '');
    if (seen === '' || seen.startsWith('HTTP/1.1 1')) {
      assert.match(final, /^HTTP\/1\.1 503 [^]*upstream connect error or disconnect\/reset before headers/, where);
      assert.equal(isWhole(final), true, where);
      return;
    }
    assert.match(final, /^HTTP\/1\.1 200 /, where);
    assert.equal(isWhole(final), false, `${where}: ${JSON.stringify(received)}`);
  });
  assert.equal(proxy.stat('cluster.app.upstream_rq_rx_reset'), PLACES.length * DEATHS.length);
  await until('nothing is left', () => proxy.stat('http.http.downstream_rq_active') === 0
    && proxy.stat('cluster.app.upstream_cx_active') === 0);
});

test('F06 a raw HTTP/1.0 client, whose bodies end with the connection, sees a reset', async () => {
  await using upstream = new DyingUpstream();
  await using proxy = await proxyTo(await upstream.listen());
  const ask = (): RawClient => new RawClient(proxy.port(), 'GET /cut HTTP/1.0\r\nhost: a\r\n\r\n');
  await atEachDeath(upstream, ask, ({ received, ended }, seen, where) => {
    if (seen === '' || seen.startsWith('HTTP/1.1 1')) {
      assert.match(received, /^HTTP\/1\.0 503 /, where);
      return;
    }
    assert.match(received, /^HTTP\/1\.0 200 /, where);
    if (received.includes('content-length')) assert.equal(isWhole(received), false, where);
    else assert.equal(ended, 'reset', where);
  });
});

test('F06 undici rejects a body that the upstream did not end, and the next request is whole', async () => {
  await using upstream = new DyingUpstream();
  const port = await upstream.listen();
  await using proxy = await proxyTo(port);
  const url = `http://127.0.0.1:${proxy.port()}`;
  for (const how of DEATHS) {
    for (const [name, sent, seen] of PLACES) {
      upstream.sent = sent;
      const asked = request(`${url}/cut`);
      await until(`${name}: the upstream was asked`, () => upstream.asked);
      if (seen === '' || seen.startsWith('HTTP/1.1 1')) {
        upstream.die(how);
        const { statusCode, body } = await asked;
        assert.equal(statusCode, 503, name);
        await body.dump();
      } else {
        const { statusCode, body } = await asked;
        assert.equal(statusCode, 200, name);
        upstream.die(how);
        await assert.rejects(body.text(), `${how} ${name}`);
      }
      const whole = await request(`${url}/whole`);
      assert.equal(await whole.body.text(), 'whole', `after ${how} ${name}`);
    }
  }
  assert.ok(upstream.connections >= PLACES.length * DEATHS.length, 'a cut connection is not used again');
});

test('F06 an upstream that closes where the end of the connection is the end of the body has ended it well',
  async () => {
  await using upstream = new DyingUpstream();
  await using proxy = await proxyTo(await upstream.listen());
  upstream.sent = 'HTTP/1.1 200 OK\r\n\r\nhello';
  const ask = async (how: 'FIN' | 'RST'): Promise<RawClient> => {
    const client = new RawClient(proxy.port(), 'GET /cut HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    await until('the body has begun', () => client.received.includes('hello'));
    upstream.die(how);
    await until('the connection ends', () => client.ended !== 'open');
    return client;
  };
  assert.equal(isWhole((await ask('FIN')).received), true);
  assert.equal(isWhole((await ask('RST')).received), false, 'a reset is no end');
});
