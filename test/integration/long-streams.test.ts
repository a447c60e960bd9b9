// Streams that live long, by count: what happens beside them doesn't end them, and a drain says so first.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';
import type { ClientHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { Cluster } from '../../proxy/config/cluster.ts';
import { decode } from '../../proxy/config/decode.ts';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, decoded, httpListener, routeTo, staticCluster } from '../harness/weft.ts';
import { RawWebSocket } from '../harness/websocket-client.ts';
import { TEXT } from '../harness/websocket-frames.ts';
import { WebSocketServer } from '../harness/websocket-server.ts';

const ROUNDS = 200;

/** Sends a message and has it back. */
type Exchange = (text: string) => Promise<void>;

function openStream(session: ClientHttp2Session): { exchange: Exchange; end: () => Promise<string> } {
  const stream = session.request({ ':path': '/echo', ':method': 'POST' }).setEncoding('utf8');
  let received = '';
  let sent = '';
  stream.on('data', (text: string) => (received += text));
  const exchange = async (text: string): Promise<void> => {
    sent += text;
    stream.write(text);
    await until('the message is back', () => received === sent || stream.destroyed);
    assert.equal(received, sent);
  };
  const end = async (): Promise<string> => {
    stream.end();
    await once(stream, 'close');
    return received === sent ? `ended with ${stream.rstCode}` : 'cut';
  };
  return { exchange, end };
}

async function openWebSocket(port: number): Promise<{ exchange: Exchange; client: RawWebSocket }> {
  const client = await RawWebSocket.open({ port }, '/echo');
  let count = 0;
  const exchange = async (text: string): Promise<void> => {
    client.send({ opcode: TEXT, payload: Buffer.from(text) });
    await client.frames(++count);
    assert.equal(client.seen.length, count);
    assert.ok(!client.seen.includes('end'));
  };
  return { exchange, client };
}

/** Mirrors what comes on /echo, resets everything else. */
async function startUpstream(): Promise<{ port: number; sockets: Set<Socket> } & Disposable> {
  const server = createServer();
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined);
    if (headers[':path'] !== '/echo') {
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, sockets, [Symbol.dispose]: close };
}

test('F32 node:http2 streams and WebSockets outlive what happens beside them; a drain tells by GOAWAY and waits',
  async () => {
    using upstream = await startUpstream();
    await using sockets = await WebSocketServer.start();
    const upgrades = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
    const web = httpListener([routeTo('web', { timeout: '0s' })], upgrades, 'web');
    await using proxy = await TestProxy.start(bootstrapOf(
      [httpListener([routeTo('app', { timeout: '0s' })]), web], [staticCluster('web', [sockets.port])],
    ));
    const { supervisor } = proxy.running;
    const put = async (kind: 'cluster' | 'listener', name: string, resource: unknown, i: number): Promise<void> => {
      const refused = await supervisor.intake.apply({
        kind, updated: [{ name, resource, version: String(i) }], removed: [], origin: 'dynamic',
      });
      assert.deepEqual(refused, []);
    };
    const putCluster = (i: number): Promise<void> => {
      const cluster = http2Cluster('app', upstream.port) as object;
      const { value } = decode(Cluster, { ...cluster, connect_timeout: `${i}s` });
      return put('cluster', 'app', value, i);
    };
    await putCluster(1);
    const session = connect(`http://127.0.0.1:${proxy.port()}`);
    const stream = openStream(session);
    const socket = await openWebSocket(proxy.port('web'));
    const both = async (text: string): Promise<void> => {
      await stream.exchange(text);
      await socket.exchange(text);
    };
    for (let i = 0; i < ROUNDS; i++) {
      await both(`${i};`);
      // A stream of the same connection is reset, another connection is lost.
      const reset = session.request({ ':path': '/reset' }).on('error', () => undefined).resume();
      await once(reset, 'close');
      if (i % 20 === 0) connect(`http://127.0.0.1:${proxy.port()}`).on('connect', (other) => other.destroy());
      if (i % 50 === 10) {
        await putCluster(i);
        await put('listener', 'other', decoded(httpListener([routeTo('app')], {}, 'other')), i);
      }
    }
    assert.ok(upstream.sockets.size > 1, 'the cluster’s new settings have new connections');
    const goaway = once(session, 'goaway') as Promise<[number]>;
    const drained = supervisor.drain({ deadlineMs: 20_000, minimumMs: 0, endsWhenEmpty: true });
    assert.equal((await goaway)[0], constants.NGHTTP2_NO_ERROR);
    for (let i = 0; i < 20; i++) await both(`late ${i};`);
    assert.equal(await stream.end(), 'ended with 0');
    socket.client.close();
    await drained;
  });
