// The end of a WebSocket whose client still sends: nothing of it stays, whoever stops first.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo } from '../harness/weft.ts';
import { RawWebSocket } from '../harness/websocket-client.ts';
import { BINARY } from '../harness/websocket-frames.ts';

const PIECE = Buffer.alloc(1 << 16);
/** More than all windows and buffers on the way hold. */
const FLOOD = Array.from({ length: 512 }, () => PIECE);

void test('S81 a client that floods sees the end of a node:http2 server that does not read, and goes', async (t) => {
  const streams: ServerHttp2Stream[] = [];
  const server = createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 });
    streams.push(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const listener = httpListener([routeTo('app')], { upgrade_configs: [{ upgrade_type: 'websocket' }] });
  await using proxy = await TestProxy.start(
    bootstrapOf([listener], [http2Cluster('app', (server.address() as AddressInfo).port)]),
  );
  const client = await RawWebSocket.open({ port: proxy.port() }, '/');
  assert.match(client.head, /^HTTP\/1.1 101 /);
  for (const payload of FLOOD) client.sendBulk({ opcode: BINARY, payload });
  await until('the proxy holds back', () => client.socket.writableLength > 0);
  streams[0]!.end();
  await until('the client sees the end', () => client.seen.includes('end'));
  await until('the rest is taken', () => client.socket.writableLength === 0);
  client.close();
  await until('the connection is gone', () => proxy.stat('http.http.downstream_cx_active') === 0);
});
