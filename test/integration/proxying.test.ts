// Requests through a real proxy to node:http upstreams: bodies, retries, timeouts, redirects, limits, stats.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { request } from 'undici';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const RETRY = { retry_on: '5xx,reset,connect-failure', num_retries: 3, retry_back_off: { base_interval: '0.010s' } };

test('undici to node:http: method, path, headers and body arrive as they were sent', async () => {
  await using upstream = await EchoServer.start('app');
  await using proxy = await TestProxy.start(
    bootstrapOf([httpListener([routeTo('app')])], [staticCluster('app', [upstream.port])]),
  );
  const response = await request(`http://127.0.0.1:${proxy.port()}/a/b?c=d`, {
    method: 'PUT', headers: { 'x-a': '1' }, body: 'hello',
  });
  assert.equal(response.statusCode, 200);
  const echo = (await response.body.json()) as Echo;
  assert.deepEqual([echo.method, echo.url, echo.body, echo.headers['x-a']], ['PUT', '/a/b?c=d', 'hello', '1']);
  assert.match(echo.headers['x-request-id'] ?? '', /^[0-9a-f-]{36}$/);
});

test('large bodies stream both ways between undici and node:http', async () => {
  const server = createServer((incoming, outgoing) => incoming.pipe(outgoing));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await using proxy = await TestProxy.start(
    bootstrapOf([httpListener([routeTo('app')])], [staticCluster('app', [port])]),
  );
  const body = Buffer.alloc(8 * 1024 * 1024, 'abcdefghij');
  const response = await request(`http://127.0.0.1:${proxy.port()}/`, { method: 'POST', body });
  assert.ok(Buffer.from(await response.body.arrayBuffer()).equals(body));
  server.closeAllConnections();
  server.close();
});

test('a failing node:http upstream is tried again, with the body', async () => {
  await using upstream = await EchoServer.start('app');
  const listener = httpListener([routeTo('app', { retry_policy: RETRY })]);
  await using proxy = await TestProxy.start(bootstrapOf([listener], [staticCluster('app', [upstream.port])]));
  const headers = { 'x-fail-times': '2', 'x-request-key': 'k' };
  const response = await request(`http://127.0.0.1:${proxy.port()}/`, { method: 'POST', headers, body: 'again' });
  assert.equal(response.statusCode, 200);
  assert.equal(((await response.body.json()) as Echo).body, 'again');
  assert.equal(upstream.requests, 3);
  assert.equal(proxy.stat('cluster.app.upstream_rq_retry'), 2);
  assert.equal(proxy.stat('cluster.app.upstream_rq_retry_success'), 1);
});

test('F06 a reset before any response is retried; a cut body is seen as cut by undici', async () => {
  let calls = 0;
  const server = createServer((incoming, outgoing) => {
    if (incoming.url === '/cut') {
      outgoing.writeHead(200, { 'content-length': '1000' });
      outgoing.write('x'.repeat(500), () => incoming.socket.resetAndDestroy());
    } else if (calls++ === 0) incoming.socket.resetAndDestroy();
    else outgoing.end('ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const listener = httpListener([routeTo('app', { retry_policy: RETRY })]);
  await using proxy = await TestProxy.start(bootstrapOf([listener], [staticCluster('app', [port])]));
  const response = await request(`http://127.0.0.1:${proxy.port()}/`);
  assert.equal(await response.body.text(), 'ok');
  const cut = await request(`http://127.0.0.1:${proxy.port()}/cut`);
  await assert.rejects(cut.body.text());
  server.closeAllConnections();
  server.close();
});

test('the route timeout answers 504, and nobody listening answers 503', async () => {
  await using upstream = await EchoServer.start('app');
  const routes = [
    { match: { prefix: '/slow' }, route: { cluster: 'app', timeout: '0.100s' } },
    { match: { prefix: '/dead' }, route: { cluster: 'dead' } },
    { match: { prefix: '/none' }, route: { cluster: 'empty' } },
  ];
  const clusters = [staticCluster('app', [upstream.port]), staticCluster('dead', [1]), staticCluster('empty', [])];
  await using proxy = await TestProxy.start(bootstrapOf([httpListener(routes)], clusters));
  const slow = await exchange(proxy.port(), requestText({ path: '/slow', headers: [['x-delay-ms', '3000']] }));
  assert.deepEqual([slow.status, slow.body], [504, 'upstream request timeout']);
  const dead = await exchange(proxy.port(), requestText({ path: '/dead' }));
  assert.equal(dead.status, 503);
  assert.match(dead.body, /^upstream connect error or disconnect\/reset before headers/);
  const none = await exchange(proxy.port(), requestText({ path: '/none' }));
  assert.deepEqual([none.status, none.body], [503, 'no healthy upstream']);
  assert.equal((await exchange(proxy.port(), requestText({ path: '/other' }))).status, 404);
});

test('counts of the connection manager and the cluster are exact over two workers', async () => {
  await using upstream = await EchoServer.start('app');
  const bootstrap = bootstrapOf([httpListener([routeTo('app')])], [staticCluster('app', [upstream.port])]);
  await using proxy = await TestProxy.start(bootstrap, { concurrency: 2 });
  const url = `http://127.0.0.1:${proxy.port()}/`;
  await Promise.all(
    Array.from({ length: 200 }, async () => (await request(url, { headers: { connection: 'close' } })).body.dump()),
  );
  await until('all requests are counted', () => proxy.stat('http.http.downstream_rq_2xx') === 200);
  assert.equal(proxy.stat('http.http.downstream_rq_total'), 200);
  assert.equal(proxy.stat('cluster.app.upstream_rq_total'), 200);
  assert.equal(proxy.stat('cluster.app.upstream_rq_200'), 200);
  await until('no request is active', () => proxy.stat('http.http.downstream_rq_active') === 0);
});

test('a route\'s own idle timeout, duration and idle time per try hold against a slow node:http server', async () => {
  await using upstream = await EchoServer.start('app');
  const backOff = { base_interval: '0.010s' };
  const idleTry = { retry_on: '5xx', num_retries: 1, per_try_idle_timeout: '0.100s', retry_back_off: backOff };
  const routes = [
    { match: { prefix: '/idle' }, route: { cluster: 'app', idle_timeout: '0.100s' } },
    { match: { prefix: '/long' }, route: { cluster: 'app', max_stream_duration: { max_stream_duration: '0.100s' } } },
    { match: { prefix: '/try' }, route: { cluster: 'app', retry_policy: idleTry } },
  ];
  const clusters = [staticCluster('app', [upstream.port])];
  await using proxy = await TestProxy.start(bootstrapOf([httpListener(routes)], clusters));
  const ask = (path: string): ReturnType<typeof exchange> =>
    exchange(proxy.port(), requestText({ path, headers: [['x-delay-ms', '3000']] }));
  assert.deepEqual([(await ask('/idle')).status, (await ask('/idle')).body], [504, 'stream timeout']);
  assert.equal((await ask('/long')).status, 504);
  const before = upstream.requests;
  assert.equal((await ask('/try')).status, 504);
  assert.equal(upstream.requests - before, 2, 'one try and one retry');
});
