// Streams through a real proxy that their peers leave alone, and what is passed on as it came.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, constants } from 'node:http2';
import type { ClientHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { request } from 'undici';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

test('S25 S80 a node:http2 client without window for its response is reset, and only there', async () => {
  const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const manager = { stream_idle_timeout: '0.2s' };
  await using proxy = await TestProxy.start(
    bootstrapOf([httpListener([routeTo('app')], manager)], [staticCluster('app', [port])]),
  );
  const session = connect(`http://127.0.0.1:${proxy.port()}`, { settings: { initialWindowSize: 0 } });
  await once(session, 'remoteSettings');
  const stalled = session.request({ ':path': '/' });
  stalled.on('error', () => undefined);
  const [headers] = (await once(stalled, 'response')) as [Record<string, unknown>];
  assert.equal(headers[':status'], 200);
  assert.equal(proxy.stat('http.http.downstream_rq_completed'), 1, 'for the filters it is over');
  await once(stalled, 'close');
  assert.equal(stalled.rstCode, constants.NGHTTP2_CANCEL);
  assert.equal(proxy.stat('http2.tx_flush_timeout'), 1);
  session.settings({ initialWindowSize: 65_535 });
  await once(session, 'localSettings');
  const next: ClientHttp2Stream = session.request({ ':path': '/' });
  let body = '';
  for await (const chunk of next.setEncoding('utf8')) body += String(chunk);
  assert.equal(body, 'hello');
  session.destroy();
  server.close();
  await until('all is closed', () => proxy.stat('http.http.downstream_cx_active') === 0);
});

test('S82 nothing is decompressed: what undici and a node:http server send in gzip arrives byte for byte', async () => {
  const bomb = gzipSync(Buffer.alloc(20_000_000));
  assert.ok(bomb.length < 100_000);
  const bodies: Buffer[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      bodies.push(Buffer.concat(chunks));
      response.setHeader('content-encoding', 'gzip');
      response.end(bomb);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using proxy = await TestProxy.start(
    bootstrapOf([httpListener([routeTo('app')])], [staticCluster('app', [port])]),
  );
  const answer = await request(`http://127.0.0.1:${proxy.port()}/`, {
    method: 'POST', body: bomb, headers: { 'content-encoding': 'gzip', 'accept-encoding': 'gzip' },
  });
  const received = Buffer.from(await answer.body.arrayBuffer());
  assert.equal(answer.headers['content-encoding'], 'gzip');
  assert.ok(received.equals(bomb) && bodies[0]!.equals(bomb));
  assert.equal(gunzipSync(received).length, 20_000_000);
  server.closeAllConnections();
  server.close();
});
