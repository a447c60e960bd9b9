// WebSocket between HTTP/1.1 and HTTP/2 (RFC 8441) in all combinations, by peers that know one of the two alone. Envoy
// passes the handshake's fields on as they are, so that it carries WebSocket only where both sides speak the same.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { WebSocket } from 'undici';
import { H1_TRAILERS, http1Cluster, websocketCluster } from '../harness/http2-bootstrap.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, routeTo } from '../harness/weft.ts';
import { RawWebSocket } from '../harness/websocket-client.ts';
import { BINARY, CLOSE, PING, TEXT, closePayload, describeFrame, encodeFrame } from '../harness/websocket-frames.ts';
import type { Frame } from '../harness/websocket-frames.ts';
import { Http2WebSocket, Http2WebSocketServer } from '../harness/websocket-h2.ts';
import { WebSocketServer } from '../harness/websocket-server.ts';

const FRAMES: readonly Frame[] = [
  { opcode: TEXT, payload: Buffer.from('hello') },
  { opcode: BINARY, payload: randomBytes(1 << 20) },
  { opcode: TEXT, payload: Buffer.from('in '), last: false },
  { opcode: 0, payload: Buffer.from('parts') },
  { opcode: CLOSE, payload: closePayload(3999, 'so it is') },
];

/** What both clients have. */
interface Client {
  send(frame: Frame): void;
  frames(count: number): Promise<readonly string[]>;
  close(): void;
}

async function expectEcho(client: Client, frames = FRAMES): Promise<void> {
  for (const frame of frames) client.send(frame);
  assert.deepEqual((await client.frames(frames.length)).slice(0, frames.length), frames.map(describeFrame));
  client.close();
}

function bootstrap(h1: number, h2: number, old: number): unknown {
  const manager = {
    upgrade_configs: [{ upgrade_type: 'websocket' }], http2_protocol_options: { allow_connect: true },
    http_protocol_options: H1_TRAILERS, delayed_close_timeout: '0.1s',
  };
  const names = ['h1', 'h2', 'old'];
  return bootstrapOf(names.map((name) => httpListener([routeTo(name)], manager, name)),
    [http1Cluster('h1', h1), websocketCluster('h2', h2), websocketCluster('old', old)]);
}

/** One proxy of a kind between all peers. */
async function start(kind: ProxyKind) {
  const [h1, h2, old] = [
    await WebSocketServer.start(), await Http2WebSocketServer.start(), await Http2WebSocketServer.start(false),
  ];
  const proxy = await ProxyProcess.start(kind, bootstrap(h1.port, h2.port, old.port));
  return {
    h2, proxy,
    [Symbol.asyncDispose]: async () => {
      for (const peer of [proxy, h1, h2, old]) await peer[Symbol.asyncDispose]();
    },
  };
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} carries WebSocket by HTTP/2 (node:http2, undici)`, { skip, timeout: 60_000 }, async (t) => {
    await using way = await start(kind);
    const [h1, h2] = [way.proxy.port('h1'), way.proxy.port('h2')];
    const bridges = kind === 'weft';
    await t.test('HTTP/1.1 to HTTP/1.1', async () => expectEcho(await RawWebSocket.open({ port: h1 }, '/echo')));
    await t.test('HTTP/2 to HTTP/2', async () => expectEcho(await Http2WebSocket.open(h2, '/echo')));
    await t.test('HTTP/1.1 to HTTP/2', async () => {
      const client = await RawWebSocket.open({ port: h2 }, '/echo');
      assert.equal(client.accepted, bridges, client.head);
      if (bridges) await expectEcho(client);
      else client.close();
    });
    await t.test('HTTP/2 to HTTP/1.1', async () => {
      const client = await Http2WebSocket.open(h1, '/echo');
      assert.equal(client.status, bridges ? 200 : 400);
      assert.equal(client.head['sec-websocket-accept'], undefined);
      if (bridges) await expectEcho(client);
      else client.close();
    });
    await t.test('a key that came by HTTP/2 is the client’s own affair', async () => {
      const client = await Http2WebSocket.open(h1, '/echo', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' });
      assert.equal(client.head['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
      // Envoy drops what it still holds when a server of HTTP/1.1 ends its tunnel.
      await expectEcho(client, bridges ? FRAMES : FRAMES.slice(0, -1));
    });
    for (const [version, port] of [['HTTP/1.1', h1], ['HTTP/2', h2]] as const) {
      await t.test(`a refusal by ${version} stays one for both`, async () => {
        assert.match((await RawWebSocket.open({ port }, '/refuse')).head, /^HTTP\/1\.1 403 /);
        const client = await Http2WebSocket.open(port, '/refuse', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' });
        assert.equal(client.status, 403);
        client.close();
      });
    }
    for (const name of ['h1', 'h2', 'old']) await way.proxy.quiet(name);
  });
}

void test('weft stands in for whoever does not know the other handshake', { timeout: 60_000 }, async (t) => {
  await using way = await start('weft');
  const { proxy } = way;
  await t.test('undici opens a WebSocket to an HTTP/2 server, with its subprotocol', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port('h2')}/echo`, ['chat', 'other']);
    const opened = Promise.withResolvers<string>();
    socket.onopen = () => socket.send('hello');
    socket.onmessage = ({ data }: { data: string }) => opened.resolve(`${socket.protocol} ${data}`);
    socket.onerror = () => opened.reject(new Error('no handshake'));
    assert.equal(await opened.promise, 'chat hello');
    socket.close();
  });
  await t.test('S11 what came with the request waits for the server’s settings and its answer', async () => {
    const early = encodeFrame({ opcode: PING, payload: Buffer.from('early') }, Buffer.from('abcd'));
    const client = await RawWebSocket.open({ port: proxy.port('h2') }, '/echo', early);
    assert.deepEqual(await client.frames(1), ['ping 5 early']);
    client.close();
  });
  await t.test('a server that has read another key, or that answers 200, has not opened anything', async () => {
    for (const path of ['/wrong', '/page']) {
      const client = await Http2WebSocket.open(proxy.port('h1'), path);
      assert.equal(client.status, 502, path);
      client.close();
    }
  });
  await t.test('a server that does not offer extended CONNECT is not asked', async () => {
    for (let i = 0; i < 2; i++) {
      assert.match((await RawWebSocket.open({ port: proxy.port('old') }, '/echo')).head, /^HTTP\/1\.1 502 /);
    }
  });
  assert.ok(way.h2.heads.every((head) => head['upgrade'] === undefined && head['connection'] === undefined));
});
