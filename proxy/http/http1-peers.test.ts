// The codecs over real sockets against peers that are not ours: raw sockets, node:http, undici, curl.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer as createHttpServer, request as httpRequest, Agent as HttpAgent } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Client, request as undiciRequest } from 'undici';
import { CLIENT_OPTIONS, SeenMessage, SERVER_OPTIONS } from '../../test/harness/http1-probe.ts';
import { systemClock } from '../base/clock.ts';
import { openTransport } from '../base/socket-transport.ts';
import { TimerWheel } from '../base/timers.ts';
import { WriteBatch } from '../base/write-batch.ts';
import type { RequestSink, ServerStream } from './codec.ts';
import { Http1ClientConnection } from './http1-client.ts';
import { Http1ServerConnection } from './http1-server.ts';
import { localReplyFor } from './local-reply.ts';
import { LENGTH_UNKNOWN, RequestHead, ResponseHead } from './message.ts';

const run = promisify(execFile);

/** A server on our codec that answers with what it received; `/large` with a megabyte, `/ws` by switching protocols. */
class EchoApp implements AsyncDisposable {
  readonly #server = createServer({ allowHalfOpen: true });
  readonly #timers = new TimerWheel(systemClock);
  readonly #writes = new WriteBatch();
  readonly #sockets = new Set<Socket>();
  connections = 0;

  static async start(): Promise<EchoApp> {
    const app = new EchoApp();
    app.#server.on('connection', (socket) => app.#accept(socket));
    app.#server.listen(0, '127.0.0.1');
    await once(app.#server, 'listening');
    return app;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  #accept(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    const options = { ...SERVER_OPTIONS, writes: this.#writes };
    const handler = {
      onStream: (stream: ServerStream) => echo(stream), onProtocolError: () => undefined,
      onConnectionClose: () => void this.#sockets.delete(socket),
    };
    new Http1ServerConnection(openTransport(socket), options, handler, this.#timers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function echo(stream: ServerStream): RequestSink {
  let head: RequestHead;
  let body = '';
  const reply = (): void => {
    const host = head.authority.split(':')[0];
    const said = `${head.method} ${host} ${head.path} ${body.length} ${body.slice(0, 20)}`;
    const text = head.path === '/large' ? 'L'.repeat(1_000_000) : said;
    const response = new ResponseHead(200);
    response.contentLength = head.path === '/chunked' ? LENGTH_UNKNOWN : text.length;
    response.headers.append('x-seen', head.headers.get('x-seen') ?? 'none');
    stream.sendResponseHead(response, false);
    stream.sendResponseData(Buffer.from(text), true);
  };
  const tunnel = (): void => {
    const response = new ResponseHead(101);
    response.upgrade = head.upgrade;
    stream.sendResponseHead(response, false);
  };
  return {
    onRequestHead: (request, end) => {
      head = request;
      if (request.expectContinue) stream.sendInformational(new ResponseHead(100));
      if (end) reply();
      else if (request.upgrade !== undefined) tunnel();
      else if (request.method === 'CONNECT') stream.sendResponseHead(new ResponseHead(403), true);
    },
    onRequestData: (chunk, end) => {
      if (head.upgrade !== undefined) stream.sendResponseData(chunk, end);
      else body += chunk.toString('latin1');
      if (end && head.upgrade === undefined) reply();
    },
    onRequestTrailers: () => reply(),
    onRequestError: (error) => {
      if (error.kind === 'downstream-reset') return;
      const { status, body: text } = localReplyFor(error);
      const response = new ResponseHead(status);
      response.contentLength = text.length;
      stream.sendResponseHead(response, false);
      stream.sendResponseData(Buffer.from(text), true);
    },
    onResponseDrain: () => undefined,
  };
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

/** What a raw socket gets for its bytes, until the server closes. */
async function raw(port: number, bytes: string, half = false): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: half });
  if (half) socket.end(bytes, 'latin1');
  else socket.write(bytes, 'latin1');
  return readAll(socket);
}

test('raw socket: pipelined requests, half-close, and a malformed one', async () => {
  await using app = await EchoApp.start();
  const pipelined = await raw(app.port,
    'GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  assert.match(pipelined, /GET a \/1 0 HTTP\/1\.1 200 OK[^]*connection: close\r\n\r\nGET a \/2 0 $/);
  const half = await raw(app.port, 'GET /half HTTP/1.1\r\nhost: a\r\n\r\n', true);
  assert.match(half, /GET a \/half 0 $/);
  const bad = await raw(app.port, 'GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n');
  assert.match(bad, /^HTTP\/1\.1 400 Bad Request\r\n[^]*connection: close\r\n\r\nBad Request$/);
});

test('raw socket: an early reply reaches a client that is still sending, then the connection ends', async () => {
  await using app = await EchoApp.start();
  const answer = await raw(app.port,
    `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n${'x'.repeat(200_000)}`);
  assert.match(answer, /^HTTP\/1\.1 400 /);
});

test('node:http client: keep-alive, lengths, chunks, 100-continue, upgrade', async () => {
  await using app = await EchoApp.start();
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  const ask = async (path: string, body?: string[], headers: Record<string, string> = {}): Promise<string> => {
    const outgoing = httpRequest(`${app.url}${path}`, { method: body === undefined ? 'GET' : 'POST', agent,
      headers: { 'x-seen': 'yes', ...headers } });
    for (const part of body ?? []) outgoing.write(part);
    outgoing.end();
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    assert.equal(incoming.headers['x-seen'], 'yes');
    return readAll(incoming);
  };
  assert.equal(await ask('/a'), 'GET 127.0.0.1 /a 0 ');
  assert.equal(await ask('/b', ['he', 'llo']), 'POST 127.0.0.1 /b 5 hello');
  assert.equal(await ask('/b', ['hello'], { 'content-length': '5', expect: '100-continue' }),
    'POST 127.0.0.1 /b 5 hello');
  assert.equal((await ask('/large')).length, 1_000_000);
  assert.equal(await ask('/chunked'), 'GET 127.0.0.1 /chunked 0 ');
  assert.equal(app.connections, 1);
  agent.destroy();
  const upgrading = httpRequest(`${app.url}/ws`, { headers: { connection: 'Upgrade', upgrade: 'websocket' } });
  upgrading.end();
  const [response, socket] = (await once(upgrading, 'upgrade')) as [IncomingMessage, Socket];
  assert.deepEqual([response.statusCode, response.headers.upgrade], [101, 'websocket']);
  socket.end('through the tunnel');
  assert.equal(await readAll(socket), 'through the tunnel');
});

test('undici: requests in a pipeline of ten, bodies of known and unknown length', async () => {
  await using app = await EchoApp.start();
  const client = new Client(app.url, { pipelining: 10 });
  const answers = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const { body } = await client.request({ path: `/${i}`, method: 'GET' });
    return body.text();
  }));
  assert.deepEqual(answers, Array.from({ length: 50 }, (_, i) => `GET 127.0.0.1 /${i} 0 `));
  assert.equal(app.connections, 1);
  const sized = await client.request({ path: '/p', method: 'POST', body: 'x'.repeat(300_000) });
  assert.equal(await sized.body.text(), `POST 127.0.0.1 /p 300000 ${'x'.repeat(20)}`);
  await client.close();
  const pieces = async function* (): AsyncGenerator<string> {
    yield 'one';
    yield 'two';
  };
  const { body } = await undiciRequest(`${app.url}/s`, { method: 'POST', body: pieces() as never, reset: true });
  assert.equal(await body.text(), 'POST 127.0.0.1 /s 6 onetwo');
});

test('curl: HTTP/1.0, HEAD, chunked and large uploads, h2c, a proxy’s absolute-form and CONNECT', async () => {
  await using app = await EchoApp.start();
  const curl = async (...options: string[]): Promise<string> => (await run('curl', ['-sS', '--max-time', '20',
    ...options])).stdout;
  assert.equal(await curl(`${app.url}/x`), 'GET 127.0.0.1 /x 0 ');
  assert.equal(await curl('--http1.0', `${app.url}/x`), 'GET 127.0.0.1 /x 0 ');
  assert.equal(await curl('--http1.0', `${app.url}/chunked`), 'GET 127.0.0.1 /chunked 0 ');
  assert.match(await curl('-I', `${app.url}/x`), /^HTTP\/1\.1 200 OK\r\n[^]*content-length: 20\r\n/);
  assert.equal(await curl('-d', 'hello', '-H', 'Transfer-Encoding: chunked', `${app.url}/c`),
    'POST 127.0.0.1 /c 5 hello');
  assert.equal(await curl('-d', 'x'.repeat(100_000), '-H', 'Expect: 100-continue', `${app.url}/e`),
    `POST 127.0.0.1 /e 100000 ${'x'.repeat(20)}`);
  assert.equal(await curl('--http2', `${app.url}/h2c`), 'GET 127.0.0.1 /h2c 0 ');
  assert.equal(await curl('-x', app.url, 'http://weft.test/proxied?x'), 'GET weft.test /proxied?x 0 ');
  await assert.rejects(curl('-p', '-x', app.url, 'http://weft.test:1/'), /403/);
});

/** One connection of our client codec to a port. */
async function dial(port: number): Promise<Http1ClientConnection> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const handler = { onStreamDone: () => undefined, onDraining: () => undefined, onConnectionClose: () => undefined };
  return new Http1ClientConnection(openTransport(socket, 'upstream'), { ...CLIENT_OPTIONS,
    writes: new WriteBatch() }, handler);
}

function exchange(connection: Http1ClientConnection, head: RequestHead, body?: string): Promise<SeenMessage> {
  const seen = new SeenMessage();
  return new Promise((resolve) => {
    const finish = (end: boolean): void => {
      if (!end) return;
      seen.ended = true;
      setImmediate(resolve, seen);
    };
    const stream = connection.newStream({
      onInformational: (interim) => void seen.informational.push(interim.status),
      onResponseHead: (response, end) => {
        seen.start = String(response.status);
        seen.fields = response.headers.fields;
        finish(end);
      },
      onResponseData: (chunk, end) => {
        seen.body += chunk.toString('latin1');
        finish(end);
      },
      onResponseTrailers: (trailers) => {
        seen.trailers = trailers.fields;
        finish(true);
      },
      onResponseError: (error) => {
        seen.error = error;
        setImmediate(resolve, seen);
      },
      onRequestDrain: () => undefined,
    });
    stream.sendRequestHead(head, body === undefined);
    if (body !== undefined) stream.sendRequestData(Buffer.from(body), true);
  });
}

test('node:http server: our client’s requests, its responses by length, chunks, close and with trailers', async () => {
  const server = createHttpServer((incoming, outgoing) => {
    void readAll(incoming).then((body) => {
      const text = `${incoming.method} ${incoming.headers.host} ${incoming.url} ${body.length}`;
      if (incoming.url === '/length') outgoing.setHeader('content-length', text.length);
      if (incoming.url === '/close') outgoing.setHeader('connection', 'close');
      if (incoming.url === '/hints') outgoing.writeEarlyHints({ link: '</a.css>; rel=preload' });
      if (incoming.url === '/trailers') {
        outgoing.writeHead(200, { trailer: 'x-sum' });
        outgoing.addTrailers({ 'x-sum': '7' });
      }
      outgoing.write(text.slice(0, 5));
      setImmediate(() => outgoing.end(text.slice(5)));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connection = await dial((server.address() as AddressInfo).port);
  const ask = async (path: string, body?: string, length = body?.length ?? 0): Promise<SeenMessage> => {
    const head = new RequestHead(body === undefined ? 'GET' : 'POST', 'weft.test', path);
    head.contentLength = length;
    return exchange(connection, head, body);
  };
  assert.equal((await ask('/length')).body, 'GET weft.test /length 0');
  assert.equal((await ask('/chunked', 'hello')).body, 'POST weft.test /chunked 5');
  assert.equal((await ask('/chunked', 'x'.repeat(200_000), LENGTH_UNKNOWN)).body, 'POST weft.test /chunked 200000');
  assert.deepEqual((await ask('/hints')).informational, [103]);
  assert.deepEqual((await ask('/trailers')).trailers, ['x-sum', '7']);
  assert.equal((await exchange(connection, new RequestHead('HEAD', 'weft.test', '/length'))).body, '');
  assert.equal(connection.keepAliveMs, 5000);
  assert.equal(connection.streamsStarted, 6);
  assert.equal((await ask('/close')).body, 'GET weft.test /close 0');
  assert.equal(connection.canTakeStream, false);
  server.close();
  await once(server, 'close');
});

test('S18 raw server: what it sends malformed, cut or unasked ends the connection', async () => {
  const answers = ['HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx', 'nonsense\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut'];
  const kinds = ['upstream-protocol', 'upstream-protocol', 'upstream-reset'];
  const server = createServer((socket) => {
    socket.once('data', () => socket.end(answers.shift() ?? '', 'latin1'));
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  for (const kind of kinds) {
    const connection = await dial((server.address() as AddressInfo).port);
    const seen = await exchange(connection, new RequestHead('GET', 'a', '/'));
    assert.equal(seen.error?.kind, kind);
    assert.equal(connection.canTakeStream, false);
  }
  server.close();
  await once(server, 'close');
});
