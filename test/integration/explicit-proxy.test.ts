// The explicit-proxy listener, as Istio's proxyHttpPort: absolute form is routed by authority, CONNECT is a tunnel.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findProgram, reasonToSkip } from '../harness/peers.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const run = promisify(execFile);

function hosts(table: Readonly<Record<string, unknown[]>>): Record<string, unknown> {
  const virtualHosts = Object.entries(table).map(([name, routes]) => ({ name, domains: [name, `${name}:*`], routes }));
  return { route_config: { name: 'proxy', virtual_hosts: virtualHosts } };
}

const TUNNEL = {
  match: { connect_matcher: {} },
  route: { cluster: 'tcp', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
};

test('node:http through the proxy: the authority of the absolute form decides', async () => {
  await using reviews = await EchoServer.start('reviews');
  await using ratings = await EchoServer.start('ratings');
  const listener = httpListener([], hosts({ reviews: [routeTo('reviews')], ratings: [routeTo('ratings')] }));
  const clusters = [staticCluster('reviews', [reviews.port]), staticCluster('ratings', [ratings.port])];
  await using proxy = await TestProxy.start(bootstrapOf([listener], clusters));
  for (const name of ['reviews', 'ratings']) {
    const echo = await new Promise<Echo>((resolve, reject) => {
      const path = `http://${name}/a?b`;
      request({ host: '127.0.0.1', port: proxy.port(), path, headers: { host: name } }, (incoming) => {
        let text = '';
        incoming.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        incoming.on('end', () => resolve(JSON.parse(text) as Echo));
      }).on('error', reject).end();
    });
    assert.deepEqual([echo.server, echo.url, echo.headers['host']], [name, '/a?b', name]);
  }
});

const curl = findProgram('curl');

test('curl -x and --proxytunnel reach the upstream', { skip: reasonToSkip(curl) }, async () => {
  await using upstream = await EchoServer.start('app');
  const listener = httpListener([TUNNEL, routeTo('tcp')], { upgrade_configs: [{ upgrade_type: 'CONNECT' }] });
  await using proxy = await TestProxy.start(bootstrapOf([listener], [staticCluster('tcp', [upstream.port])]));
  const via = `http://127.0.0.1:${proxy.port()}`;
  const absolute = await run(curl!, ['-s', '-x', via, 'http://app.example/x']);
  assert.equal((JSON.parse(absolute.stdout) as Echo).url, '/x');
  const tunnelled = await run(curl!, ['-s', '-x', via, '--proxytunnel', 'http://app.example/y']);
  const echo = JSON.parse(tunnelled.stdout) as Echo;
  const seen = [echo.url, echo.headers['x-request-id']];
  assert.deepEqual(seen, ['/y', undefined], 'what is inside a tunnel is not touched');
});

test('S11 a raw CONNECT: half-close both ways, early data only after 200', async () => {
  const received: string[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on('end', () => {
      received.push(text);
      socket.end(`got ${text}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const listener = httpListener([TUNNEL], { upgrade_configs: [{ upgrade_type: 'CONNECT' }] });
  await using proxy = await TestProxy.start(bootstrapOf([listener], [staticCluster('tcp', [port])]));
  const socket = connect({ port: proxy.port(), host: '127.0.0.1', allowHalfOpen: true });
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  socket.write('CONNECT db:5432 HTTP/1.1\r\nhost: db:5432\r\n\r\nearly ');
  await until('the tunnel is open', () => answer.startsWith('HTTP/1.1 200'));
  socket.end('late');
  await until('the answer came through', () => answer.endsWith('got early late'));
  assert.deepEqual(received, ['early late']);
  server.close();
});

test('CONNECT without configuration is refused, and nothing of it reaches the upstream', async () => {
  await using upstream = await EchoServer.start('app');
  const listener = httpListener([{ match: { connect_matcher: {} }, route: { cluster: 'tcp' } }]);
  await using proxy = await TestProxy.start(bootstrapOf([listener], [staticCluster('tcp', [upstream.port])]));
  const socket = connect({ port: proxy.port(), host: '127.0.0.1' });
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  const closed = new Promise((resolve) => {
    socket.on('close', resolve);
  });
  socket.write('CONNECT app:80 HTTP/1.1\r\nhost: app:80\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: app\r\n\r\n');
  await closed;
  assert.match(answer, /^HTTP\/1\.1 403 /);
  assert.equal(upstream.requests, 0);
});

test('F08 a client that goes away while its request waits takes the upstream request with it', async () => {
  let aborted = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.resume();
    socket.on('close', () => {
      aborted++;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const clusters = [staticCluster('app', [port])];
  await using proxy = await TestProxy.start(bootstrapOf([httpListener([routeTo('app')])], clusters));
  const client = connect({ port: proxy.port(), host: '127.0.0.1' });
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const active = (): number => proxy.stat('cluster.app.upstream_rq_active');
  await until('the upstream has the request', () => active() === 1);
  client.destroy();
  await until('the upstream connection is closed', () => aborted === 1);
  await until('nothing is left of it', () => active() === 0 && proxy.stat('http.http.downstream_rq_active') === 0);
  server.close();
});
